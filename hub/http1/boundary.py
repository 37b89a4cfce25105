"""Where a head ends, in whatever pieces it comes."""

END = b"\r\n\r\n"


class BoundarySearch:
    """Finds the next CRLF CRLF, which may have begun in what was searched before."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def find(self, data: bytes, at: int, end: int) -> int:
        """Search `data[at:end]`: the index behind the first CRLF CRLF there, or `end`."""
        tail, self._tail = self._tail, b""
        if tail:
            found = (tail + data[at : min(at + 3, end)]).find(END)
            if found >= 0:
                return at + found + 4 - len(tail)
        found = data.find(END, at, end)
        if found >= 0:
            return found + 4
        self._tail = (tail + data[max(at, end - 3) : end])[-3:]
        return end
