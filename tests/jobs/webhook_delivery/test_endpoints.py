"""Which endpoints hear of an event."""

from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.filters import Filter
from jobs.webhook_delivery.endpoints import Endpoints
from storage.webhooks import Called

LETTERS = st.text("ab_", min_size=1, max_size=4)
PATTERNS = st.lists(st.one_of(LETTERS, LETTERS.map(lambda t: t + "*"), st.just("*")), max_size=4)


@given(many=st.lists(PATTERNS.filter(bool), max_size=8), type_=LETTERS)
def test_as_a_filter_of_its_patterns_would(many: list[list[str]], type_: str) -> None:
    endpoints = Endpoints([Called("m1", str(n), types, 0) for n, types in enumerate(many)])
    found = [called.id for called in endpoints.wanting("m1", type_, 1)]
    assert len(found) == len(set(found)), "each once"
    assert set(found) == {
        str(n) for n, types in enumerate(many) if Filter(types).matches(type_, None)
    }
    assert list(endpoints.wanting("m2", type_, 1)) == []


def test_from_where_on_they_hear() -> None:
    endpoints = Endpoints([Called("m1", "w", ["*"], 7)])
    assert [bool(endpoints.wanting("m1", "order_created", n)) for n in (6, 7, 8)] == [
        False, False, True,
    ]  # fmt: skip


def test_what_tells_of_webhooks_is_told_to_none() -> None:
    endpoints = Endpoints([Called("m1", "w", ["*", "webhook_*", "webhook_failed"], 0)])
    assert not endpoints.wanting("m1", "webhook_failed", 1)
    assert endpoints.wanting("m1", "webhooks", 1)
    assert not Endpoints()
