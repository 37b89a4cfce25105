"""One committed event on its way to the readers."""

from msgspec import Struct


class Entry(Struct, gc=False):
    """An event with its frame.

    Attributes:
        offset: its place in the log; 0 for a volatile event, which has none.
        frame: the whole WebSocket frame, header included, the same bytes for everyone.
    """

    offset: int
    merchant_id: str
    type: str
    subject: str | None
    frame: bytes
