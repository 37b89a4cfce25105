"""What flows that kill ask of the jobs that were done meanwhile."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import aiosqlite
import pytest

from hub.protocol.times import parse_ms
from hub.stream.log import EventLog
from storage.database import Transaction
from storage.scope import HUB
from tests.support.errands import Errand, log_of, send_out
from tests.support.hub_process import HubProcess
from tests.support.rest import merchant_of

RECOVERY_SECONDS = 15.0
_EACH_MAKES = 100
_ENDED = {"job_completed": "succeeded", "job_dead": "dead", "job_cancelled": "cancelled"}


def database_of(hub: HubProcess) -> str:
    return hub.database_url or f"sqlite:///{hub.data_dir / 'hub.db'}"


async def counted(log: EventLog) -> tuple[int, int]:
    """How many jobs there are, and how many of them have ended."""

    async def read(tx: Transaction) -> tuple[int, int]:
        [(there, ended)] = await tx.fetch("SELECT count(*), count(finished_at) FROM jobs")
        return int(there), int(ended)

    return await log.database.read(read, HUB)


async def all_ended(log: EventLog, jobs: int, within: float) -> None:
    """Wait until so many jobs have ended and no other is there."""
    deadline = time.monotonic() + within
    while (found := await counted(log)) != (jobs, jobs):
        if time.monotonic() > deadline:
            pytest.fail(f"there are {found[0]} of {jobs} jobs, and {found[1]} have ended")
        await asyncio.sleep(0.1)


async def check(log: EventLog, kills: list[float]) -> Counter[str]:
    """Each job has ended in one way, which was told once, and what was lost went on in time.

    Args:
        kills: when something was killed, in milliseconds since 1970.

    Returns:
        What came of the attempts that did not succeed.
    """

    async def read(tx: Transaction) -> tuple[dict[str, str], list[tuple[str, str]], Counter[str]]:
        states = {
            f"job/{id_}": state
            for id_, state in await tx.fetch(
                "SELECT id, state FROM jobs WHERE queue <> 'webhook_delivery'"
            )
        }
        told = [
            (str(subject), _ENDED[type_])
            for subject, type_ in await tx.fetch("SELECT subject, type FROM events")
            if type_ in _ENDED
        ]
        outcomes: Counter[str] = Counter()
        for outcome, ended_at in await tx.fetch("SELECT outcome, ended_at FROM job_attempts"):
            outcomes[outcome] += 1
            if outcome == "lost":
                ended = parse_ms(str(ended_at))
                since = min(ended - kill for kill in kills if kill <= ended)
                assert since < RECOVERY_SECONDS * 1000, since
        return states, told, outcomes

    states, told, outcomes = await log.database.read(read, HUB)
    assert len(told) == len(states), "each end was told once"
    assert dict(told) == states
    return outcomes


async def begin(hub: HubProcess, jobs: int, ms: float) -> None:
    """Leave errands in a hub that has stopped, which will make so many in all."""
    merchant_id = await merchant_of(hub, hub.admin_key)
    await hub.terminate()
    makers = jobs // (_EACH_MAKES + 1)
    errands = [Errand(ms, makes=_EACH_MAKES)] * makers
    errands += [Errand(ms)] * (jobs - makers * (_EACH_MAKES + 1))
    async with log_of(database_of(hub)) as log:
        await send_out(log, merchant_id, (("order_processing", each) for each in errands))


async def all_ended_in(file: Path, jobs: int, within: float) -> None:
    """Wait until so many jobs have ended in an SQLite file of a hub that runs."""
    async with asyncio.timeout(within), aiosqlite.connect(f"file:{file}?mode=ro", uri=True) as db:
        while True:
            [(ended,)] = await db.execute_fetchall("SELECT count(finished_at) FROM jobs")
            if ended >= jobs:
                return
            await asyncio.sleep(0.1)
