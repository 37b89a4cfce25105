"""Secrets that the hub makes: keys, tickets and browser sessions, and what may be shown of them.

All have one form, so that they are recognised wherever they turn up: `hub_`, a letter, `_`, and
43 characters of chance (256 bits). The letter is the role's (`a m b v`), `t` for a ticket, `s` for
a browser's session.
"""

import hashlib
import re
import secrets
import string
from typing import Literal

Role = Literal["admin", "merchant", "viewer", "bot"]
ROLES: tuple[Role, ...] = ("admin", "merchant", "viewer", "bot")

_ALPHABET = string.digits + string.ascii_letters
_PREFIX_CHARS = 10
_TOKEN = re.compile(r"(hub_[a-z]_)[0-9A-Za-z]{43}", re.ASCII)


def new_token(role: Role) -> str:
    """Make a key."""
    return _new(role[0])


def new_ticket() -> str:
    """Make a ticket: it stands in for a key once."""
    return _new("t")


def new_browser() -> str:
    """Make the value of a browser's session cookie."""
    return _new("s")


def _new(letter: str) -> str:
    return f"hub_{letter}_" + "".join(secrets.choice(_ALPHABET) for _ in range(43))


def is_ticket(token: str) -> bool:
    """Whether a secret has the form of a ticket."""
    return token.startswith("hub_t_")


def token_hash(token: str) -> str:
    """The SHA-256 of a secret, hexadecimal: what is stored and looked up.

    A fast hash is enough: with 256 bits of chance there is nothing to guess.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def visible_prefix(token: str) -> str:
    """What may be shown of a key, to tell it from others."""
    return token[:_PREFIX_CHARS]


def masked(text: str) -> str:
    """A text without the secrets in it."""
    return _TOKEN.sub(r"\1***", text)
