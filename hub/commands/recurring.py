"""Jobs that come again and again: by a cron schedule, on the clock of a time zone.

What cannot be done is refused when it is made, not when it comes: the schedule and the zone, and
whether the task takes its arguments as things are now.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from hub.protocol.errors import Conflict, InvalidParams, invalid
from hub.protocol.events import locate
from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms
from hub.stream.waiting import WriteScope
from jobs import recurrence
from jobs.message_sending.bulk import MOST_RECIPIENTS
from jobs.message_sending.recipients import recipient_of
from jobs.message_sending.rendering import plain, rendered
from jobs.message_sending.send import active_template
from jobs.tasks import Repeated, RepeatedBulk
from storage import errors, recurring
from storage.merchant_records import MissedRuns, Queue, RecurringJob
from storage.table import encode_json

from .command import OPERATORS, WATCHERS, Command, Invocation, Result
from .params import PAGE, ById, ListOf, RowId, Word, next_of

ARGS_CHARACTERS = 64 * 1024
"""Most characters of arguments as JSON: every change of them is in the audit."""

Schedule = Annotated[
    str, Meta(min_length=9, max_length=100, pattern=r"^[^\x00]*$", examples=["0 9 * * MON"])
]
"""Minute, hour, day of the month, month, day of the week, as cron(5) writes them."""
Zone = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*$", examples=["Africa/Harare"])
]
"""A name of the IANA time zone database."""
Title = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+(?!\n)$")]
Task = Literal["send", "bulk"]
"""Those that may recur: everything else is about one row, and done once."""
_QUEUE: Queue = "message_sending"


class NewRecurring(Struct, forbid_unknown_fields=True, kw_only=True):
    """`args` of `send` are {to, text | template, variables}, of `bulk` {template, recipients,
    variables}. `missed` says what becomes of runs that came due while no hub ran: none of them,
    one for all, or each, up to 100."""

    name: Title
    task: Task
    args: dict[str, Any]
    schedule: Schedule
    time_zone: Zone = "UTC"
    missed: MissedRuns = "once"
    is_active: bool = True
    id: RowId | None = None
    merchant_id: Word | None = None


class RecurringChange(ById, forbid_unknown_fields=True):
    """What is to be different; what is left out stays."""

    name: Title | UnsetType = UNSET
    args: dict[str, Any] | UnsetType = UNSET
    schedule: Schedule | UnsetType = UNSET
    time_zone: Zone | UnsetType = UNSET
    missed: MissedRuns | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


async def list_(call: Invocation, params: ListOf) -> Result:
    """A page of recurring jobs by id."""
    limit = min(params.limit, PAGE)
    found = await call.read(lambda tx: recurring.page(tx, params.after, limit))
    return {"recurring": found, "count": len(found), "next": next_of(found, limit)}


async def get(call: Invocation, params: ById) -> Result:
    """One recurring job."""
    return {"recurring": await call.read(lambda tx: recurring.get(tx, params.id))}


async def create(call: Invocation, params: NewRecurring) -> Result:
    """Let a job come again and again.

    Raises:
        InvalidParams: the schedule never comes, there is no such time zone, or the task does not
            take its arguments.
        Conflict: another one has the name.
    """
    row = RecurringJob(
        id=params.id or uuid7(), merchant_id=call.merchant_id, name=params.name, queue=_QUEUE,
        task=params.task, args=params.args, schedule=_words(params.schedule),
        time_zone=params.time_zone, missed=params.missed, is_active=params.is_active,
        created_by=call.actor.key_id, created_at=call.now, updated_at=call.now,
    )  # fmt: skip
    row = _timed(row, call.now_ms)

    async def work(scope: WriteScope) -> Result:
        await _check_args(scope, row)
        with _name_of_its_own(row):
            return {"recurring": await recurring.insert(scope.tx, row)}

    return await call.commit(work)


async def update(call: Invocation, params: RecurringChange) -> Result:
    """Change what is given; when it comes next follows from the schedule of now on.

    Raises:
        InvalidParams, Conflict: see `create`.
        PreconditionFailed: it has another version than `If-Match` says.
    """
    given = {
        name: value
        for name, value in structs.asdict(params).items()
        if name != "id" and value is not UNSET
    }
    if "schedule" in given:
        given["schedule"] = _words(given["schedule"])

    async def work(scope: WriteScope) -> Result:
        before = await recurring.get(scope.tx, params.id)
        call.check_version(before.version)
        row = structs.replace(before, **given)
        if row == before:
            return {"recurring": before}
        if any(
            getattr(row, name) != getattr(before, name)
            for name in ("schedule", "time_zone", "is_active")
        ):
            row = _timed(row, call.now_ms)
        if row.args != before.args or (row.is_active and not before.is_active):
            await _check_args(scope, row)
        row = structs.replace(row, updated_at=call.now)
        with _name_of_its_own(row):
            return {"recurring": await recurring.update(scope.tx, row)}

    return await call.commit(work)


async def delete(call: Invocation, params: ById) -> Result:
    """Let a job come no more; those that it has made stay."""

    async def work(scope: WriteScope) -> Result:
        row = await recurring.get(scope.tx, params.id)
        call.check_version(row.version)
        await recurring.delete(scope.tx, row.id, row.version)
        return {"id": row.id}

    return await call.commit(work)


@contextmanager
def _name_of_its_own(row: RecurringJob) -> Iterator[None]:
    """Say that a name is taken where the database refuses it.

    Raises:
        Conflict: another recurring job of the merchant has it.
    """
    try:
        yield
    except errors.Conflict as error:
        if "_name_" not in str(error):
            raise
        raise Conflict(
            f"there is a recurring job with the name {row.name!r}: give another"
        ) from None


# ── when ─────────────────────────────────────────────────────────────────────────────────────────


def _words(schedule: str) -> str:
    return " ".join(schedule.split())


def _timed(row: RecurringJob, now_ms: int) -> RecurringJob:
    """A recurring job with its next time; without one while it rests.

    Raises:
        InvalidParams: it has no schedule that ever comes.
    """
    try:
        recurrence.zone_of(row.time_zone)
    except ValueError as error:
        raise invalid(InvalidParams, "/time_zone", str(error)) from None
    try:
        next_ms = recurrence.check(row.schedule, row.time_zone, now_ms)
    except ValueError as error:
        raise invalid(InvalidParams, "/schedule", str(error)) from None
    return structs.replace(row, next_run_at=format_ms(next_ms) if row.is_active else None)


# ── what ─────────────────────────────────────────────────────────────────────────────────────────


async def _check_args(scope: WriteScope, row: RecurringJob) -> None:
    """Check that a task takes its arguments, as things are now.

    Raises:
        InvalidParams: it does not; pointers go into `args`.
    """
    kind, check = TASKS[row.task]
    unknown = next((name for name in row.args if name not in kind.__struct_fields__), None)
    if unknown is not None:
        known = ", ".join(kind.__struct_fields__)
        raise invalid(InvalidParams, "/args", f"{row.task} takes {known}, and not {unknown[:64]!r}")
    try:
        args = msgspec.convert(row.args, kind)
        size = len(encode_json(row.args))
    except msgspec.ValidationError as error:
        pointer, message = locate(str(error))
        raise invalid(InvalidParams, f"/args{pointer}", message) from None
    if size > ARGS_CHARACTERS:
        message = f"{size} characters of JSON are more than the {ARGS_CHARACTERS} allowed"
        raise invalid(InvalidParams, "/args", message)
    try:
        await check(scope, args)
    except InvalidParams as error:
        raise error.below("/args") from None


async def _check_send(scope: WriteScope, args: Repeated) -> None:
    recipient_of(args.to)
    if (args.text is None) == (args.template is None):
        raise invalid(InvalidParams, "/text", "give one of text and template")
    if args.text is not None:
        plain(args.text)
        return
    rendered(await active_template(scope, str(args.template)), args.variables)


async def _check_bulk(scope: WriteScope, args: RepeatedBulk) -> None:
    if not 1 <= len(args.recipients) <= MOST_RECIPIENTS:
        raise invalid(InvalidParams, "/recipients", "give at least one")
    await active_template(scope, args.template)


Check = Callable[[WriteScope, Any], Awaitable[None]]
TASKS: dict[str, tuple[type[Struct], Check]] = {
    "send": (Repeated, _check_send),
    "bulk": (RepeatedBulk, _check_bulk),
}
"""The tasks that may recur: what their arguments are, and whether they would do."""

COMMANDS = (
    Command(
        name="recurring.list", http="GET /api/recurring", roles=WATCHERS,
        summary="The merchant's recurring jobs", params=ListOf, run=list_,
        answer={"recurring": list[RecurringJob], "count": int, "next": str | None},
    ),
    Command(
        name="recurring.get", http="GET /api/recurring/{id}", roles=WATCHERS,
        summary="One recurring job", params=ById, run=get, answer={"recurring": RecurringJob},
        table="recurring_jobs",
    ),
    Command(
        name="recurring.create", http="POST /api/recurring", roles=OPERATORS,
        summary="Let a message, or one to many, be sent again and again by a cron schedule",
        params=NewRecurring, run=create, answer={"recurring": RecurringJob}, status=201,
        message="The job comes again and again.",
    ),
    Command(
        name="recurring.update", http="PATCH /api/recurring/{id}", roles=OPERATORS,
        summary="Change what is given of a recurring job, or let it rest",
        params=RecurringChange, run=update, answer={"recurring": RecurringJob}, versioned=True,
        table="recurring_jobs",
    ),
    Command(
        name="recurring.delete", http="DELETE /api/recurring/{id}", roles=OPERATORS,
        summary="Let a job come no more; those that it has made stay",
        params=ById, run=delete, answer={"id": str}, message="The job comes no more.",
        versioned=True, table="recurring_jobs",
    ),
)  # fmt: skip
