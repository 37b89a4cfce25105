"""What both commands share: mistakes, keys, and lines for people."""

from pathlib import Path
from typing import Any

import pytest

from hub.client.terminal import event_line, printable
from hub.protocol.frames import Event
from tests.client.command import run
from tests.client.fake_hub import (
    KEY,
    FakeHub,
    Log,
    publishing,
)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["tail", "--types", "a*b"], 1, "invalid_params: /types"),
        (["tail", "--url", "nowhere"], 1, "is not the address of a hub"),
        (["publish", "custom_x", "[1]"], 1, "must be a JSON object"),
        (["publish", "custom_x", "{"], 1, "not valid JSON"),
        (["publish", "order"], 1, "has no underscore"),
        (["tail", "--since", "x"], 2, "invalid int"),
        (["dance"], 2, "invalid choice"),
    ],
)
async def test_mistakes_are_answered_by_a_sentence(
    arguments: list[str], code: int, told: str
) -> None:
    got, out, err = await run(*arguments, HUB_KEY=KEY, HUB_URL="http://127.0.0.1:1")
    assert (got, out) == (code, "")
    assert told in err
    assert "Traceback" not in err


async def test_the_key_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "bot.key").write_text(f"{KEY}\n")
    async with FakeHub(publishing(Log())) as fake:
        for arguments, changes in (
            (["--key-file", "bot.key"], {}),
            ([], {"HUB_KEY_FILE": "bot.key"}),
            (["--key-file", "bot.key"], {"HUB_KEY": "other"}),
        ):
            code, _, err = await run(
                "publish", "custom_x", *arguments, cwd=tmp_path, HUB_URL=fake.url, **changes
            )
            assert (code, err) == (0, "")
        sent = {c.headers["Authorization"] for c in fake.connections}
        assert sent == {f"Bearer {KEY}"}
    code, _, err = await run("tail")
    assert code == 2
    assert "a key is needed" in err
    code, _, err = await run("tail", "--key-file", "/does/not/exist")
    assert code == 2
    assert err == "hub: the key file /does/not/exist cannot be read: No such file or directory\n"


def made(**changes: Any) -> Event:
    values: dict[str, Any] = {
        "type": "order_created",
        "id": "i",
        "timestamp": "2026-11-22T10:00:00.123Z",
        "merchant_id": "m",
        "source": "bot:till",
        "data": {"text": "x" * 500},
        "offset": 7,
        "subject": "order/O",
    }
    return Event(**values | changes)


def test_a_line_fits_the_terminal() -> None:
    shown = event_line(made(), colour=False, width=100)
    assert len(shown) <= 100
    assert shown.endswith("…")
    assert "order/O  bot:till  {" in shown


def test_nothing_in_an_event_reaches_the_terminal_as_a_command() -> None:
    evil = "\x1b[2J\x07\u202e\x9b31m\r\nx"
    shown = event_line(
        made(subject=evil, source=evil, data={evil: evil}, timestamp=evil),
        colour=False,
        width=500,
    )
    assert all(c.isprintable() for c in shown)
    assert printable("Grüße 😀 \x1b") == "Grüße 😀 \\x1b"


def test_a_volatile_event_has_no_offset_to_show() -> None:
    assert "      ~" in event_line(made(offset=None, volatile=True), colour=False, width=80)
