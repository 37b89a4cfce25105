"""What `hub` writes: lines for people on a terminal, NDJSON for programs."""

import asyncio
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, BinaryIO

import msgspec

from hub.protocol.frames import Event
from hub.protocol.times import parse_ms

_DIM, _BOLD, _RED, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[31m", "\x1b[0m"
_FAMILIES = {
    "message": "\x1b[36m",
    "order": "\x1b[32m",
    "payment": "\x1b[33m",
    "delivery": "\x1b[35m",
    "bot": "\x1b[34m",
    "custom": "\x1b[1m",
}
_encoder = msgspec.json.Encoder()
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class Output:
    """Writes whole lines to stdout, each at once.

    Attributes:
        readable: whether a person reads it: a terminal, and JSON was not asked for.
        colour: whether it may be coloured (https://no-color.org).
        broken: whether the reader has gone, as `head` does; what is written then goes nowhere.
    """

    def __init__(self, json: bool = False) -> None:
        self._stream: BinaryIO = sys.stdout.buffer
        self.readable = sys.stdout.isatty() and not json
        self.colour = self.readable and _colours()
        self.broken = False

    def line(self, text: bytes) -> None:
        """Write one line, given without its end."""
        if self.broken:
            return
        try:
            self._stream.write(text + b"\n")
            self._stream.flush()
        except BrokenPipeError:
            self._break()

    def when_broken(self, callback: Callable[[], object]) -> None:
        """Call this as soon as the reader of a pipe has gone, though nothing is to be written."""
        descriptor = self._stream.fileno()
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(descriptor)
            self._break()
            callback()

        # Nothing can be read from this end: the loop reports it when the other end is closed.
        loop.add_reader(descriptor, gone)

    def _break(self) -> None:
        self.broken = True
        # The interpreter flushes once more when it ends; this gives that a place to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def json(self, value: object) -> None:
        """Write one value as a line of JSON."""
        self.line(_encoder.encode(value))

    def text(self, text: str) -> None:
        """Write one line for people."""
        self.line(text.encode(errors="replace"))


def notice(text: str) -> None:
    """Tell the user something beside the output, on stderr."""
    shown = f"hub: {printable(text)}"
    if sys.stderr.isatty() and _colours():
        shown = f"{_DIM}{shown}{_RESET}"
    print(shown, file=sys.stderr, flush=True)


def complaint(text: str) -> None:
    """Tell the user what went wrong, on stderr."""
    shown = f"hub: {printable(text)}"
    if sys.stderr.isatty() and _colours():
        shown = f"{_RED}{shown}{_RESET}"
    print(shown, file=sys.stderr, flush=True)


def event_json(event: Event) -> dict[str, Any]:
    """The event as it stands on the wire: absent fields stay absent."""
    value: dict[str, Any] = {"type": event.type, "id": event.id}
    if event.offset is not None:
        value["offset"] = event.offset
    value["timestamp"] = event.timestamp
    value["merchant_id"] = event.merchant_id
    value["source"] = event.source
    if event.volatile:
        value["volatile"] = True
    if event.subject is not None:
        value["subject"] = event.subject
    value["data"] = event.data
    return value


def event_line(event: Event, colour: bool, width: int | None = None) -> str:
    """The event on one line: time, offset, type, subject, source, the beginning of its data.

    Args:
        event: the event.
        colour: whether to add colours.
        width: columns of the terminal; asked of it when not given.
    """
    width = width or shutil.get_terminal_size((120, 24)).columns
    family = event.type.partition("_")[0]
    offset = "~" if event.offset is None else str(event.offset)
    parts = [
        (_clock(event.timestamp), _DIM),
        (f"{offset:>7}", _DIM),
        (f"{printable(event.type):<22}", _FAMILIES.get(family, _BOLD)),
    ]
    if event.subject is not None:
        parts.append((printable(event.subject), _BOLD))
    parts.append((printable(event.source), _DIM))
    used = sum(len(text) + 2 for text, _ in parts)
    data = printable(_encoder.encode(event.data).decode())
    room = max(20, width - used)
    parts.append((data if len(data) <= room else data[: room - 1] + "…", ""))
    if not colour:
        return "  ".join(text for text, _ in parts)
    return "  ".join(f"{paint}{text}{_RESET}" if paint else text for text, paint in parts)


def message_line(to: str, text: str, colour: bool, width: int | None = None) -> str:
    """A message that is being sent on one line: the time, to whom, the beginning of its text."""
    width = width or shutil.get_terminal_size((120, 24)).columns
    clock = f"{datetime.now():%H:%M:%S}"
    phone, shown = printable(to), printable(text.replace("\n", " ⏎ "))
    room = max(20, width - len(clock) - len(phone) - 4)
    shown = shown if len(shown) <= room else shown[: room - 1] + "…"
    if not colour:
        return f"{clock}  {phone}  {shown}"
    return f"{_DIM}{clock}{_RESET}  {_BOLD}{phone}{_RESET}  {shown}"


def printable(text: str) -> str:
    """`text` with everything escaped that could move a terminal's cursor or reorder its line."""
    return _UNPRINTABLE.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def _clock(timestamp: str) -> str:
    """The local time of day; what cannot be read as a time is shown as it is."""
    try:
        ms = parse_ms(timestamp)
    except ValueError:
        return printable(timestamp)
    return f"{datetime.fromtimestamp(ms // 1000):%H:%M:%S}.{ms % 1000:03d}"


def _colours() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
