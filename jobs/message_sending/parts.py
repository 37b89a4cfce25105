"""The jobs of a bulk send, as its parent tells of them: how far they are, and what came of them."""

from typing import Any

from msgspec import structs

from jobs.context import WriteScope
from jobs.enqueue import record
from storage import jobs, sending
from storage.merchant_records import Job, JobState

CANCELLED_AT_ONCE = 250
"""Parts that are cancelled in one commit."""
NAMED = 20
"""Failures that a summary names."""
_OPEN: tuple[JobState, ...] = ("scheduled", "queued", "running", "retrying")

Counts = dict[JobState, int]


def open_count(counts: Counts) -> int:
    """How many parts have not ended."""
    return sum(counts.get(state, 0) for state in _OPEN)


def shown(parent: Job, counts: Counts) -> Job:
    """The parent of these parts, as far as it has come."""
    total = sum(counts.values())
    over = total - open_count(counts)
    note = f"{counts.get('succeeded', 0)} of {total} sent"
    if failed := counts.get("dead", 0):
        note += f", {failed} failed"
    return structs.replace(parent, progress=over * 100 // max(1, total), note=note)


async def note_progress(scope: WriteScope, parent_id: str, now: str) -> Job | None:
    """Write how far a bulk send is, and its end when no part of it is open.

    Returns:
        It as it is now; None where it does not await its parts any more.
    """
    parent = await jobs.find(scope.tx, parent_id)
    if parent is None or parent.awaits != "children":
        return None
    counts = await jobs.states_of_parts(scope.tx, parent_id)
    changed = structs.replace(shown(parent, counts), updated_at=now)
    if open_count(counts):
        if (changed.progress, changed.note) == (parent.progress, parent.note):
            return parent
        return await jobs.update(scope.tx, changed)
    result = await _summary(scope, parent, counts)
    ended = await jobs.update(
        scope.tx,
        structs.replace(
            changed, state="succeeded", awaits=None, progress=100, result=result, finished_at=now
        ),
    )
    record(scope, "job_completed", ended)
    return ended


async def sum_up(scope: WriteScope, parent_id: str, now: str) -> Job | None:
    """Write what came of a bulk send that was ended before its parts were; None where that is
    known, or it goes on again."""
    parent = await jobs.find(scope.tx, parent_id)
    if parent is None or parent.state not in ("dead", "cancelled") or parent.result is not None:
        return None
    counts = await jobs.states_of_parts(scope.tx, parent_id)
    if not counts:
        return None
    result = await _summary(scope, parent, counts)
    changed = structs.replace(shown(parent, counts), result=result, updated_at=now)
    return await jobs.update(scope.tx, changed)


async def cancel_some(scope: WriteScope, parent_id: str, now: str) -> list[Job]:
    """Cancel parts of a bulk send that have not ended, up to `CANCELLED_AT_ONCE`; their messages
    are noted as failed. None are left when fewer come back."""
    ids = await sending.open_parts(scope.tx, parent_id, CANCELLED_AT_ONCE)
    cancelled = await sending.cancel_jobs(scope.tx, ids, now)
    await sending.mark_failed(scope.tx, ids, "cancelled before it was sent", now)
    scope.jobs += cancelled
    return cancelled


async def _summary(scope: WriteScope, parent: Job, counts: Counts) -> dict[str, Any]:
    sent, dead = counts.get("succeeded", 0), counts.get("dead", 0)
    # Ended while it was prepared, it has parts that were never made.
    said = parent.args.get("total")
    total = max(sum(counts.values()), said if isinstance(said, int) else 0)
    uncertain = await sending.uncertain_parts(scope.tx, parent.id)
    summary: dict[str, Any] = {
        "total": total, "sent": sent, "failed": dead - uncertain, "uncertain": uncertain,
        "cancelled": total - sent - dead,
    }  # fmt: skip
    if dead:
        summary["failures"] = [
            {"job": id_, "to": to, "error": error[:200]}
            for id_, to, error in await sending.dead_parts(scope.tx, parent.id, NAMED)
        ]
    return summary
