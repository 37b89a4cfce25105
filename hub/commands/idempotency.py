"""Calls that may come again: by the caller's key, or by the id that it gives what it makes.

The first answer is kept for a day in the transaction of what it tells of, so that there is never
one without the other. REST and `call` share the keys of a merchant and a command (as
draft-ietf-httpapi-idempotency-key-header, which leaves their lifetime to the server).
"""

import hashlib
import re
from typing import Any

import msgspec
from msgspec import Struct

from hub.protocol.errors import Conflict, InvalidParams, invalid
from hub.protocol.times import format_ms
from storage import idempotency
from storage.database import Transaction
from storage.merchant_records import IdempotencyKey
from storage.scope import EVERY_MERCHANT

DAY_MS = 24 * 3600 * 1000
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_encoder = msgspec.json.Encoder(order="sorted")


class KeyedCall(Struct, frozen=True):
    """A call that may come again.

    Attributes:
        merchant_id: whose; `*` for an admin's that is about no merchant.
        key: the caller's.
        request_hash: SHA-256 of what is asked, hexadecimal.
    """

    merchant_id: str
    method: str
    key: str
    request_hash: str


class KnownAnswer(Struct, frozen=True):
    """A first answer: its members, and the log's offset from which on changes may be missing."""

    members: dict[str, Any]
    offset: int


def keyed_call(
    method: str, merchant_id: str | None, params: Struct, key: str | None, made_id: str | None
) -> KeyedCall | None:
    """The call as it may come again; None where nothing tells it from another.

    Args:
        key: the caller's; without one, `made_id` stands for it.
        made_id: the id that the caller gives to what it makes, if it does.

    Raises:
        InvalidParams: a key is 1 to 255 visible ASCII characters.
    """
    if key is not None:
        check_key(key)
    elif made_id is not None:
        key = f"id:{made_id}"
    else:
        return None
    digest = hashlib.sha256(_encoder.encode(params)).hexdigest()
    return KeyedCall(merchant_id or EVERY_MERCHANT, method, key, digest)


def check_key(key: str) -> None:
    """Raises: InvalidParams, where a caller's key is not 1 to 255 visible ASCII characters."""
    if _KEY.fullmatch(key) is None:
        raise invalid(InvalidParams, "/key", "a key is 1 to 255 visible ASCII characters")


async def known_answer(tx: Transaction, call: KeyedCall, now: str) -> KnownAnswer | None:
    """The first answer to a call; None when it is the first.

    Raises:
        Conflict: the key was used for another request.
    """
    known = await idempotency.get(tx, call.merchant_id, call.method, call.key, now)
    if known is None:
        return None
    if known.request_hash != call.request_hash:
        raise Conflict(
            f"{call.key!r} stands for another {call.method} within the last day; "
            "use a new key (or id) for a new request"
        )
    return msgspec.convert(known.response, KnownAnswer)


async def remember(
    tx: Transaction, call: KeyedCall, members: dict[str, Any], offset: int, now_ms: int
) -> None:
    """Keep a first answer for a day."""
    response = {"members": msgspec.to_builtins(members), "offset": offset}
    await idempotency.put(
        tx,
        IdempotencyKey(
            merchant_id=call.merchant_id,
            method=call.method,
            key=call.key,
            request_hash=call.request_hash,
            response=response,
            created_at=format_ms(now_ms),
            expires_at=format_ms(now_ms + DAY_MS),
        ),
    )
