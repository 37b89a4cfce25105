"""The last events of the log in memory, as frames that are ready to send."""

from .entry import Entry


class Ring:
    """A ring buffer of entries with consecutive offsets.

    Args:
        size: most entries kept, at least 1.
        end: the log's last offset before the first entry that will be appended.
    """

    def __init__(self, size: int, end: int) -> None:
        self._size = size
        self._slots: list[Entry | None] = [None] * size
        self._end = end
        self._first = end + 1

    @property
    def end(self) -> int:
        """The offset of the last entry."""
        return self._end

    @property
    def first(self) -> int:
        """The offset of the first entry kept; `end` + 1 while the ring is empty."""
        return self._first

    def append(self, entry: Entry) -> None:
        """Append the entry that follows the last one.

        Raises:
            ValueError: its offset is not `end` + 1; a ring with a hole would replay a hole.
        """
        offset = entry.offset
        if offset != self._end + 1:
            raise ValueError(f"offset {offset} does not follow {self._end}")
        self._slots[offset % self._size] = entry
        self._end = offset
        if offset - self._first == self._size:
            self._first += 1

    def restart(self, end: int) -> None:
        """Forget everything, and go on after this offset."""
        self._slots = [None] * self._size
        self._end = end
        self._first = end + 1

    def reaches(self, after: int) -> bool:
        """Tell whether every event after this offset is in the ring."""
        return after >= self._first - 1

    def between(self, after: int, upto: int) -> list[Entry]:
        """The entries with `after < offset <= upto`; `reaches(after)` must hold."""
        slots, size = self._slots, self._size
        found = [slots[offset % size] for offset in range(after + 1, min(upto, self._end) + 1)]
        return [entry for entry in found if entry is not None]
