"""The form of secrets, and what may be shown of a text that has some in it."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import tokens

FORM = re.compile(r"hub_[a-z]_[0-9A-Za-z]{43}")
ALPHANUMERIC = string.ascii_letters + string.digits
LETTERS = st.sampled_from(string.ascii_lowercase)
SECRETS = st.builds(
    lambda letter, chance: f"hub_{letter}_{chance}",
    LETTERS,
    st.text(ALPHANUMERIC, min_size=43, max_size=43),
)
# Between two secrets stands something that cannot be a further character of the first.
BETWEEN = st.text().filter(lambda text: not FORM.search(text)).map(lambda text: f" {text} ")


def test_every_kind_has_the_one_form_with_a_letter_of_its_own() -> None:
    made = [tokens.new_token(role) for role in tokens.ROLES]
    made += [tokens.new_ticket(), tokens.new_browser()]
    assert all(FORM.fullmatch(token) for token in made)
    assert [token[4] for token in made] == list("amvbts")
    assert [tokens.is_ticket(token) for token in made] == [False] * 4 + [True, False]
    again = [tokens.new_ticket() for _ in range(100)]
    assert len(set(again)) == 100


def test_every_character_comes_up() -> None:
    seen = {char for _ in range(100) for char in tokens.new_ticket()[6:]}
    assert seen == set(ALPHANUMERIC)


@given(st.lists(BETWEEN, min_size=1, max_size=5), st.data())
def test_secrets_are_masked_and_nothing_else(texts: list[str], data: st.DataObject) -> None:
    secrets = [data.draw(SECRETS) for _ in texts[1:]]
    written = texts[0] + "".join(map(str.__add__, secrets, texts[1:]))
    expected = texts[0] + "".join(
        f"{secret[:6]}***{text}" for secret, text in zip(secrets, texts[1:], strict=True)
    )
    assert tokens.masked(written) == expected
    assert tokens.masked(expected) == expected


@pytest.mark.parametrize("written", ["{}", "/ws?token={}&x", '"{}"', "Bearer {}", "#ticket={}\n"])
@given(secret=SECRETS)
def test_where_secrets_turn_up(written: str, secret: str) -> None:
    shown = tokens.masked(written.format(secret))
    assert secret[6:] not in shown
    assert shown == written.format(secret[:6] + "***")


@given(SECRETS, SECRETS)
def test_two_secrets_without_anything_between(one: str, other: str) -> None:
    assert tokens.masked(one + other) == f"{one[:6]}***{other[:6]}***"


@given(SECRETS)
def test_what_may_be_shown_of_a_key_tells_it_apart_and_opens_nothing(secret: str) -> None:
    shown = tokens.visible_prefix(secret)
    assert secret.startswith(shown)
    assert len(shown) == 10
    assert tokens.masked(shown) == shown


@given(st.text(ALPHANUMERIC, max_size=42))
def test_what_is_too_short_is_no_secret(chance: str) -> None:
    assert tokens.masked(f"hub_a_{chance}.") == f"hub_a_{chance}."


@given(st.text(), st.text())
def test_the_hash_tells_secrets_apart(one: str, other: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", tokens.token_hash(one))
    assert (tokens.token_hash(one) == tokens.token_hash(other)) is (one == other)
