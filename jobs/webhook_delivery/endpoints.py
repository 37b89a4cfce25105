"""Which endpoints hear of an event, found by its merchant and its type (pure).

5,000 endpoints cost an event a look-up or a few: by the whole type, and by each length of which
there is a prefix.
"""

from collections.abc import Iterable, Sequence

from hub.protocol.filters import split_patterns
from storage.webhooks import Called

_UNTOLD = "webhook_"
"""What tells of webhooks would go round in circles."""


class Endpoints:
    """What is known of the webhooks at one moment.

    Args:
        called: the webhooks that are called.
        version: `storage.webhooks.changes` at that moment.
    """

    def __init__(self, called: Iterable[Called] = (), version: int = -1) -> None:
        self.version = version
        self._merchants: dict[str, _OfMerchant] = {}
        for each in called:
            of_merchant = self._merchants.get(each.merchant_id)
            if of_merchant is None:
                of_merchant = self._merchants[each.merchant_id] = _OfMerchant()
            of_merchant.add(each)

    def __bool__(self) -> bool:
        return bool(self._merchants)

    def wanting(self, merchant_id: str, type_: str, offset: int) -> Sequence[Called]:
        """The webhooks that hear of an event at this offset, each once."""
        of_merchant = self._merchants.get(merchant_id)
        if of_merchant is None or type_.startswith(_UNTOLD):
            return ()
        return [each for each in of_merchant.wanting(type_) if each.heard_from < offset]


class _OfMerchant:
    """The webhooks of one merchant by what they wait for."""

    __slots__ = ("_exact", "_lengths", "_prefixes")

    def __init__(self) -> None:
        self._exact: dict[str, list[Called]] = {}
        self._prefixes: dict[str, list[Called]] = {}
        self._lengths: set[int] = set()

    def add(self, called: Called) -> None:
        exact, prefixes = split_patterns(called.event_types)
        for type_ in exact:
            self._exact.setdefault(type_, []).append(called)
        for prefix in prefixes:
            self._prefixes.setdefault(prefix, []).append(called)
            self._lengths.add(len(prefix))

    def wanting(self, type_: str) -> Iterable[Called]:
        found = {each.id: each for each in self._exact.get(type_, ())}
        size = len(type_)
        for length in self._lengths:
            if length <= size:
                for each in self._prefixes.get(type_[:length], ()):
                    found[each.id] = each
        return found.values()
