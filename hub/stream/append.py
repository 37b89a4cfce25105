"""What a commit group does inside its transaction: known ids, offsets, rows and frames.

Runs on the database's thread. Offsets are numbered from the log's head, which the same
transaction has locked, so they have no holes however many processes append.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct

from hub.protocol import drafts
from hub.protocol.drafts import Draft
from hub.protocol.errors import Conflict, HubError
from hub.protocol.websocket import text_frame
from storage import events
from storage.database import Transaction
from storage.records import EventRow, KnownEvent

from . import messages
from .entry import Entry


class Placed(Struct, frozen=True, gc=False):
    """Where an event stands in the log; `offset` is None for a volatile one."""

    offset: int | None
    duplicate: bool


Outcome = Placed | HubError


class Batch(NamedTuple):
    """Events that one publisher sent together; `atomic` takes all of them or none."""

    drafts: Sequence[Draft]
    atomic: bool


class Appended(NamedTuple):
    """What a group became: per batch an outcome for each draft, the entries in log order, and the
    log's head and epoch afterwards."""

    outcomes: list[list[Outcome]]
    entries: list[Entry]
    head: int
    epoch: str


_Key = tuple[str, str]
# How a draft relates to what is known: None (new), an earlier draft of this group, a stored
# event, or a refusal.
_Verdict = Draft | KnownEvent | HubError | None


async def append(
    tx: Transaction, batches: Sequence[Batch], now_ms: int, new_id: Callable[[], str]
) -> Appended:
    """Number and store the drafts of a group, and the messages that they bring; make their frames.

    Args:
        now_ms: commit time, milliseconds since 1970.
        new_id: gives the ids of messages.
    """
    # The head is locked before the ids are looked up: whoever appends at the same time is through
    # by then, and what it has written is seen.
    most = sum(not draft.volatile for batch in batches for draft in batch.drafts)
    head, committed_ms, epoch = await events.advance_head(tx, most, now_ms)
    verdicts = await _judge(tx, batches)
    new = [
        draft
        for batch, judged in zip(batches, verdicts, strict=True)
        for draft in (batch.drafts if judged is None else _new_ones(batch, judged))
    ]
    stored = sum(not draft.volatile for draft in new)
    if stored < most:
        await events.withdraw(tx, most - stored)
        head -= most - stored
    entries, rows, noted = _number(new, head - stored, committed_ms)
    await events.insert_events(tx, rows)
    if noted:
        await messages.store(tx, noted, committed_ms, new_id)
    outcomes = [
        [_outcome(draft, None) for draft in batch.drafts]
        if judged is None
        else [_outcome(d, verdict) for d, verdict in zip(batch.drafts, judged, strict=True)]
        for batch, judged in zip(batches, verdicts, strict=True)
    ]
    return Appended(outcomes, entries, head, epoch)


def _number(
    drafts: list[Draft], offset: int, committed_ms: int
) -> tuple[list[Entry], list[EventRow], list[Draft]]:
    """Give new events the offsets after `offset`, and make their entries and rows; those that say
    something of a message are the third."""
    entries: list[Entry] = []
    rows: list[EventRow] = []
    noted: list[Draft] = []
    for draft in drafts:
        merchant_id, type_, subject = draft.merchant_id, draft.type, draft.subject
        if draft.volatile:
            entries.append(Entry(0, merchant_id, type_, subject, text_frame(draft.tail)))
            continue
        offset += 1
        draft.offset = offset
        payload = draft.payload(offset)
        rows.append((offset, merchant_id, draft.id, type_, subject, committed_ms, payload.decode()))
        entries.append(Entry(offset, merchant_id, type_, subject, text_frame(payload)))
        if draft.note is not None:
            noted.append(draft)
    return entries, rows, noted


def _new_ones(batch: Batch, verdicts: list[_Verdict]) -> list[Draft]:
    return [d for d, verdict in zip(batch.drafts, verdicts, strict=True) if verdict is None]


def _outcome(draft: Draft, verdict: _Verdict) -> Outcome:
    if verdict is None:
        return Placed(None if draft.volatile else draft.offset, False)
    return verdict if isinstance(verdict, HubError) else Placed(verdict.offset, True)


async def _judge(tx: Transaction, batches: Sequence[Batch]) -> list[list[_Verdict] | None]:
    """Tell new events from known ones; None for a batch in which all are new.

    Ids that the hub made are new without a look-up.
    """
    wanted = [
        (draft.merchant_id, draft.id)
        for batch in batches
        for draft in batch.drafts
        if draft.chosen and not draft.volatile
    ]
    if not wanted:
        return [None] * len(batches)
    known = await events.known_events(tx, wanted)
    seen: dict[_Key, Draft] = {}
    judged: list[list[_Verdict] | None] = []
    for batch in batches:
        first_seen: list[_Key] = []
        verdicts = [_verdict(draft, known, seen, first_seen) for draft in batch.drafts]
        if batch.atomic and any(isinstance(v, HubError) for v in verdicts):
            for key in first_seen:
                del seen[key]
            verdicts = [_refused_with(verdict) for verdict in verdicts]
        judged.append(verdicts)
    return judged


def _verdict(
    draft: Draft, known: dict[_Key, KnownEvent], seen: dict[_Key, Draft], first_seen: list[_Key]
) -> _Verdict:
    if draft.volatile or not draft.chosen:
        return None
    key = (draft.merchant_id, draft.id)
    stored = known.get(key)
    if stored is not None:
        if stored.frame is None or drafts.same_event(stored.frame, draft):
            return stored
        return _conflict(draft)
    earlier = seen.get(key)
    if earlier is None:
        seen[key] = draft
        first_seen.append(key)
        return None
    return earlier if drafts.same_event(earlier.payload(0), draft) else _conflict(draft)


def _conflict(draft: Draft) -> HubError:
    return Conflict(
        f"the id {draft.id!r} belongs to an event with another type, subject or data; "
        "a repeat must be the same event, a new event needs a new id"
    )


class RefusedWithBatch(Conflict):
    """An event of an atomic batch that was refused because of another one."""


def _refused_with(verdict: _Verdict) -> HubError:
    if isinstance(verdict, HubError):
        return verdict
    return RefusedWithBatch("refused with its atomic batch")
