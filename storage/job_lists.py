"""The table `jobs` as lists: newest first by the time of making.

Ids may be chosen, so that they say nothing of time. A list that is narrowed by queue, state or
parent is put together from one stretch of an index for each queue and state that is asked for.
"""

from collections.abc import Collection, Sequence
from itertools import product
from typing import NamedTuple, get_args

from .database import Transaction, Value
from .jobs import JobKey
from .merchant_records import Job, JobState, Queue
from .scope import scoped
from .table import Table, of_one

_JOBS = Table("jobs", Job, "job")
QUEUES: tuple[Queue, ...] = get_args(Queue)
STATES: tuple[JobState, ...] = get_args(JobState)


class Place(NamedTuple):
    """Where a job stands in a list.

    Attributes:
        created_at: RFC 3339, UTC, milliseconds.
    """

    created_at: str
    merchant_id: str
    id: str

    @property
    def key(self) -> JobKey:
        return self.merchant_id, self.id


async def newest(
    tx: Transaction,
    after: Place | None,
    limit: int,
    *,
    queue: Queue | None = None,
    state: Collection[JobState] | None = None,
    parent_id: str | None = None,
    name: str | None = None,
    whole: bool = False,
) -> list[Place]:
    """Up to `limit` places of jobs, newest first.

    Args:
        after: the last one of the page before; None for the newest.
        state: any of these.
        parent_id: parts of this job of the bound merchant.
        whole: jobs that are no part of another one.

    Raises:
        Sealed: a parent is named, and every merchant is bound.
    """
    where, bound = scoped(tx) if parent_id is None else of_one(tx)
    params: list[Value] = [*bound]
    if after is not None:
        where += " AND (created_at, id) < (?, ?)"
        params += (after.created_at, after.id)
    if name is not None:
        where += " AND name = ?"
        params.append(name)
    if whole:
        where += " AND parent_id IS NULL"
    if parent_id is not None:
        where += " AND parent_id = ? AND parent_id IS NOT NULL"
        params.append(parent_id)
        if queue is not None:
            where += " AND queue = ?"
            params.append(queue)
        narrowings: list[tuple[str, list[Value]]] = [
            (f"{where} AND state = ?", [*params, state_]) for state_ in state or STATES
        ]
    elif queue is None and state is None:
        narrowings = [(where, params)]
    else:
        queues = QUEUES if queue is None else (queue,)
        narrowings = [
            (f"{where} AND queue = ? AND state = ?", [*params, *both])
            for both in product(queues, state or STATES)
        ]
    return await _merged(tx, narrowings, limit)


async def _merged(
    tx: Transaction, narrowings: Sequence[tuple[str, list[Value]]], limit: int
) -> list[Place]:
    """The newest of several stretches, each of which an index has in order."""
    stretch = (
        "SELECT created_at, merchant_id, id FROM jobs WHERE {}"
        " ORDER BY created_at DESC, id DESC LIMIT ?"
    )
    if len(narrowings) == 1:
        [(where, params)] = narrowings
        rows = await tx.fetch(stretch.format(where), (*params, limit))
        return [Place(*row) for row in rows]
    whole = " UNION ALL ".join(
        f"SELECT * FROM ({stretch.format(where)}) AS stretch"  # noqa: S608
        for where, _ in narrowings
    )
    rows = await tx.fetch(whole, [p for _, params in narrowings for p in (*params, limit)])
    places = [Place(*row) for row in rows]
    places.sort(key=lambda place: (place.created_at, place.id), reverse=True)
    return places[:limit]


async def at(tx: Transaction, places: Sequence[Place]) -> list[Job]:
    """The jobs that stand at these places, in their order; those that are gone are left out."""
    if not places:
        return []
    where, params = scoped(tx)
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        [place.key for place in places],
        f"SELECT {_JOBS.columns} FROM wanted JOIN jobs"  # noqa: S608
        f" ON merchant_id = wanted_merchant AND id = wanted_id WHERE {where}",
        params,
    )
    found = {(job.merchant_id, job.id): job for job in _JOBS.parse(rows)}
    return [found[place.key] for place in places if place.key in found]


async def place_of(tx: Transaction, ids: Sequence[str]) -> list[Place]:
    """The places of those of the bound merchant's jobs that there are of these."""
    _, (merchant_id,) = of_one(tx)
    rows = await tx.fetch_wanted(
        ("wanted_merchant", "wanted_id"),
        [(merchant_id, id_) for id_ in ids],
        "SELECT created_at, merchant_id, id FROM wanted JOIN jobs"
        " ON merchant_id = wanted_merchant AND id = wanted_id",
    )
    return [Place(*row) for row in rows]
