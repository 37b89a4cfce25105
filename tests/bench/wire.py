"""The client's half of a WebSocket as bytes: as little of it as a load generator needs.

Every event carries a mark and, behind it, the time at which it was due. Counting marks is all the
reading that the generator does: `bytes.count` skips a whole needle at a time where the text holds
none of its letters, so a long run of one letter costs a fifth of what `"t":"~T` would.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

try:
    from websockets.speedups import apply_mask as apply_mask
except ImportError:  # a build without its C part
    from websockets.utils import apply_mask as apply_mask

MARK = b"~" * 24
STAMP = re.compile(MARK + rb"T(\d{19})")

TEXT = 0x1
PONG = 0xA

HUB_EVENT = (b'{"type":"custom_bench","data":', b"}")
HUB_EVENT_WITH_ID = (
    b'{"type":"custom_bench","id":"%08x-%04x-7%03x-8000-%012x","data":',
    b"}",
)
MESSAGE = (
    b'{"type":"message_received","data":{"messageId":"%08x-%04x-7%03x-8000-%012x",'
    b'"fromPhone":"2637700%04d@s.whatsapp.net","timestamp":1795341000,'
    b'"text":"Good morning, is the chocolate cake for ten still there?","more":',
    b"}}",
)
PHONES = 1000


def handshake(port: int, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: c21hcnQtYm90LWh1Yi1iZQ==",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def opening(length: int, opcode: int = TEXT, mask: bytes = b"") -> bytes:
    """The header of an unfragmented frame; with a mask, of a client's."""
    bit = 0x80 if mask else 0
    if length < 126:
        return bytes((0x80 | opcode, bit | length)) + mask
    if length < 1 << 16:
        return bytes((0x80 | opcode, bit | 126)) + length.to_bytes(2, "big") + mask
    return bytes((0x80 | opcode, bit | 127)) + length.to_bytes(8, "big") + mask


def masked(payload: bytes, opcode: int = TEXT) -> bytes:
    mask = os.urandom(4)
    return opening(len(payload), opcode, mask) + apply_mask(payload, mask)


def data_template(size: int) -> bytes:
    """An event's `data` of exactly `size` bytes, once its stamp is filled in."""
    head = (
        b'{"t":"' + MARK + b'T%019d","cpu":12.5,"mem":20481,"ok":true,"tags":{"zone":"a"},"note":"'
    )
    room = size - (len(head % 0) + len(b'"}'))
    if room < 0:
        raise ValueError(f"an event of {size} bytes has no room for its stamp")
    letters = b"abcdefghijklmnopqrstuvwxyz"
    return head + (letters * (room // len(letters) + 1))[:room] + b'"}'


class Events:
    """Masked frames of one fixed length that differ in their stamp (and id) only."""

    def __init__(
        self, around: tuple[bytes, bytes] = HUB_EVENT, size: int = 200, *, ids: bool = False
    ) -> None:
        before, after = around
        self._template = before + data_template(size) + after
        self._ids = ids
        self._mask = os.urandom(4)
        self._opening = opening(len(self.payload(0, 0)), TEXT, self._mask)

    def payload(self, stamp: int, number: int) -> bytes:
        if not self._ids:
            return self._template % stamp
        ms = stamp // 1_000_000
        return self._template % (ms >> 16, ms & 0xFFFF, number & 0xFFF, number >> 12, stamp)

    def frame(self, stamp: int, number: int) -> bytes:
        return self._opening + apply_mask(self.payload(stamp, number), self._mask)


class Messages(Events):
    """Messages of a thousand customers, each with an id of its own."""

    def __init__(self) -> None:
        super().__init__(MESSAGE, 130, ids=True)

    def payload(self, stamp: int, number: int) -> bytes:
        ms = stamp // 1_000_000
        id_ = (ms >> 16, ms & 0xFFFF, number & 0xFFF, number >> 12)
        return self._template % (*id_, number % PHONES, stamp)
