"""What holds for every template and all values."""

from typing import Any

from hypothesis import given

from hub.templates.content import Content, texts
from hub.templates.filling import check, fill, variables

from .contents import NAMES, any_values, complete, contents, unhurried


@unhurried
@given(content=contents())
def test_contents_of_these_properties_are_sound(content: Content) -> None:
    assert check(content) == []
    assert set(variables(content)) <= set(NAMES)


@unhurried
@given(content=contents(), values=any_values)
def test_a_name_has_a_value_or_is_missing_or_is_refused(
    content: Content, values: dict[str, Any]
) -> None:
    filled = fill(content, values)
    pointers = [error.pointer for error in filled.errors]
    for name in variables(content):
        assert (name in filled.missing) == (name not in values)
        if name not in values:
            assert f"/variables/{name}" in pointers
    lenient = fill(content, values, strict=False)
    assert lenient.content == filled.content
    assert lenient.missing == filled.missing
    missing = {f"/variables/{name}" for name in filled.missing}
    assert [e for e in filled.errors if e.pointer not in missing] == lenient.errors


@unhurried
@given(content=contents(), values=complete)
def test_each_text_is_its_literals_and_values_in_one_pass(
    content: Content, values: dict[str, Any]
) -> None:
    """Against a filling character by character."""
    filled = fill(content, values).content
    for before, after in zip(texts(content), texts(filled), strict=True):
        assert (before.pointer, before.limit) == (after.pointer, after.limit)
        if not before.address:
            assert after.text == _by_hand(before.text, values)


def _by_hand(text: str, values: dict[str, Any]) -> str:
    done = ""
    while text:
        for name, value in values.items():
            head, braces, rest = text.partition("}}")
            if text.startswith("{{") and braces and head[2:].strip() == name:
                done += _written(value)
                text = rest
                break
        else:
            done, text = done + text[0], text[1:]
    return done


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value) and abs(value) < 10**16:
        return str(int(value))
    return str(value)


@unhurried
@given(content=contents(), values=complete)
def test_what_is_refused_is_named_with_its_length_and_limit(
    content: Content, values: dict[str, Any]
) -> None:
    filled = fill(content, values)
    lengths = {text.pointer: (len(text.text), text.limit) for text in texts(filled.content)}
    together = [e for e in filled.errors if "together with" in e.message]
    named = {e.pointer for e in filled.errors if "characters long" in e.message}
    too_long = {pointer for pointer, (length, limit) in lengths.items() if length > limit}
    assert named == too_long | {error.pointer for error in together}
    for error in filled.errors:
        if "characters long" in error.message and error not in together:
            length, limit = lengths[error.pointer]
            assert f"{length} characters long; the limit is {limit}" in error.message
        elif error not in together:
            assert any(why in error.message for why in ("empty", "segment", "that of"))


@unhurried
@given(content=contents(), values=complete)
def test_what_may_be_cut_is_never_too_long(content: Content, values: dict[str, Any]) -> None:
    uncut = fill(content, values)
    cut = fill(content, values, truncate=True)
    assert not any("characters long" in error.message for error in cut.errors)
    if not uncut.errors:
        assert cut == uncut
    for before, after in zip(texts(uncut.content), texts(cut.content), strict=True):
        assert len(after.text) <= after.limit
        assert after.text == before.text or (
            after.text.endswith("…") and before.text.startswith(after.text[:-1])
        )
