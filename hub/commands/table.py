"""All commands, by the names under which `call` knows them."""

from . import audit, browsers, health, keys, media, merchants, sessions
from .command import Command

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in sorted(
        (
            *audit.COMMANDS,
            *browsers.COMMANDS,
            *health.COMMANDS,
            *keys.COMMANDS,
            *media.COMMANDS,
            *merchants.COMMANDS,
            *sessions.COMMANDS,
        ),
        key=lambda command: command.name,
    )
}
