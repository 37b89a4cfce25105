"""Rows as frozen Structs. Times are RFC 3339 text, UTC, milliseconds, unless a name ends in _ms."""

from msgspec import Struct


class Merchant(Struct, frozen=True):
    id: str
    name: str
    version: int
    created_at: str
    updated_at: str


class ApiKey(Struct, frozen=True):
    """A key without its secret. `merchant_id` is None exactly for admins."""

    id: str
    merchant_id: str | None
    role: str
    name: str
    prefix: str
    version: int
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class LogState(Struct, frozen=True):
    """The log's identity and ends. `oldest` is the first offset still stored, or `head` + 1."""

    epoch: str
    head: int
    oldest: int


EventRow = tuple[int, str, str, str, str | None, int, str]
"""One event to be stored: offset, merchant_id, id, type, subject, committed_ms, and its JSON.

A tuple because it goes to the database as it is, a hundred thousand times a second.
"""


class StoredEvent(Struct, frozen=True):
    """One stored event; `frame` is its whole JSON."""

    offset: int
    merchant_id: str
    type: str
    subject: str | None
    frame: bytes


class KnownEvent(Struct, frozen=True):
    """What is known of an id; `frame` is None once retention removed the event."""

    offset: int
    frame: bytes | None


class EventPage(Struct, frozen=True):
    """A stretch of the log as one filter sees it.

    `events` are (offset, JSON) of the matching events; everything up to and including `upto` was
    looked at.
    """

    events: list[tuple[int, bytes]]
    upto: int


class AuditRow(Struct, frozen=True):
    """One change of one row.

    Attributes:
        actor_id: the key behind it; None for the hub itself.
        actor_name: the name of that key, None where the reader may not know it.
        before_state, after_state: the row as a JSON object, without secrets; None for one that was
            not there before, or is not there after.
    """

    id: str
    merchant_id: str | None
    actor_id: str | None
    actor_role: str
    actor_name: str | None
    action: str
    target_type: str
    target_id: str
    before_state: str | None
    after_state: str | None
    ip_address: str | None
    user_agent: str | None
    created_at: str
