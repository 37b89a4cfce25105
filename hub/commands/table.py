"""All commands, by the names under which `call` knows them."""

from . import (
    audit,
    browsers,
    health,
    keys,
    merchants,
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
            *health.COMMANDS,
            *keys.COMMANDS,
            *merchants.COMMANDS,
            *previews.COMMANDS,
            *sessions.COMMANDS,
            *template_versions.COMMANDS,
            *templates.COMMANDS,
        ),
        key=lambda command: command.name,
    )
}
