"""A text is cut between two characters as people see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.templates.shortening import shortened

from .contents import unhurried

FAMILY = "👨‍👩‍👧‍👦"


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        ("hell o!", 6, "hell…"),
        ("ab", 1, "…"),
        ("e\u0301e\u0301e\u0301", 4, "e\u0301…"),
        ("ab👍🏽cd", 4, "ab…"),
        ("ab👍🏽cd", 5, "ab👍🏽…"),
        (FAMILY + FAMILY, 9, FAMILY + "…"),
        (FAMILY + FAMILY, 8, FAMILY + "…"),
        (FAMILY + FAMILY, 7, "…"),
        ("🇪🇸🇫🇷🇩🇪", 4, "🇪🇸…"),
        ("🇪🇸🇫🇷🇩🇪", 5, "🇪🇸🇫🇷…"),
        ("❤️❤️❤️", 4, "❤️…"),
        ("a\r\nbc", 3, "a…"),
        ("a" + "\u0301" * 100, 50, "a" + "\u0301" * 48 + "…"),
    ],
)
def test_a_visible_character_is_kept_whole_or_left_out_whole(
    text: str, limit: int, cut: str
) -> None:
    assert shortened(text, limit) == cut


@unhurried
@given(text=st.text("ab \u0301\u200d🏽🇪👍\n", max_size=60), limit=st.integers(1, 40))
def test_a_cut_text_is_a_beginning_with_an_ellipsis(text: str, limit: int) -> None:
    cut = shortened(text, limit)
    assert len(cut) <= limit
    if len(text) <= limit:
        assert cut == text
    else:
        assert cut.endswith("…")
        assert text.startswith(cut[:-1])
