"""What bots say of their tasks, many answers in one commit.

    the job            of its attempt                    of another attempt
    runs at a bot      is settled                        stale_attempt
    waits again        done, or uncertain: is settled    stale_attempt
    has ended          settled, with its final state     the same

A message that was sent is noted as sent whatever has become of its job since.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from hub.auth import Principal
from hub.protocol.errors import HubError, NotFound, StaleAttempt
from hub.protocol.frames import Answer, Done, Failed, Progress
from hub.protocol.messages import PROVIDER_ID_CHARS
from hub.stream.waiting import WriteScope
from jobs import outcome
from jobs.registry import ended
from storage import messages, sending, work
from storage.jobs import ENDED_STATES
from storage.merchant_records import Job, MessageStatus
from storage.sending import Sendable

_RESULT_BYTES = 4096
"""Of a result that is kept whole; of a longer one it is the message's id."""
_FURTHER: tuple[MessageStatus, ...] = ("sent", "failed", "delivered", "read")


class Settlement(NamedTuple):
    """What an answer has come to.

    Attributes:
        job: as it is afterwards; None where there is none.
        refusal: why it does not count.
    """

    job: Job | None
    refusal: HubError | None = None


async def settle(
    scope: WriteScope, answers: Sequence[Answer | Progress], principal: Principal, now: str
) -> list[Settlement]:
    """Write what a bot of the bound merchant says of its tasks.

    Args:
        now: RFC 3339.

    Returns:
        What each has come to, in their order.
    """
    known = await sending.jobs(scope.tx, list({answer.job: None for answer in answers}))
    sent: dict[str, tuple[Job, str | None]] = {}
    settled: list[Settlement] = []
    for answer in answers:
        one = await _settle_one(scope, known.get(answer.job), answer, sent, now)
        settled.append(one)
        if one.job is not None and one.refusal is None:
            known[answer.job] = one.job
    if sent:
        await _note_sent(scope, sent, principal, now)
    return settled


async def _settle_one(
    scope: WriteScope,
    job: Job | None,
    answer: Answer | Progress,
    sent: dict[str, tuple[Job, str | None]],
    now: str,
) -> Settlement:
    if job is None or job.queue != "message_sending" or job.name != "send":
        return Settlement(None, NotFound(f"no task is called {answer.job!r}: forget it"))
    if job.state in ENDED_STATES:
        if isinstance(answer, Done) and job.state != "succeeded" and answer.attempt == job.attempt:
            sent.setdefault(job.id, (job, _provider_id(answer.result)))
        return Settlement(job)
    if answer.attempt != job.attempt or job.awaits != "bot":
        message = f"the job is in attempt {job.attempt}, {job.state}: an answer to attempt"
        return Settlement(job, StaleAttempt(f"{message} {answer.attempt} does not count any more"))
    if isinstance(answer, Progress):
        return Settlement(job)
    if job.state != "running":
        if isinstance(answer, Failed) and not answer.uncertain:
            return Settlement(job)
        [job] = await sending.take_up_again(scope.tx, [job.id], now)
        await work.forget_attempt(scope.tx, job)
    after = await outcome.settle(scope, job, _outcome(answer), now)
    await ended(scope, after)
    if isinstance(answer, Done):
        sent[job.id] = (after, _provider_id(answer.result))
    return Settlement(after)


def _outcome(answer: Answer) -> outcome.Outcome:
    if isinstance(answer, Done):
        return outcome.Done(_kept(answer.result))
    error = answer.error.replace("\0", "").strip() or "the bot gave no reason"
    if answer.uncertain:
        error = f"uncertain: {error}; look whether it was sent before you send it again"
        return outcome.Failed(error, final=True, outcome="uncertain")
    return outcome.Failed(error, final=not answer.retry)


def _kept(result: dict[str, Any] | None) -> dict[str, Any]:
    if result is not None and len(msgspec.json.encode(result)) <= _RESULT_BYTES:
        return result
    return {"messageId": _provider_id(result)}


def _provider_id(result: dict[str, Any] | None) -> str | None:
    """What the gateway calls the message, where that fits its column."""
    given = (result or {}).get("messageId")
    if isinstance(given, str) and 1 <= len(given) <= PROVIDER_ID_CHARS and "\0" not in given:
        return given
    return None


# ── messages ─────────────────────────────────────────────────────────────────────────────────────


async def _note_sent(
    scope: WriteScope, sent: dict[str, tuple[Job, str | None]], principal: Principal, now: str
) -> None:
    """Note in their rows which messages were sent, and tell of it.

    A bot that publishes its own `message_sent` may have made a row for the same message: its
    place is the row of the job, and it is as far as either says.
    """
    tx = scope.tx
    rows = await sending.messages(tx, list(sent))
    wanted = [provider_id for _, provider_id in sent.values() if provider_id is not None]
    others = await sending.by_provider_ids(tx, wanted) if wanted else {}
    marked: list[tuple[str, str | None, MessageStatus]] = []
    taken: set[str] = set()
    for id_, (_, provider_id) in sent.items():
        row = rows.get(id_)
        if row is None or row.status in ("sent", "delivered", "read"):
            continue  # it was removed, or this is known
        status: MessageStatus = "sent"
        other = None if provider_id is None else others.get(provider_id)
        if other is not None and other.id != id_ and other.event_id is not None:
            await messages.delete(tx, other.id)
            status = max(status, other.status, key=_how_far)
        elif provider_id in taken or (other is not None and other.id != id_):
            provider_id = None  # it is that of another message: a gateway's ids are unique
        if provider_id is not None:
            taken.add(provider_id)
        marked.append((id_, provider_id, status))
    await sending.mark_sent(tx, marked, now)
    merchant_id = next(iter(sent.values()))[0].merchant_id
    origin = principal.origin(merchant_id)
    for id_, provider_id, _ in marked:
        row = rows[id_]
        scope.record(origin, "message_sent", _event(row, provider_id), f"chat/{row.phone}")


def _how_far(status: MessageStatus) -> int:
    return _FURTHER.index(status) if status in _FURTHER else -1


def _event(row: Sendable, provider_id: str | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "messageId": provider_id or row.id, "toPhone": row.phone, "text": row.text or "",
        "id": row.id, "jobId": row.id, "version": row.version + 1,
    }  # fmt: skip
    if row.template_id is not None:
        data["templateId"] = row.template_id
    return data
