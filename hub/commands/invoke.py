"""The one way to a command, for both doors: who may, for which merchant, whether it came before."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct, structs

from hub.auth import Principal
from hub.protocol import codec
from hub.protocol.errors import (
    Conflict,
    Forbidden,
    HubError,
    InvalidParams,
    NotFound,
    PreconditionFailed,
    invalid,
)
from hub.protocol.events import locate
from hub.protocol.frames import Call
from hub.services import Services
from storage import errors, owners
from storage.scope import HUB

from .command import FOR_WHICH, Command, Invocation, Result
from .idempotency import KeyedCall, keyed_call
from .table import COMMANDS

_VERSIONS = re.compile(r'\s*"?(\d{1,18})"?\s*(?:,\s*"(\d{1,18})"\s*)*')
_DIGITS = re.compile(r"\d+")


async def invoke(
    services: Services,
    actor: Principal,
    command: Command,
    params: Struct,
    key: str | None = None,
    if_match: str | None = None,
    *,
    said: Struct | None = None,
) -> tuple[Result, int]:
    """Carry out a command: the members of its answer, and its place in the log.

    Args:
        params: of the command's kind.
        key: the caller's idempotency key.
        if_match: the versions of which the row must have one: `"3"`, `"3", "4"` or `*`.
        said: what tells this call from another one with its key, where that is not the params: a
            file is told by its hash.

    Raises:
        HubError: it was refused; pointers are into the params.
        storage.errors.Unavailable: the database did not answer.
    """
    _permit(actor, command)
    versions = _versions(command, if_match)
    try:
        actor = await _bind(services, actor, command, params)
        keyed = _keyed(command, actor, said or params, key)
        call = Invocation(services, actor, command, keyed=keyed, if_match=versions)
        result = await command.run(call, params)
    except errors.Sealed:
        if actor.merchant_id is not None:
            raise
        # Something was looked up within one merchant, and an admin has named none.
        raise invalid(InvalidParams, "/merchant_id", FOR_WHICH) from None
    except errors.StorageError as error:
        raise _refusal(error, versions) from error
    return result, call.offset


async def admit(
    services: Services, actor: Principal, command: Command, params: Struct
) -> Principal:
    """Who acts, bound to the merchant that the params name: for doors of their own.

    Raises:
        Forbidden: the role may not use the command, or names another merchant.
        InvalidParams, NotFound: there is no such merchant, or no such row.
    """
    _permit(actor, command)
    return await _bind(services, actor, command, params)


def _permit(actor: Principal, command: Command) -> None:
    if actor.role not in command.roles:
        raise Forbidden(f"a {actor.role}'s key may not use {command.name}")


def _keyed(command: Command, actor: Principal, params: Struct, key: str | None) -> KeyedCall | None:
    if not command.writes:
        return None  # asked again, a question is answered as things are
    made_id = getattr(params, "id", None) if command.makes or command.queues else None
    return keyed_call(command.name, actor.merchant_id, params, key, made_id)


async def _bind(
    services: Services, actor: Principal, command: Command, params: Struct
) -> Principal:
    """Bind an admin to the merchant that it names, or whose row it names."""
    asked: str | None = getattr(params, "merchant_id", None)
    if actor.merchant_id is not None:
        if asked not in (None, actor.merchant_id):
            raise Forbidden("this key works for its own merchant alone")
        return actor
    if asked is None:
        if command.table is None:
            return actor
        table, id_ = command.table, params.id  # type: ignore[attr-defined]
        asked = await services.database.read(lambda tx: owners.of(tx, table, id_), HUB)
    elif asked not in services.merchants:
        raise invalid(InvalidParams, "/merchant_id", "no merchant has this id")
    return structs.replace(actor, merchant_id=asked)


def _versions(command: Command, if_match: str | None) -> frozenset[int] | None:
    if if_match is None or if_match.strip() == "*":
        return None
    if not command.versioned:
        raise invalid(InvalidParams, "/if_match", f"{command.name} does not take it")
    if _VERSIONS.fullmatch(if_match) is None:
        message = 'a version in quotes, as ETag gives it: "3"'
        raise invalid(InvalidParams, "/if_match", message)
    return frozenset(int(digits) for digits in _DIGITS.findall(if_match))


def _refusal(error: errors.StorageError, versions: frozenset[int] | None) -> Exception:
    """What storage refused, in the words of the wire; what is no refusal stays as it is."""
    message = str(error)
    match error:
        case errors.NotFound():
            return NotFound(message)
        case errors.Stale():
            return Conflict(message) if versions is None else PreconditionFailed(message)
        case errors.Conflict():
            return Conflict(message)
        case _:
            return error


async def by_name(
    services: Services,
    actor: Principal,
    method: str,
    said: dict[str, Any],
    key: str | None = None,
    if_match: str | None = None,
) -> tuple[Result, int]:
    """Carry out the command of this name with what a caller says; see `invoke`.

    Raises:
        NotFound: there is no such command.
        InvalidParams: what is said does not fit it.
    """
    command = COMMANDS.get(method)
    if command is None:
        raise NotFound(f"there is no method {method[:64]!r}; there are: {', '.join(COMMANDS)}")
    params = parse(said, command.params)
    return await invoke(services, actor, command, params, key, if_match)


def calls(services: Services) -> Callable[[Principal, Call], Awaitable[tuple[Result, int]]]:
    """What carries out `call` frames for the gateway."""

    async def run(actor: Principal, call: Call) -> tuple[Result, int]:
        try:
            return await by_name(services, actor, call.method, call.params, call.key, call.if_match)
        except HubError as error:
            # A condition stands beside the params; whatever else is said is in them.
            if any(each.pointer in ("/key", "/if_match") for each in error.errors):
                raise
            raise error.below("/params") if error.errors else error from None

    return run


def parse(said: dict[str, Any], kind: type[Struct], *, strict: bool = True) -> Any:
    """What a caller says as the Struct of a command.

    Args:
        strict: False where everything is text, as in a query.

    Raises:
        InvalidParams: a field is missing, unknown or of the wrong kind, or cannot be kept.
    """
    codec.check_params(said)
    try:
        params = msgspec.convert(said, kind, strict=strict)
    except msgspec.ValidationError as error:
        if "`float`" not in str(error):
            raise _misfit(error) from None
        # To JSON, 25 and 25.0 are one number; some serializers know no other way to write it.
        try:
            params = msgspec.convert(_whole(said), kind, strict=strict)
        except msgspec.ValidationError as again:
            raise _misfit(again) from None
    if not strict:
        _refuse_null(said, kind, params)
    return params


def _misfit(error: msgspec.ValidationError) -> HubError:
    pointer, message = locate(str(error))
    return invalid(InvalidParams, pointer, message)


def _whole(value: Any) -> Any:
    """A JSON value with its whole numbers as integers."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_whole(each) for each in value]
        case dict():
            return {name: _whole(each) for name, each in value.items()}
        case _:
            return value


def _refuse_null(said: dict[str, Any], kind: type[Struct], params: Struct) -> None:
    """Refuse the word for nothing: to msgspec it is one where everything is text."""
    if not any(isinstance(value, str) and value.lower() == "null" for value in said.values()):
        return
    for field in structs.fields(kind):
        if field.encode_name in said and getattr(params, field.name) is None:
            message = "an address says nothing by leaving it out"
            raise invalid(InvalidParams, f"/{field.encode_name}", message)
