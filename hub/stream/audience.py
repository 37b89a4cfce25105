"""Audiences: readers with the same merchant, filter and framing, indexed so that an event visits
only those that want it."""

from collections import Counter, defaultdict

from hub.protocol.filters import Filter, split_patterns

from .entry import Entry
from .framing import Framing
from .reader import Reader


class Audience:
    """Readers that get the same bytes.

    Attributes:
        flushing: some of them have not been written to yet in the flush that runs.
    """

    __slots__ = ("filter", "flushing", "framing", "merchant_id", "readers")

    def __init__(self, merchant_id: str | None, filter_: Filter, framing: Framing) -> None:
        self.merchant_id = merchant_id
        self.filter = filter_
        self.framing = framing
        self.readers: dict[Reader, None] = {}
        self.flushing = False


class _Patterns:
    """Audiences by the patterns of one of their lists."""

    __slots__ = ("_of_length", "exact", "lengths", "prefix")

    def __init__(self) -> None:
        self.exact: dict[str, list[Audience]] = {}
        self.prefix: dict[str, list[Audience]] = {}
        self.lengths: list[int] = []
        self._of_length: Counter[int] = Counter()

    def add(self, patterns: tuple[str, ...], audience: Audience) -> None:
        exact, prefixes = split_patterns(patterns)
        for pattern in dict.fromkeys(exact):
            self.exact.setdefault(pattern, []).append(audience)
        for prefix in dict.fromkeys(prefixes):
            if prefix not in self.prefix:
                self._measure(len(prefix), 1)
            self.prefix.setdefault(prefix, []).append(audience)

    def remove(self, patterns: tuple[str, ...], audience: Audience) -> None:
        exact, prefixes = split_patterns(patterns)
        for table, keys in ((self.exact, exact), (self.prefix, prefixes)):
            for key in dict.fromkeys(keys):
                table[key].remove(audience)
                if not table[key]:
                    del table[key]
                    if table is self.prefix:
                        self._measure(len(key), -1)

    def _measure(self, length: int, change: int) -> None:
        """A prefix of this length has come or gone."""
        self._of_length[length] += change
        if not self._of_length[length]:
            del self._of_length[length]
        if len(self._of_length) != len(self.lengths):
            self.lengths = sorted(self._of_length)

    def find(self, value: str, into: dict[Audience, None]) -> None:
        for audience in self.exact.get(value, ()):
            into[audience] = None
        for length in self.lengths:
            if length > len(value):
                break
            for audience in self.prefix.get(value[:length], ()):
                into[audience] = None


class _Scope:
    """The audiences of one merchant, or of the admins that are not narrowed.

    Each stands once: under everything, under its subjects where it has some (they are the more
    selective list), else under its types.
    """

    __slots__ = ("everything", "subjects", "types")

    def __init__(self) -> None:
        self.everything: list[Audience] = []
        self.types = _Patterns()
        self.subjects = _Patterns()

    def _add_or_remove(self, audience: Audience, *, add: bool) -> None:
        filter_ = audience.filter
        if filter_.subjects is not None:
            (self.subjects.add if add else self.subjects.remove)(filter_.subjects, audience)
        elif filter_.types is not None:
            (self.types.add if add else self.types.remove)(filter_.types, audience)
        elif add:
            self.everything.append(audience)
        else:
            self.everything.remove(audience)

    @property
    def empty(self) -> bool:
        return not (
            self.everything
            or self.types.lengths
            or self.types.exact
            or self.subjects.lengths
            or self.subjects.exact
        )

    def add(self, audience: Audience) -> None:
        self._add_or_remove(audience, add=True)

    def remove(self, audience: Audience) -> None:
        self._add_or_remove(audience, add=False)

    def route(self, entry: Entry, wanted: dict[Audience, list[Entry]]) -> None:
        for audience in self.everything:
            wanted[audience].append(entry)
        found: dict[Audience, None] = {}
        self.types.find(entry.type, found)
        if entry.subject is not None:
            self.subjects.find(entry.subject, found)
        for audience in found:
            if audience.filter.matches(entry.type, entry.subject):
                wanted[audience].append(entry)


class AudienceIndex:
    """All audiences that have readers.

    Attributes:
        readers: how many there are in all of them.
    """

    def __init__(self) -> None:
        self._audiences: dict[tuple[str | None, Filter, Framing], Audience] = {}
        self._scopes: dict[str | None, _Scope] = {}
        self.readers = 0

    def __len__(self) -> int:
        """How many audiences there are."""
        return len(self._audiences)

    def join(self, reader: Reader) -> None:
        """Put a reader into the audience of its merchant, filter and framing."""
        key = (reader.merchant_id, reader.filter, reader.framing)
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(*key)
            self._scopes.setdefault(reader.merchant_id, _Scope()).add(audience)
        audience.readers[reader] = None
        reader.audience = audience
        self.readers += 1

    def leave(self, reader: Reader) -> Audience | None:
        """Take a reader out; the audience that it was in, which goes when nobody is left."""
        audience = reader.audience
        if audience is None:
            return None
        reader.audience = None
        del audience.readers[reader]
        self.readers -= 1
        if not audience.readers:
            del self._audiences[audience.merchant_id, audience.filter, audience.framing]
            scope = self._scopes[audience.merchant_id]
            scope.remove(audience)
            if scope.empty:
                del self._scopes[audience.merchant_id]
        return audience

    def route(self, entries: list[Entry]) -> dict[Audience, list[Entry]]:
        """The entries for each audience that wants any of them, in order."""
        wanted: dict[Audience, list[Entry]] = defaultdict(list)
        scopes = self._scopes
        everyone = scopes.get(None)
        for entry in entries:
            scope = scopes.get(entry.merchant_id)
            if scope is not None:
                scope.route(entry, wanted)
            if everyone is not None:
                everyone.route(entry, wanted)
        return wanted
