"""The whole document, and its bytes."""

from functools import cache
from hashlib import sha256
from typing import Any

import msgspec

from hub import credentials
from hub.problems import Problem
from hub.protocol.codes import ErrorCode
from hub.protocol.events import CORE_TYPES
from hub.protocol.frames import Event

from . import examples, headers
from .commands import about, operations, variables
from .doors import DOORS, publishable
from .links import links_of
from .operation import Answer, Operation
from .schemas import Schema, Schemas, not_null

_TITLE = "Smart Bot Hub"
_ABOUT = """\
The REST door of one hub. Every operation is a command that the socket's `call` knows by the same \
name, its `operationId`.

- A key goes into `Authorization: Bearer …` or `X-API-Key`. What belongs to a merchant needs no \
`merchant_id` from the merchant's own keys; an admin gives it where a row is made or listed.
- A GET and a DELETE say everything in the address; the others take a JSON object. What nobody \
knows is refused and named.
- Answers carry `success`, and `epoch` and `offset`: the place in the log from which to follow \
what was answered.
- What is refused is a problem document (RFC 9457). Before any operation, the hub refuses what is \
no request of HTTP/1.1 to it: 400, 405, 408, 414, 431, 501, 503 and 505, with the same document.
"""
_SCHEMES: dict[str, Schema] = {
    "bearer": {
        "type": "http", "scheme": "bearer",
        "description": "A key: `hub_`, the letter of its role (a, m, v or b), `_` and 43 "
        "characters.",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
    "cookie": {
        "type": "apiKey", "in": "cookie", "name": credentials.COOKIE,
        "description": f"A browser's session, `{credentials.SECURE_COOKIE}` on https; for the "
        "hub's own pages. Unsafe methods need the hub's own `Origin`.",
    },
}  # fmt: skip
_ACCESS: dict[str, list[Schema]] = {
    "key": [{"bearer": []}, {"key": []}, {"cookie": []}],
    "cookie": [{"cookie": []}],
    "optional": [{}, {"bearer": []}, {"key": []}, {"cookie": []}],
    "open": [],
}


@cache
def encoded(version: str) -> tuple[bytes, str]:
    """The document as JSON, and its entity tag in quotes; made once.

    Args:
        version: the hub's.
    """
    content = msgspec.json.encode(document(version))
    return content, f'"{sha256(content).hexdigest()[:32]}"'


def described() -> list[Operation]:
    """All operations; a route with a door of its own goes before the command of its name."""
    own = {(door.method, door.path) for door in DOORS}
    commands = [each for each in operations() if (each.method, each.path) not in own]
    return sorted((*DOORS, *commands), key=lambda each: (each.tag, each.path, each.method))


def document(version: str = "1") -> Schema:
    """The OpenAPI 3.1 document of this hub."""
    all_ = described()
    said = [each.said for each in all_ if each.said is not None]
    bodies = [each.body for each in all_ if isinstance(each.body, type)]
    told = [kind for each in all_ for answer in each.answers.values() for kind in _kinds(answer)]
    # An event's frame has of its members what it needs, as one that is taken has.
    schemas = Schemas([*said, *bodies, *CORE_TYPES.values(), Event], [*told, Problem])
    paths: Schema = {}
    for each in all_:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, all_, schemas)
    schemas.drop([kind for kind in {*said, *bodies} if kind not in CORE_TYPES.values()])
    tags = dict.fromkeys(each.tag for each in all_)
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": version, "description": _ABOUT},
        "servers": [{"url": "/", "description": "This hub"}],
        "security": _ACCESS["key"],
        "tags": [
            {"name": tag, **({"description": words} if (words := about(tag)) else {})}
            for tag in tags
        ],
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Publish": publishable()},
            "responses": headers.refusals(),
            "headers": headers.components(),
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(each: Operation, all_: list[Operation], schemas: Schemas) -> Schema:
    made: Schema = {"operationId": each.id, "tags": [each.tag], "summary": each.summary}
    if each.description:
        made["description"] = each.description
    if each.access != "key":
        made["security"] = _ACCESS[each.access]
    if each.roles is not None:
        made["x-roles"] = sorted(each.roles)
    if each.events:
        made["x-events"] = list(each.events)
    parameters = [*_parameters(each, schemas), *_asked(each)]
    if parameters:
        made["parameters"] = parameters
    if not each.in_address and (body := _body(each, schemas)) is not None:
        made["requestBody"] = body
    made["responses"] = {
        str(status): _answer(each, status, all_, schemas) for status in sorted(each.answers)
    } | {str(status): headers.refusal(status) for status in _refused(each)}
    return made


def _parameters(each: Operation, schemas: Schemas) -> list[Schema]:
    """What stands in the path, and of a GET or a DELETE in the query."""
    if each.said is None:
        return []
    schema = schemas.object_of(each.said)
    in_path = variables(each.path)
    found = []
    for name, property_ in schema["properties"].items():
        if name not in in_path and not each.in_address:
            continue
        parameter: Schema = {"name": name, "in": "path" if name in in_path else "query"}
        if name in in_path or name in schema["required"]:
            parameter["required"] = True
        property_ = not_null(property_)
        if words := property_.pop("description", None):
            parameter["description"] = words
        parameter["schema"] = property_
        example = examples.of_field(each.said, name)
        if example is not None:
            parameter["example"] = example
        found.append(parameter)
    return found


def _asked(each: Operation) -> list[Schema]:
    return [{"name": name, "in": "header", **headers.ASKED[name]} for name in each.fields]


def _body(each: Operation, schemas: Schemas) -> Schema | None:
    if each.body is not None:
        schema = schemas.object_of(each.body) if isinstance(each.body, type) else each.body
        needed, made = True, {}
    else:
        assert each.said is not None, each.id
        in_path = variables(each.path)
        schema = schemas.object_of(each.said)
        for name in in_path:
            del schema["properties"][name]
        schema["required"] = [name for name in schema["required"] if name not in in_path]
        needed = bool(schema["required"])
        made = examples.request(each.said, in_path)
        if not schema["properties"]:
            made = {}
    shown = each.examples or {"example": made}
    json = {
        "schema": schema,
        "examples": {name: {"value": value} for name, value in shown.items()},
    }
    forms = {media: {"schema": form} for media, form in each.forms.items()}
    return {"required": needed, "content": {"application/json": json, **forms}}


def _answer(each: Operation, status: int, all_: list[Operation], schemas: Schemas) -> Schema:
    answer = each.answers[status]
    fields_ = {name: {**headers.FIELDS[name], "required": True} for name in answer.headers}
    if "X-Request-ID" in fields_:
        fields_["X-Request-ID"] = headers.reference("X-Request-ID")
    optional = answer.may_have if each.limited else ()
    made: Schema = {
        "description": answer.description,
        "headers": fields_ | {name: headers.reference(name) for name in optional},
        "content": {media: _content(kind, schemas) for media, kind in answer.content.items()},
    }
    if status < 300 and (links := links_of(each, all_)):
        made["links"] = links
    return made


def _content(kind: Any, schemas: Schemas) -> Schema:
    if kind is None:
        return {"schema": {"type": "string"}}
    alternatives = kind if isinstance(kind, tuple) else (kind,)
    made = [_schema(each, schemas) for each in alternatives]
    return {
        "schema": made[0] if len(made) == 1 else {"anyOf": made},
        "example": _example(alternatives[-1]),
    }


def _schema(kind: Any, schemas: Schemas) -> Schema:
    if not isinstance(kind, dict):
        return schemas.of(kind)
    properties = {
        name: {"const": True} if each is True else schemas.of(each) for name, each in kind.items()
    }
    return {"type": "object", "properties": properties, "required": list(kind)}


def _example(kind: Any) -> Any:
    if not isinstance(kind, dict):
        return examples.example(kind)
    return {
        name: True if each is True else examples.example(each, name) for name, each in kind.items()
    }


def _kinds(answer: Answer) -> list[Any]:
    """The types in an answer."""
    found: list[Any] = []
    for content in answer.content.values():
        for kind in content if isinstance(content, tuple) else (content,):
            found += kind.values() if isinstance(kind, dict) else [kind]
    return [kind for kind in found if kind is not None and kind is not True]


def _refused(each: Operation) -> list[int]:
    codes = {*each.refusals, *headers.EVERYWHERE}
    if not each.limited:
        codes.discard(ErrorCode.RATE_LIMITED)
    return sorted(({code.status for code in codes} | each.statuses) - each.answers.keys())
