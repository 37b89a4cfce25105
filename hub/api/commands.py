"""The commands over HTTP: what REST calls them, made from the one table.

Path, query and body are read into the one Struct that a command takes. A GET and a DELETE say
everything in the address, the others in a JSON object. Answers carry `success` and the place in
the log beside the members of the command's answer.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec.structs import fields
from starlette.requests import Request
from starlette.responses import Response

from hub.commands.command import Command, Result
from hub.commands.invoke import invoke, parse
from hub.protocol.errors import InvalidParams, invalid
from hub.protocol.events import locate

from .answers import json
from .requests import json_body, principal_of, said_in_query, services_of

Handler = Callable[[Request], Awaitable[Response]]
_IN_ADDRESS = ("GET", "HEAD", "DELETE")
_VARIABLE = re.compile(r"\{(\w+)\}")


def handler(command: Command) -> Handler:
    """What answers a command's requests."""
    known = fields(command.params)
    types = {field.encode_name: field.type for field in known}
    in_path = set(_VARIABLE.findall(command.http or ""))
    needed = any(field.required and field.encode_name not in in_path for field in known)

    async def handle(request: Request) -> Response:
        principal = await principal_of(request, command.quota)
        services = services_of(request)
        strict = request.method not in _IN_ADDRESS  # there, everything is text
        said = await _said(request, needed)
        for name, value in request.path_params.items():
            if name in said:
                raise invalid(InvalidParams, f"/{name}", "stands in the path already")
            said[name] = _of_path(name, value, types[name])
        params = parse(said, command.params, strict=strict)
        result, offset = await invoke(
            services, principal, command, params, idempotency_key(request), _if_match(request)
        )
        return answer(request, command, result, services.log.epoch, offset)

    return handle


def answer(request: Request, command: Command, result: Result, epoch: str, offset: int) -> Response:
    """The members of an answer as REST gives them, with `ETag`, `Location` and `Link`."""
    content: dict[str, Any] = {"success": True, **result}
    if command.message is not None:
        content["message"] = command.message
    content["epoch"], content["offset"] = epoch, offset
    return json(content, command.status, _headers(request, command, result))


def idempotency_key(request: Request) -> str | None:
    """The key of a call that may come again; the draft puts it in quotes, most clients do not."""
    key = request.headers.get("idempotency-key")
    if key is not None and len(key) > 2 and key[0] == key[-1] == '"':
        return key[1:-1]
    return key


def _if_match(request: Request) -> str | None:
    # Of a GET it is a condition on ranges (RFC 9110 section 13.2.1), of which these have none.
    return None if request.method in ("GET", "HEAD") else request.headers.get("if-match")


async def _said(request: Request, needed: bool) -> dict[str, Any]:
    """What a request says in its query or body, by name.

    Args:
        needed: whether there must be a body where it is the body that says it.

    Raises:
        BadFrame, TooLarge: see `json_body`.
        InvalidParams: it says something where nobody looks.
    """
    if request.method in _IN_ADDRESS:
        said = said_in_query(request)
    else:
        for name in request.query_params:
            raise invalid(InvalidParams, f"/{name}", "belongs in the body, a JSON object")
        said = await json_body(request, optional=not needed)
        if not isinstance(said, dict):
            raise invalid(InvalidParams, "", "expected an object")
    return said


def _of_path(name: str, text: str, type_: Any) -> Any:
    """A variable of the path, which is text even where the body is JSON."""
    try:
        return msgspec.convert(text, type_, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(InvalidParams, f"/{name}", locate(str(error))[1]) from None


def _headers(request: Request, command: Command, result: Result) -> dict[str, str]:
    headers = {}
    first = next(iter(result.values()), None)
    version = getattr(first, "version", None)
    if isinstance(version, int):
        headers["ETag"] = f'"{version}"'
    id_ = getattr(first, "id", None)
    # As a URI has it (RFC 3986): the path is decoded, and may hold any character.
    path = quote(request.scope["path"])
    if command.makes and id_ is not None:
        headers["Location"] = f"{path}/{id_}"
    elif command.status == 202 and id_ is not None:
        headers["Location"] = f"/api/jobs/{quote(id_, safe='')}"
    if result.get("next") is not None:
        query = {**request.query_params, "after": str(result["next"])}
        headers["Link"] = f'<{path}?{urlencode(query)}>; rel="next"'
    return headers
