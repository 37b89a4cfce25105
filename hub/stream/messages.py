"""The messages that a commit group brings: rows in `messages`, in the transaction of their events.

A row is added by the first event that names its message, and moved forwards by those that follow;
what says the same again, or comes late, changes nothing. Each key's rows are written in a savepoint
that is bound to its merchant, so that the audit names who published: one binding for each key of
the group, however many messages. Whatever the database refuses there is told in the hub's log, and
the group goes on: an event is never lost for the sake of its row.
"""

from collections.abc import Callable, Sequence

import structlog

from hub.protocol.drafts import Draft
from hub.protocol.messages import STEPS, MessageNote, Status
from hub.protocol.times import format_ms
from storage import messages
from storage.database import Transaction
from storage.errors import Conflict
from storage.messages import NewMessage, Step
from storage.scope import Scope

log = structlog.get_logger("hub.stream")

_Key = tuple[str, str]
"""merchant_id and provider_id."""


class _Part:
    """What the events of one key say: messages to be added, and how far others have come."""

    __slots__ = ("added", "steps")

    def __init__(self) -> None:
        self.added: list[NewMessage] = []
        self.steps: dict[_Key, Step] = {}


async def store(
    tx: Transaction, drafts: Sequence[Draft], committed_ms: int, new_id: Callable[[], str]
) -> None:
    """Store what these events say of messages.

    Args:
        drafts: in the order of the log; each has its note and its publisher.
    """
    wanted = {(draft.merchant_id, draft.note.provider_id) for draft in drafts if draft.note}
    known = await messages.states(tx, wanted)
    now = format_ms(committed_ms)
    for scope, part in _parts(drafts, known, now, new_id).items():
        try:
            async with tx.savepoint(scope):
                if part.added:
                    await messages.insert_many(tx, part.added)
                if part.steps:
                    await messages.advance(tx, list(part.steps.values()), now)
        except Conflict as error:
            log.error(
                "messages were not stored, their events are",
                merchant=scope.merchant_id,
                messages=[added.event_id for added in part.added],
                error=str(error),
            )


def _parts(
    drafts: Sequence[Draft],
    known: dict[_Key, tuple[str, Status]],
    now: str,
    new_id: Callable[[], str],
) -> dict[Scope, _Part]:
    """What becomes of the rows, by who publishes."""
    parts: dict[Scope, _Part] = {}
    added: dict[_Key, NewMessage] = {}
    moved: dict[_Key, _Part] = {}
    for draft in drafts:
        note, by = draft.note, draft.publisher
        if note is None or by is None:
            continue
        key = (draft.merchant_id, note.provider_id)
        new = added.get(key)
        if new is not None:
            if note.status in STEPS[new.status]:
                new.status, new.error = note.status, note.error
            continue
        row = known.get(key)
        scope = Scope(draft.merchant_id, by.key_id, by.role, by.address, by.agent)
        if row is None:
            if note.phone:
                added[key] = _new_message(draft, note, now, new_id)
                _part(parts, scope).added.append(added[key])
        elif note.status in STEPS[row[1]]:
            known[key] = (row[0], note.status)
            # All steps of a row are one, of whoever made the first: parts are written in turn.
            part = moved.setdefault(key, _part(parts, scope))
            part.steps[key] = Step(key[0], row[0], note.status, note.error)
    return parts


def _part(parts: dict[Scope, _Part], scope: Scope) -> _Part:
    part = parts.get(scope)
    if part is None:
        part = parts[scope] = _Part()
    return part


def _new_message(
    draft: Draft, note: MessageNote, now: str, new_id: Callable[[], str]
) -> NewMessage:
    return NewMessage(
        new_id(), draft.merchant_id, note.direction, note.phone, note.chat, note.text, note.type,
        note.template_id, note.provider_id, note.status, note.error, draft.id,
        note.made_at or now, now,
    )  # fmt: skip
