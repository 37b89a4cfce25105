"""The operations that commands answer, described from their table."""

import inspect
import re
import sys
from typing import Any

from msgspec.structs import fields

from hub.commands.command import Command
from hub.commands.table import COMMANDS
from hub.protocol.codes import ErrorCode

from .examples import BODIES
from .headers import RATE_LIMITS
from .operation import Answer, Operation

_VARIABLE = re.compile(r"\{(\w+)\}")


def operation(command: Command) -> Operation:
    """The description of a command that REST knows."""
    assert command.http is not None
    method, _, path = command.http.partition(" ")
    refusals = {ErrorCode.UNAUTHENTICATED, ErrorCode.INVALID_PARAMS, ErrorCode.RATE_LIMITED}
    asked = []
    if command.writes:
        asked.append("Idempotency-Key")
    if command.writes or command.table is not None:
        # A key that stands for something else; an id that two merchants have, asked by an admin.
        refusals.add(ErrorCode.CONFLICT)
    if command.versioned:
        asked.append("If-Match")
        refusals.add(ErrorCode.PRECONDITION_FAILED)
    if "{" in path:
        refusals.add(ErrorCode.NOT_FOUND)
    if method not in ("GET", "DELETE"):
        refusals |= {ErrorCode.BAD_FRAME, ErrorCode.TOO_LARGE}
        if any(_refers(field.name) for field in fields(command.params)):
            refusals.add(ErrorCode.NOT_FOUND)
    example = BODIES.get(command.name)
    return Operation(
        id=command.name,
        method=method,
        path=path,
        tag=command.name.partition(".")[0],
        summary=command.summary,
        description=inspect.cleandoc(inspect.getdoc(command.run) or "").partition("\n\nRaises:")[0],
        said=command.params,
        examples={} if example is None else {"example": example},
        fields=tuple(asked),
        answers={command.status: answer(command)},
        refusals=frozenset(refusals),
        roles=frozenset(command.roles),
        events=command.events,
        makes=command.makes,
    )


def operations() -> list[Operation]:
    """Those of all commands that REST knows."""
    return [operation(command) for command in COMMANDS.values() if command.http is not None]


def answer(command: Command) -> Answer:
    """What a command answers when it succeeds."""
    members: dict[str, Any] = {"success": True, **command.answer}
    if command.message is not None:
        members["message"] = str
    members |= {"epoch": str, "offset": int}
    first = next(iter(command.answer.values()), None)
    always, at_times = ["X-Request-ID"], list(RATE_LIMITS)
    if "version" in getattr(first, "__struct_fields__", ()):
        always.append("ETag")
    if (command.makes or command.status == 202) and "id" in getattr(first, "__struct_fields__", ()):
        always.append("Location")
    if "next" in command.answer:
        at_times.append("Link")
    description = "Made." if command.status == 201 else command.message or "Done."
    if not command.writes:
        description = "As it is."
    return Answer(description, {"application/json": members}, tuple(always), tuple(at_times))


def about(tag: str) -> str | None:
    """What a resource is, in the words of the module of its commands."""
    for command in COMMANDS.values():
        if command.name.partition(".")[0] == tag:
            text = inspect.cleandoc(sys.modules[command.run.__module__].__doc__ or "")
            return text.partition("\n\n")[0].replace("\n", " ") or None
    return None


def variables(path: str) -> frozenset[str]:
    """The names of a path's variables."""
    return frozenset(_VARIABLE.findall(path))


def _refers(name: str) -> bool:
    """Whether a field names a row that may be missing."""
    return name.endswith(("_id", "_ids")) and name != "merchant_id"
