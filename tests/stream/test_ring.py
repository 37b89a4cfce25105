"""The ring against a deque."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.stream.ring import Ring
from tests.stream.support import entry


@given(
    size=st.integers(1, 12),
    start=st.integers(0, 1000),
    count=st.integers(0, 40),
    after=st.integers(-3, 45),
    upto=st.integers(-3, 45),
)
def test_it_is_a_deque_of_the_last_entries(
    size: int, start: int, count: int, after: int, upto: int
) -> None:
    ring, model = Ring(size, start), deque[int](maxlen=size)
    for offset in range(start + 1, start + count + 1):
        ring.append(entry(offset))
        model.append(offset)
    assert ring.end == start + count
    assert ring.first == (model[0] if model else start + 1)
    after, upto = start + after, start + upto
    assert ring.reaches(after) == (after >= ring.first - 1)
    if ring.reaches(after):
        expected = [offset for offset in model if after < offset <= upto]
        assert [found.offset for found in ring.between(after, upto)] == expected


@pytest.mark.parametrize("offset", [0, 1, 3, 5, 6, 7, 9])
def test_it_takes_only_the_next_offset(offset: int) -> None:
    ring = Ring(4, 5)
    ring.append(entry(6))
    ring.append(entry(7))
    with pytest.raises(ValueError, match=f"offset {offset} does not follow 7"):
        ring.append(entry(offset))
    assert [found.offset for found in ring.between(5, 99)] == [6, 7]
