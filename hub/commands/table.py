"""All commands, by the names under which `call` knows them."""

from . import audit, browsers, conversations, health, keys, merchants, messages, sessions
from .command import Command

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in sorted(
        (
            *audit.COMMANDS,
            *browsers.COMMANDS,
            *conversations.COMMANDS,
            *health.COMMANDS,
            *keys.COMMANDS,
            *merchants.COMMANDS,
            *messages.COMMANDS,
            *sessions.COMMANDS,
        ),
        key=lambda command: command.name,
    )
}
