"""What of tasks goes by the clock: those that are over, how far the others are, what nobody has
told of, and what hubs have left behind that are gone."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from os import getpid
from typing import TYPE_CHECKING, TypeVar

import structlog

from hub.protocol.errors import HubError
from hub.protocol.frames import Settled
from hub.protocol.times import format_ms, parse_ms
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from jobs.queues import BEAT_SECONDS, SILENT_SECONDS
from storage import jobs, sending, work
from storage.database import Transaction
from storage.errors import StorageError
from storage.merchant_records import Job
from storage.scope import HUB, Scope

from . import holding
from .bots import DEADLINE_SECONDS, Bots, Held

if TYPE_CHECKING:
    from .dispatcher import Dispatcher

T = TypeVar("T")
log = structlog.get_logger("hub.tasks")

LOOK_SECONDS = 1.0
"""How often it is looked for what nobody has told of, and how often progress is written."""
_MOST_LOST = 100
"""Tasks that are given up in one commit."""
_MOST_ORPHANS = 1000
"""Tasks of hubs that are gone which are taken over at once."""


class Keeper:
    """Looks after the tasks of one hub.

    Args:
        instance: the data directory that this hub belongs to.
    """

    def __init__(self, dispatcher: "Dispatcher", event_log: EventLog, instance: str) -> None:
        self._dispatcher = dispatcher
        self._log = event_log
        self._instance = instance
        self._worker = dispatcher.worker

    async def run(self) -> None:
        """Look after what is held, and for what nobody has told of, until cancelled."""
        begun = False
        beaten = float("-inf")
        while True:
            try:
                if time.monotonic() - beaten >= BEAT_SECONDS:
                    await self._live(begun=begun)
                    begun, beaten = True, time.monotonic()
                for merchant in self._dispatcher.merchants():
                    await self._give_up(merchant)
                    await self._note(merchant)
                await self._look()
            except (HubError, StorageError) as error:
                log.warning("tasks could not be looked after", error=str(error))
            except Exception:  # a fault here must not end the hub: it is looked again in a second
                log.exception("tasks could not be looked after")
            await asyncio.sleep(LOOK_SECONDS)

    # ── what is held here ────────────────────────────────────────────────────────────────────

    async def _give_up(self, bots: Bots) -> None:
        """Give up the tasks whose time is over."""
        over = list(bots.over(asyncio.get_running_loop().time()))[:_MOST_LOST]
        if not over:
            return
        lost = [(each.job, _reason(each)) for each in over]

        async def give_up(scope: WriteScope) -> list[Job]:
            return await holding.lose(scope, lost, self._worker, _now())

        given_up = {job.id: job for job in await self._commit(bots.merchant_id, give_up)}
        for each in over:
            bot, job = each.bot, each.job
            if bots.let_go(job.id, job.attempt) is not None and bot is not None:
                after = given_up.get(job.id)
                state = "retrying" if after is None else after.state
                bot.session.send(Settled(job.id, job.attempt, state))
        log.info("tasks were given up", merchant=bots.merchant_id, count=len(over))
        self._dispatcher.told(list(given_up.values()))
        self._dispatcher.wake(bots)

    async def _note(self, bots: Bots) -> None:
        """Write how far tasks are, and tell what was said too soon behind the last time."""
        said: dict[tuple[int, str | None], list[str]] = {}
        for held in bots.held.values():
            if not held.noted:
                held.noted = True
                self._dispatcher.tell(held, "job_progressed")
                said.setdefault((held.percent, held.note), []).append(held.job.id)
        if not said:
            return

        async def note(scope: WriteScope) -> None:
            for (percent, words), ids in said.items():
                await sending.note_progress(scope.tx, ids, percent, words, _now())

        await self._commit(bots.merchant_id, note)

    # ── what nobody has told of ──────────────────────────────────────────────────────────────

    async def _look(self) -> None:
        """Look for tasks that other processes have made, or whose queue goes on again."""
        free = [bots.merchant_id for bots in self._dispatcher.merchants() if bots.free]
        if not free:
            return

        async def read(tx: Transaction) -> list[str]:
            return await sending.with_waiting(tx, free, _now())

        for merchant_id in await self._log.database.read(read, HUB):
            self._dispatcher.wake_merchant(merchant_id)

    # ── hubs that are gone ───────────────────────────────────────────────────────────────────

    async def _live(self, *, begun: bool) -> None:
        """Say that this hub lives, and take over what those have left behind that do not."""
        shared = self._log.database.shared
        if begun and not shared:
            return  # nobody else would look
        known = (await self._log.commit(self._beat, HUB)).result
        if begun and not known:
            await self._hold_again()
        await self._adopt(first=not begun)

    async def _beat(self, scope: WriteScope) -> bool:
        # By the database's clock: by its own, a hub that is ahead takes the others for dead.
        now = await scope.tx.now()
        if await work.beat(scope.tx, self._worker, now):
            return True
        row = work.Worker(
            self._worker, self._instance, "bots", ["message_sending"], socket.gethostname(),
            getpid(), now, now,
        )  # fmt: skip
        await work.enter(scope.tx, row)
        return False

    async def _hold_again(self) -> None:
        """Others have taken this hub for dead: what its bots still have is its own again."""
        for bots in self._dispatcher.merchants():
            ids = [job_id for job_id, held in bots.held.items() if held.bot is not None]

            async def take(scope: WriteScope, ids: list[str] = ids) -> None:
                await sending.take_over(scope.tx, ids, self._worker, _now())

            if ids:
                await self._commit(bots.merchant_id, take)

    async def _adopt(self, *, first: bool) -> None:
        """Hold what bots have of hubs that are gone, at the start of this one's former life too:
        they have their time to come back."""

        async def read(tx: Transaction) -> list[Job]:
            since = format_ms(parse_ms(await tx.now()) - int(SILENT_SECONDS * 1000))
            found = await sending.held_by_others(tx, self._worker, since, _MOST_ORPHANS)
            return found + (await jobs.held_by(tx, self._worker) if first else [])

        left: dict[str, list[str]] = {}
        for job in await self._log.database.read(read, HUB):
            left.setdefault(job.merchant_id, []).append(job.id)
        for merchant_id, ids in left.items():

            async def take(scope: WriteScope, ids: list[str] = ids) -> list[Job]:
                return await sending.take_over(scope.tx, ids, self._worker, _now())

            taken = await self._commit(merchant_id, take)
            self._dispatcher.hold_for_absent(merchant_id, taken)

    async def _commit(self, merchant_id: str, write: Callable[[WriteScope], Awaitable[T]]) -> T:
        return (await self._log.commit(write, Scope(merchant_id))).result


def seconds_left(job: Job) -> float:
    """Seconds until the deadline of a task that another life of a hub has handed over."""
    if job.started_at is None:
        return DEADLINE_SECONDS
    return parse_ms(job.started_at) / 1000 + DEADLINE_SECONDS - time.time()


def _reason(held: Held) -> str:
    return holding.GONE if held.bot is None else holding.LATE


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _now() -> str:
    return format_ms(_now_ms())
