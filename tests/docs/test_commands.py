"""docs/commands.md is the table of commands, whole."""

import re

from msgspec import structs

from hub.commands.table import COMMANDS
from hub.protocol.events import CORE_TYPES, HUB_TYPES, PUBLISHED_TYPES
from tests.docs import commands


def test_the_page_is_what_the_table_says() -> None:
    assert commands.PAGE.read_text(encoding="utf-8") == commands.page(), "run `make docs`"


def test_every_command_has_its_row_with_both_names() -> None:
    page = commands.page()
    for command in COMMANDS.values():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{command.name}`")]
        assert command.http is None or f"| `{command.http}` |" in row
        for field in structs.fields(command.params):
            assert field.encode_name in row
        for event in command.events:
            assert f"`{event}`" in row


def test_every_command_has_a_summary_and_a_name_of_its_own() -> None:
    addresses = [command.http for command in COMMANDS.values() if command.http is not None]
    assert len(set(addresses)) == len(addresses)
    for command in COMMANDS.values():
        assert command.summary
        assert not command.summary.endswith(".")
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", command.name)


def test_every_event_of_a_command_exists() -> None:
    for command in COMMANDS.values():
        assert {*command.events} <= {*CORE_TYPES, *PUBLISHED_TYPES, *HUB_TYPES}, command.name


def test_a_path_names_fields_of_its_command() -> None:
    for command in COMMANDS.values():
        variables = re.findall(r"{(\w+)}", command.http or "")
        fields = {field.encode_name for field in structs.fields(command.params)}
        assert {*variables} <= fields, command.name
