"""Many jobs at once: those of a list of ids, or all that match, some hundreds in each transaction.

A call works on `MOST` jobs at most, and says how many are left. It goes from the newest to the
oldest of those that there are when it begins, so that what comes meanwhile is not among them.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta

from hub.protocol.errors import InvalidParams, invalid
from hub.stream.waiting import WriteScope
from jobs import by_hand
from storage import job_lists
from storage.database import Transaction
from storage.job_lists import Place
from storage.jobs import ENDED_STATES, OPEN_STATES, JobKey
from storage.merchant_records import Job, JobState

from .command import OPERATORS, Command, Invocation, Result
from .job_parts import begin_anew, begin_parts_anew, cancel_parts, discard_parts
from .job_views import JobsOf, states_of
from .params import Word

MOST = 10_000
LOT = 250
"""Jobs of a transaction: each may be told of by two events."""
_WITH_PARTS = "bulk"
"""The name of jobs that have parts."""
_BEGUN_ANEW: frozenset[JobState] = frozenset({"dead", "cancelled"})
_DEAD: frozenset[JobState] = frozenset({"dead"})

Ids = Annotated[list[Word], Meta(min_length=1, max_length=MOST)]


class ManyJobs(JobsOf, forbid_unknown_fields=True):
    """The jobs of these `ids`, or all that match the rest, of which something must be said."""

    ids: Ids | None = None


async def cancel_all(call: Invocation, params: ManyJobs) -> Result:
    """End the jobs that match and have not ended, with their parts.

    Raises:
        InvalidParams: nothing says which, or a state is one in which jobs have ended.
    """
    wanted = _Selection(call, params, OPEN_STATES, OPEN_STATES)
    known = await call.answered()
    if known is not None:
        return known
    async for keys in wanted.lots():

        async def cancel(scope: WriteScope, keys: list[JobKey] = keys) -> by_hand.Cancelled:
            return await by_hand.cancel(scope, keys, call.now, call.actor.source)

        found = await call.step(cancel)
        wanted.count += len(found.ended) + len(found.asked)
        call.services.queues.cancel([(job.merchant_id, job.id) for job in found.asked])
        for id_ in _having_parts([*found.ended, *found.asked]):
            await cancel_parts(call, id_)
    return await wanted.answer()


async def retry_all(call: Invocation, params: ManyJobs) -> Result:
    """Queue the jobs anew that match and are dead, with their parts; the cancelled ones where they
    are named, by id or by state.

    Raises:
        InvalidParams: nothing says which, or a state is another one.
    """
    usual = _DEAD if params.ids is None else _BEGUN_ANEW
    wanted = _Selection(call, params, _BEGUN_ANEW, usual)
    known = await call.answered()
    if known is not None:
        return known
    async for keys in wanted.lots():

        async def begin(scope: WriteScope, keys: list[JobKey] = keys) -> list[Job]:
            return await begin_anew(call, scope, keys)

        found = await call.step(begin)
        wanted.count += len(found)
        for id_ in _having_parts(found):
            await begin_parts_anew(call, id_)
    return await wanted.answer()


async def discard_all(call: Invocation, params: ManyJobs) -> Result:
    """Remove the jobs that match and have ended, with their parts.

    Raises:
        InvalidParams: nothing says which, or a state is one in which jobs have not ended.
    """
    wanted = _Selection(call, params, ENDED_STATES, ENDED_STATES)
    known = await call.answered()
    if known is not None:
        return known
    async for keys in wanted.lots():
        wanted.count += await _discard(call, keys)
        # Those that are still there have parts, which go first.
        for key in await call.read(lambda tx, keys=keys: _there(tx, keys)):  # type: ignore[misc]
            await discard_parts(call, key[1])
            wanted.count += await _discard(call, [key])
    return await wanted.answer()


async def _discard(call: Invocation, keys: list[JobKey]) -> int:
    return await call.step(lambda scope: by_hand.discard(scope, keys))


async def _there(tx: Transaction, keys: list[JobKey]) -> list[JobKey]:
    return [place.key for place in await job_lists.place_of(tx, [id_ for _, id_ in keys])]


def _having_parts(found: list[Job]) -> list[str]:
    return [job.id for job in found if job.name == _WITH_PARTS]


class _Selection:
    """The jobs of one merchant that a caller means.

    Args:
        possible: the states in which they can be.
        usual: the states that are meant where none is said.

    Attributes:
        count: how many were changed.

    Raises:
        InvalidParams: nothing says which, or what is said does not go together.
    """

    def __init__(
        self,
        call: Invocation,
        params: ManyJobs,
        possible: frozenset[JobState],
        usual: frozenset[JobState],
    ) -> None:
        self.count = 0
        self._call = call
        self._params = params
        said = states_of(params.state)
        narrowing = (params.queue, said, params.name, params.parent_id)
        if params.ids is None and not any(narrowing):
            message = "say which: ids, queue, state, name or parent_id"
            raise invalid(InvalidParams, "", message)
        if params.ids is not None and any(narrowing):
            raise invalid(InvalidParams, "/ids", "ids, or what they have in common: not both")
        for state in said or ():
            if state not in possible:
                message = f"jobs that are {state} are not changed so; {_or(possible)} ones are"
                raise invalid(InvalidParams, "/state", message)
        self._states = said or usual
        self._merchant_id = call.merchant_id
        self._last: Place | None = None

    async def lots(self) -> AsyncIterator[list[JobKey]]:
        """The keys of the jobs, some at a time."""
        if self._params.ids is not None:
            ids = list(dict.fromkeys(self._params.ids))
            for start in range(0, len(ids), LOT):
                yield [(self._merchant_id, id_) for id_ in ids[start : start + LOT]]
            return
        for _ in range(0, MOST, LOT):
            places = await self._next(LOT)
            yield [place.key for place in places]
            if len(places) < LOT:
                self._last = None
                return
            self._last = places[-1]

    async def answer(self) -> Result:
        """How many were changed, and how many match that were not come to."""
        left = 0 if self._last is None else len(await self._next(MOST))
        result = {"count": self.count, "left": left}

        async def remember(scope: WriteScope) -> Result:
            return result

        return await self._call.commit(remember)

    async def _next(self, limit: int) -> list[Place]:
        params = self._params
        return await self._call.read(
            lambda tx: job_lists.newest(
                tx, self._last, limit, queue=params.queue, state=self._states,
                parent_id=params.parent_id, name=params.name,
            )
        )  # fmt: skip


def _or(states: frozenset[JobState]) -> str:
    *others, last = sorted(states)
    return f"{', '.join(others)} or {last}"


_MANY = "; 10,000 at most in one call, `left` says how many match beyond them"
COMMANDS = (
    Command(
        name="jobs.cancel_all", http="POST /api/jobs/cancel", roles=OPERATORS,
        summary=f"End the jobs of these ids, or all that match and have not ended{_MANY}",
        params=ManyJobs, run=cancel_all, answer={"count": int, "left": int},
        message="The jobs are cancelled.", events=("job_cancelled", "message_failed"),
    ),
    Command(
        name="jobs.retry_all", http="POST /api/jobs/retry", roles=OPERATORS,
        summary="Queue the jobs of these ids anew, or all that match and are dead (cancelled ones "
        f"where `state` says so){_MANY}",
        params=ManyJobs, run=retry_all, answer={"count": int, "left": int},
        message="The jobs are queued again.", events=("job_queued",),
    ),
    Command(
        name="jobs.discard_all", http="POST /api/jobs/discard", roles=OPERATORS,
        summary=f"Remove the jobs of these ids, or all that match and have ended{_MANY}",
        params=ManyJobs, run=discard_all, answer={"count": int, "left": int},
        message="The jobs are removed.",
    ),
)  # fmt: skip
