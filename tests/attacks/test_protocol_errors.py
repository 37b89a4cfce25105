"""Single frames that end their connection with the right code, and nobody else's."""

import json
import zlib

import pytest

from tests.api.conftest import World
from tests.api.conftest import world as world
from tests.gateway.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    TEXT,
    close_payload,
    frame,
    raw,
    text,
)

MEGABYTE = 1 << 20
_PACKER = zlib.compressobj(9, zlib.DEFLATED, -15)
_PACKED = _PACKER.compress(b'{"type":"ping"}') + _PACKER.flush(zlib.Z_SYNC_FLUSH)[:-4]


def announced(size: int) -> bytes:
    """The header of a text frame of this length, and nothing of it."""
    return b"\x81\xff" + size.to_bytes(8) + MASK


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(TEXT, _PACKED, rsv=4), 1002, id="a compressed message"),
        pytest.param(frame(TEXT, b"{}", rsv=2), 1002, id="RSV2"),
        pytest.param(frame(TEXT, b"{}", rsv=1), 1002, id="RSV3"),
        pytest.param(frame(PING, b"", rsv=4), 1002, id="a compressed ping"),
        pytest.param(frame(3, b"x"), 1002, id="opcode 3"),
        pytest.param(frame(7), 1002, id="opcode 7"),
        pytest.param(frame(11), 1002, id="opcode 11"),
        pytest.param(frame(15, b"x"), 1002, id="opcode 15"),
        pytest.param(frame(TEXT, b"{}", masked=False), 1002, id="an unmasked frame"),
        pytest.param(frame(PING, b"", fin=False), 1002, id="a ping in fragments"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="a ping of 126 bytes"),
        pytest.param(frame(CONTINUATION, b"x"), 1002, id="a continuation of nothing"),
        pytest.param(frame(TEXT, b"x", fin=False) + text({}), 1002, id="a message in a message"),
        pytest.param(frame(CLOSE, b"x"), 1002, id="a close of one byte"),
        pytest.param(frame(CLOSE, close_payload(999)), 1002, id="close 999"),
        pytest.param(frame(CLOSE, close_payload(1004)), 1002, id="close 1004"),
        pytest.param(frame(CLOSE, close_payload(1005)), 1002, id="close 1005"),
        pytest.param(frame(CLOSE, close_payload(1006)), 1002, id="close 1006"),
        pytest.param(frame(CLOSE, close_payload(1015)), 1002, id="close 1015"),
        pytest.param(frame(CLOSE, close_payload(2999)), 1002, id="close 2999"),
        pytest.param(frame(CLOSE, close_payload(5000)), 1002, id="close 5000"),
        pytest.param(frame(CLOSE, close_payload(65535)), 1002, id="close 65535"),
        pytest.param(frame(CLOSE, close_payload(1000) + b"\xff"), 1007, id="no UTF-8 in a reason"),
        pytest.param(frame(TEXT, b'{"type":"\xff"}'), 1007, id="no UTF-8"),
        pytest.param(frame(TEXT, b"\xed\xa0\x80"), 1007, id="a surrogate in UTF-8"),
        pytest.param(frame(TEXT, b"\xc0\xaf"), 1007, id="overlong UTF-8"),
        pytest.param(frame(TEXT, b"\xe2\x82"), 1007, id="half a character"),
        pytest.param(
            frame(TEXT, b"\xf0", fin=False) + frame(CONTINUATION, b"\x28\x8c\xbc"),
            1007, id="no UTF-8 across fragments",
        ),
        pytest.param(frame(BINARY, b"{}"), 1003, id="a binary message"),
        pytest.param(frame(TEXT, b" " * (MEGABYTE + 1)), 1009, id="one byte more than 1 MiB"),
        pytest.param(announced(10 * MEGABYTE), 1009, id="10 MB announced"),
        pytest.param(announced((1 << 63) - 1), 1009, id="8 EiB announced"),
        pytest.param(announced(1 << 63), 1009, id="a length of 2^63"),
        pytest.param(
            frame(TEXT, b" " * MEGABYTE, fin=False) + frame(CONTINUATION, b"x"),
            1009, id="1 MiB and a fragment",
        ),
        pytest.param(
            frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 1024,
            1009, id="1,025 empty fragments",
        ),
    ],
)  # fmt: skip
async def test_the_code_of_each(world: World, sent: bytes, code: int) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    async with (
        raw(world.hub, world.keys["bot"]) as healthy,
        raw(world.hub, world.keys["bot"], headers=offer) as hostile,
    ):
        hostile.write(sent)
        answer = await hostile.until_close()
        assert answer.code == code
        hostile.write(frame(CLOSE, answer.payload[:2]))
        assert await hostile.ended() == b""
        healthy.write(text({"type": "ping", "ref": "still here"}))
        assert await healthy.json() == {"type": "pong", "ref": "still here"}


async def test_1024_fragments_are_a_message(world: World) -> None:
    async with raw(world.hub, world.keys["bot"]) as client:
        message = json.dumps({"type": "ping", "ref": "1024"}).encode()
        parts = [frame(TEXT, message, fin=False)]
        parts += [frame(CONTINUATION, b"", fin=False)] * 1022 + [frame(CONTINUATION)]
        client.write(b"".join(parts))
        assert await client.json() == {"type": "pong", "ref": "1024"}


async def test_a_megabyte_is_a_message(world: World) -> None:
    async with raw(world.hub, world.keys["bot"]) as client:
        message = json.dumps({"type": "ping", "ref": "1 MiB"}).encode()
        client.write(frame(TEXT, message + b" " * (MEGABYTE - len(message))))
        assert await client.json() == {"type": "pong", "ref": "1 MiB"}


async def test_nothing_of_it_is_a_bug(world: World) -> None:
    """The last of this module: what the tests before it left in the log."""
    assert "Traceback" not in world.hub.log.read_text()
