"""The difference between two states of a row."""

from typing import Any

import pytest

from hub.commands.audit import Change, difference

State = dict[str, Any] | None


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [("b", 2, 3)]),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2}, [("a", 1, 2), ("b", 1, 2)]),
        # What is missing counts as null: a field that a later version of a table has.
        ({"a": 1}, {"a": 1, "new": None}, []),
        ({"a": 1}, {"a": 1, "new": 5}, [("new", None, 5)]),
        ({"a": 1, "old": 5}, {"a": 1}, [("old", 5, None)]),
        # A row that was made, and one that was deleted.
        (None, {"a": 1, "b": None}, [("a", None, 1)]),
        ({"a": 1, "b": None}, None, [("a", 1, None)]),
        (None, None, []),
        # Whole values, however deep they differ.
        ({"a": [1, {"b": [2]}]}, {"a": [1, {"b": [2]}]}, []),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"c": 2, "b": 1}]}, []),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("a", [1, 2], [2, 1])]),
        ({"a": [1]}, {"a": [1, 2]}, [("a", [1], [1, 2])]),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": None}}, [("a", {"b": 1}, {"b": 1, "c": None})]),
        ({"a": {}}, {"a": []}, [("a", {}, [])]),
        # To Python these are equal.
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"a": [0]}, {"a": [False]}, [("a", [0], [False])]),
        ({"a": {"b": 0}}, {"a": {"b": False}}, [("a", {"b": 0}, {"b": False})]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": ""}, {"a": None}, [("a", "", None)]),
        ({"a": "1"}, {"a": 1}, [("a", "1", 1)]),
    ],
)  # fmt: skip
def test_what_differs(before: State, after: State, changes: list[tuple[str, Any, Any]]) -> None:
    found = difference(before, after)
    assert found == [Change(*change) for change in changes]
    assert [[type(c.before), type(c.after)] for c in found] == [
        [type(b), type(a)] for _, b, a in changes
    ]
