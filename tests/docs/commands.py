"""python -m tests.docs.commands: writes docs/commands.md, every command by both its names."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from msgspec import structs

from hub.commands.command import Command
from hub.commands.table import COMMANDS
from hub.tokens import ROLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"

HEAD = (
    "# Commands\n\n"
    "Everything that the hub can be asked to do, by its name for `call` and by its method and path"
    " for REST; both doors carry out the same. `make docs` writes this page from the table in"
    " `hub/commands`, and a test compares it with that.\n\n"
    "*takes* lists what a command may be told, wherever it stands in a request: the variables of"
    " the path, the query of a GET or DELETE, the JSON body of everything else, `params` of a"
    " `call`. What it must be told is **bold**. *events* are those that it may append to the log,"
    " in the transaction of its change. A command that heeds `If-Match` (`if_match` of a `call`)"
    " is marked with ◆. Every POST, PUT, PATCH and DELETE, and the `call` of the same, takes an"
    " idempotency key ([architecture.md](architecture.md#commands)).\n\n"
    "Events, streams, files and signing in have doors of their own and are described in"
    " [protocol.md](protocol.md).\n"
)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for resource, commands in groupby(COMMANDS.values(), key=lambda each: _resource(each)):
        parts.append("\n".join(_section(resource, list(commands))))
    return "\n".join(parts)


def _resource(command: Command) -> str:
    return command.name.partition(".")[0]


def _section(resource: str, commands: list[Command]) -> Iterator[str]:
    yield f"## {resource}\n"
    yield "| `call` | REST | who | takes | events | what it does |"
    yield "|---|---|---|---|---|---|"
    for command in commands:
        cells = (
            f"`{command.name}`" + (" ◆" if command.versioned else ""),
            "" if command.http is None else f"`{command.http}`",
            _who(command),
            _takes(command),
            ", ".join(f"`{event}`" for event in command.events),
            command.summary.replace("|", "\\|"),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _who(command: Command) -> str:
    if command.roles == {*ROLES}:
        return "everybody"
    return ", ".join(role for role in ROLES if role in command.roles)


def _takes(command: Command) -> str:
    return ", ".join(
        f"**{field.encode_name}**" if field.required else field.encode_name
        for field in structs.fields(command.params)
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
