"""One committed event on its way to the readers."""


class Entry:
    """An event with its frame.

    Attributes:
        offset: its place in the log; 0 for a volatile event, which has none.
        frame: the whole WebSocket frame, header included, the same bytes for everyone.
    """

    __slots__ = ("frame", "merchant_id", "offset", "subject", "type")

    def __init__(
        self, offset: int, merchant_id: str, type_: str, subject: str | None, frame: bytes
    ) -> None:
        self.offset = offset
        self.merchant_id = merchant_id
        self.type = type_
        self.subject = subject
        self.frame = frame
