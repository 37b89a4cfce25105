"""The task `deliver`: one attempt of one delivery.

    read ─▶ signed ─▶ posted ─▶ written: the attempt, the endpoint's health, the job, in one commit

All attempts of a delivery are one job, whose id is the delivery's and the receiver's `webhook-id`.
"""

from collections.abc import Sequence

from hub.protocol.drafts import Origin
from hub.protocol.times import format_ms, parse_ms
from jobs.context import SOURCE, WEBHOOK_SCHEDULE, Context, WriteScope
from jobs.outcome import Done, Failed, Outcome, Postponed
from jobs.run import Run
from jobs.tasks import Deliver
from storage import webhook_logs, webhooks
from storage.database import Transaction
from storage.errors import NotFound
from storage.merchant_records import Job, WebhookLogStatus
from storage.webhook_logs import Made
from storage.webhooks import Target

from . import schedule, signing
from .deliveries import TEST_TYPE, add_attempt, tell_of_failure
from .places import Places
from .post import Answer, Caller

_NOTED_MS = 1000
"""A success is written to the endpoint's row once a second at the most, as long as nothing else is
to be said of it."""
_NOTED = 10_000
"""Endpoints of which it is known when that was."""


class Deliverer:
    """Makes attempts.

    Args:
        waits: seconds between the attempts of a delivery.
        give_up_seconds: how long an endpoint may fail before it is disabled.
    """

    def __init__(
        self,
        context: Context,
        caller: Caller,
        waits: Sequence[float] = WEBHOOK_SCHEDULE,
        give_up_seconds: float = schedule.GIVE_UP_SECONDS,
    ) -> None:
        self._context = context
        self._caller = caller
        self._waits = waits
        self._give_up_ms = int(give_up_seconds * 1000)
        self._places = Places()
        self._noted: dict[str, int] = {}

    async def deliver(self, run: Run, args: Deliver) -> Outcome:
        """Make one attempt."""

        async def read(tx: Transaction) -> Target:
            return await webhooks.target(tx, args.webhook_id, run.job.id)

        try:
            target = await self._context.database.read(read, run.scope)
        except NotFound:
            return Failed("the webhook is deleted", final=True)
        if target.payload is None:
            return Failed("what was to be delivered is not kept any more", final=True)
        if not target.is_active and args.event_type != TEST_TYPE:
            why = target.disabled_reason or "it was switched off"
            return self._skipped(f"the webhook is not active: {why}")
        if target.failing_since is None and not self._places.is_slow(args.webhook_id):
            return await self._attempt(run.job, args, target, target.payload)
        if not self._places.take(args.webhook_id):
            note = "the webhook fails or is slow: one delivery to it at a time"
            return Postponed(self._places.wait_seconds(), note)
        try:
            return await self._attempt(run.job, args, target, target.payload)
        finally:
            self._places.leave(args.webhook_id)

    async def _attempt(self, job: Job, args: Deliver, target: Target, payload: str) -> Outcome:
        now_ms = self._context.clock()
        body = payload.encode()
        try:
            signed = signing.headers(
                job.id, args.event_type, body, _secrets(target, format_ms(now_ms)), now_ms
            )
        except ValueError as error:
            return self._failed(job, args, Answer(error=str(error), duration_ms=0))
        answer = await self._caller.post(target.url, signed, body)
        self._places.note(args.webhook_id, answer.duration_ms / 1000)
        self._context.attempted("success" if answer.error is None else "failed")
        if answer.error is None:
            return self._succeeded(job, args, answer, healthy=target.failing_since is None)
        return self._failed(job, args, answer)

    # ── what came of it ──────────────────────────────────────────────────────────────────────────

    def _succeeded(self, job: Job, args: Deliver, answer: Answer, *, healthy: bool) -> Outcome:
        now_ms = self._context.clock()
        noted = args.event_type == TEST_TYPE or (
            healthy and self._noted.get(args.webhook_id, 0) > now_ms - _NOTED_MS
        )
        if not noted:
            if len(self._noted) >= _NOTED:
                self._noted.clear()
            self._noted[args.webhook_id] = now_ms

        async def write(scope: WriteScope) -> None:
            now = format_ms(now_ms)
            await _settle(scope, job, _made("success", answer), now)
            if not noted:
                since = format_ms(now_ms - _NOTED_MS)
                await webhooks.note_success(scope.tx, args.webhook_id, now, since)

        return Done({"status": answer.status}, write)

    def _failed(self, job: Job, args: Deliver, answer: Answer) -> Outcome:
        assert answer.error is not None
        error = answer.error

        async def write(scope: WriteScope, after: Job) -> None:
            now = after.updated_at
            dead = after.state == "dead"
            await _settle(scope, job, _made("dead" if dead else "failed", answer), now)
            if not dead:
                await add_attempt(scope, after, job.attempt + 1, after.run_at, now)
            if args.event_type == TEST_TYPE:
                return
            await self._note_failure(scope, args, answer, now)
            if dead:
                tell_of_failure(scope, after, answer.status)

        seconds = schedule.wait(self._waits, self._failures(job), answer.retry_after)
        return Failed(error, final=answer.gone, seconds=seconds, write=write)

    def _skipped(self, error: str) -> Outcome:
        """The end of a delivery that is not attempted; nobody is told, since the endpoint was."""

        async def write(scope: WriteScope, after: Job) -> None:
            made = Made(status="dead", error_message=error)
            await webhook_logs.settle(scope.tx, after.id, after.attempt, made, after.updated_at)

        return Failed(error, final=True, write=write)

    def _failures(self, job: Job) -> int:
        """How often a delivery has failed with this attempt: those that were handed back, or come
        after somebody had it delivered again, have moved its last attempt too."""
        return max(1, len(self._waits) + 1 - (job.max_attempts - job.attempt))

    async def _note_failure(
        self, scope: WriteScope, args: Deliver, answer: Answer, now: str
    ) -> None:
        assert answer.error is not None
        try:
            failures, since = await webhooks.note_failure(
                scope.tx, args.webhook_id, now, answer.error
            )
        except NotFound:
            return  # deleted while it was called
        if answer.gone:
            reason = "it answered 410 Gone"
        elif parse_ms(now) - parse_ms(since) >= self._give_up_ms:
            reason = f"{failures} attempts have failed since {since}, the last one: {answer.error}"
        else:
            return
        disabled = await webhooks.disable(scope.tx, args.webhook_id, reason[:500], now)
        if disabled is not None:
            data = {"webhookId": disabled.id, "reason": reason[:500], "version": disabled.version}
            origin = Origin(disabled.merchant_id, SOURCE)
            scope.record(origin, "webhook_disabled", data, f"webhook/{disabled.id}")


def _secrets(target: Target, now: str) -> list[str]:
    """The secrets that are good, the newest first."""
    if target.previous_secret is None or (target.previous_until or "") <= now:
        return [target.secret]
    return [target.secret, target.previous_secret]


def _made(status: WebhookLogStatus, answer: Answer) -> Made:
    return Made(
        status=status, response_status=answer.status, response_body=answer.body,
        duration_ms=answer.duration_ms, error_message=answer.error,
    )  # fmt: skip


async def _settle(scope: WriteScope, job: Job, made: Made, now: str) -> None:
    """Write what came of an attempt, also of one that nobody had noted before."""
    if not await webhook_logs.settle(scope.tx, job.id, job.attempt, made, now):
        await add_attempt(scope, job, job.attempt, now, now)
        await webhook_logs.settle(scope.tx, job.id, job.attempt, made, now)
