"""All commands, by the names under which `call` knows them."""

from . import (
    audit,
    browsers,
    conversations,
    health,
    keys,
    merchants,
    messages,
    previews,
    sessions,
    template_versions,
    templates,
)
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
            *previews.COMMANDS,
            *sessions.COMMANDS,
            *template_versions.COMMANDS,
            *templates.COMMANDS,
        ),
        key=lambda command: command.name,
    )
}
