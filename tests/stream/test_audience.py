"""Routing through the index equals asking every filter about every event."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.filters import Filter
from hub.stream.audience import Audience, AudienceIndex
from hub.stream.entry import Entry
from hub.stream.reader import Reader
from tests.stream.support import Sink, entry, reader

names = st.text("ab/*", min_size=1, max_size=4).filter(lambda name: "*" not in name)
patterns = st.builds(
    lambda stem, star: stem + star, names | st.just(""), st.sampled_from(["", "*"])
)
lists = st.none() | st.lists(patterns.filter(bool), min_size=1, max_size=4)
filters = st.builds(Filter, lists, lists)
merchants = st.sampled_from(["m1", "m2", "m3"])
entries = st.lists(
    st.builds(
        lambda merchant, type_, subject: (merchant, type_, subject),
        merchants, names, st.none() | names,
    ),
    max_size=12,
)  # fmt: skip


def naive(one: Reader, event: Entry) -> bool:
    """What the index has to find, by the definition of a filter."""

    def hit(wanted: tuple[str, ...] | None, value: str | None) -> bool:
        if wanted is None:
            return True
        return value is not None and any(
            value[: len(p) - 1] == p[:-1] if p[-1] == "*" else p == value for p in wanted
        )

    return (
        one.merchant_id in (None, event.merchant_id)
        and hit(one.filter.types, event.type)
        and hit(one.filter.subjects, event.subject)
    )


@given(
    wishes=st.lists(st.tuples(st.none() | merchants, filters), max_size=10),
    leaving=st.sets(st.integers(0, 9)),
    events=entries,
)
def test_every_event_goes_to_exactly_those_that_want_it(
    wishes: list[tuple[str | None, Filter]],
    leaving: set[int],
    events: list[tuple[str, str, str | None]],
) -> None:
    index = AudienceIndex()
    readers = [reader(Sink(), merchant_id=m, filter_=f) for m, f in wishes]
    for one in readers:
        index.join(one)
    for number in leaving:
        if number < len(readers):
            index.leave(readers[number])
    batch = [
        entry(offset, merchant_id=merchant, type_=type_, subject=subject)
        for offset, (merchant, type_, subject) in enumerate(events, 1)
    ]
    routed = index.route(batch)
    for number, one in enumerate(readers):
        expected = [] if number in leaving else [e for e in batch if naive(one, e)]
        found = [] if one.audience is None else routed.get(one.audience, [])
        assert found == expected
    assert all(audience.readers for audience in routed), "events for nobody"


def test_readers_that_want_the_same_are_one_audience() -> None:
    index = AudienceIndex()

    def join(merchant_id: str | None, *types: str) -> Audience | None:
        one = reader(Sink(), merchant_id=merchant_id, filter_=Filter(types or None))
        index.join(one)
        return one.audience

    assert join("m1", "a_*", "b_c") is join("m1", "b_c", "a_*", "b_c")
    different: list[Callable[[], Audience | None]] = [
        lambda: join("m1", "a_*"),
        lambda: join("m2", "a_*"),
        lambda: join(None, "a_*"),
        lambda: join("m1"),
    ]
    assert len({id(make()) for make in different}) == len(different)


def test_an_audience_ends_with_its_last_reader() -> None:
    index = AudienceIndex()
    first, second = reader(Sink()), reader(Sink())
    index.join(first)
    index.join(second)
    index.leave(first)
    assert list(index.route([entry(1)]).values()) == [[entry(1)]]
    index.leave(second)
    assert index.route([entry(2)]) == {}
    assert index.leave(second) is None
