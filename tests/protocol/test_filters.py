"""Filters against their definition."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.errors import InvalidParams
from hub.protocol.filters import ALL, Filter, split_patterns

names = st.text("abé/_😀", max_size=6)
patterns = st.tuples(names, st.booleans()).map(lambda p: p[0] + "*" * p[1]).filter(bool)
lists = st.none() | st.lists(patterns, min_size=1, max_size=5)


def naive(wanted: list[str] | None, value: str | None) -> bool:
    """A pattern is a shell pattern with nothing special but its `*`."""
    if wanted is None:
        return True
    return value is not None and any(
        re.fullmatch(fnmatch.translate(pattern), value) for pattern in wanted
    )


@given(types=lists, subjects=lists, type_=names, subject=st.none() | names)
def test_an_event_matches_types_and_subjects(
    types: list[str] | None, subjects: list[str] | None, type_: str, subject: str | None
) -> None:
    expected = naive(types, type_) and naive(subjects, subject)
    assert Filter(types, subjects).matches(type_, subject) == expected


def test_an_event_without_a_subject_matches_no_list_of_subjects() -> None:
    assert not Filter(None, ["*"]).matches("a_b", None)
    assert Filter(None, ["*"]).matches("a_b", "")
    assert ALL.matches("a_b", None)


@given(types=lists, subjects=lists, order=st.randoms(use_true_random=False))
def test_two_that_want_the_same_are_equal(
    types: list[str] | None, subjects: list[str] | None, order: object
) -> None:
    one = Filter(types, subjects)
    twice = Filter(types and types[::-1] + types, subjects and subjects[::-1])
    assert one == twice
    assert hash(one) == hash(twice)
    assert one != Filter([*(types or ()), "other"], subjects)
    assert one != Filter(types, [*(subjects or ()), "other"])
    assert one != "something else"


@given(types=st.lists(patterns, min_size=1, max_size=5))
def test_it_keeps_the_patterns_as_they_were_given(types: list[str]) -> None:
    assert Filter(types).types == tuple(types)
    exact, prefixes = split_patterns(types)
    assert sorted([*exact, *(prefix + "*" for prefix in prefixes)]) == sorted(types)


@pytest.mark.parametrize("name", ["types", "subjects"])
@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ([], False),
        ([""], False),
        (["a", ""], False),
        (["*"], True),
        (["a*"], True),
        (["**"], False),
        (["*a"], False),
        (["a*b"], False),
        (["a*b*"], False),
        (["x" * 256], True),
        (["x" * 255 + "*"], True),
        (["x" * 257], False),
        ([str(n) for n in range(32)], True),
        ([str(n) for n in range(33)], False),
        (["a"] * 33, False),
    ],
)
def test_limits(name: str, wanted: list[str], fits: bool) -> None:
    if fits:
        assert getattr(Filter(**{name: wanted}), name) == tuple(wanted)
        return
    with pytest.raises(InvalidParams) as refused:
        Filter(**{name: wanted})
    assert [error.pointer for error in refused.value.errors] == [f"/{name}"]


@pytest.mark.parametrize(
    ("types", "subjects", "expected"),
    [
        (None, None, ALL),
        ("a_b", None, Filter(["a_b"])),
        ("a_*,c", "order/*", Filter(["a_*", "c"], ["order/*"])),
        (None, "chat/a b", Filter(None, ["chat/a b"])),
    ],
)
def test_a_query_has_lists_with_commas(
    types: str | None, subjects: str | None, expected: Filter
) -> None:
    assert Filter.from_query(types, subjects) == expected


@pytest.mark.parametrize("types", ["", ",", "a,", ",a", "a,,b", "a*b", ",".join("a" * 33)])
def test_a_query_that_does_not_fit_is_refused(types: str) -> None:
    with pytest.raises(InvalidParams):
        Filter.from_query(types, None)
