"""A merchant that sends messages, and its bots."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub.protocol.times import format_ms
from hub.stream.waiting import WriteScope
from jobs.context import Context
from jobs.execution import Execution
from jobs.message_sending.send import queue_message
from jobs.registry import open_tasks
from storage import jobs, messages, work
from storage.database import Transaction
from storage.merchant_records import Job, JobAttempt, Message
from storage.scope import Scope
from tests.gateway.local_hub import LocalHub
from tests.support.ws import Frame, Socket, connect

DEADLINE = 5.0
NEVER = 0.3
"""Seconds in which nothing comes that would come at once."""


class Bot:
    """A bot that has said `ready`."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self._tasks: list[Frame] = []

    async def ready(self, credit: int = 1, **more: Any) -> None:
        await self.socket.send({"type": "ready", "credit": credit, **more})

    async def task(self) -> Frame:
        if self._tasks:
            return self._tasks.pop(0)
        return await self.socket.next(type="task", deadline=DEADLINE)

    async def tasks(self, count: int) -> list[Frame]:
        return [await self.task() for _ in range(count)]

    async def idle(self) -> bool:
        return not self._tasks and await self.socket.silent(NEVER, type="task")

    async def say(self, type_: str, task: Frame, **more: Any) -> None:
        named = {"job": task["job"], "attempt": task["attempt"]}
        await self.socket.send({"type": type_, **named, **more})

    async def done(self, task: Frame, provider_id: str | None = None, **more: Any) -> Frame:
        """Answer; what the hub says to it."""
        await self.say("done", task, result={"messageId": provider_id or f"wa-{task['job']}"})
        return await self.answered(task)

    async def failed(self, task: Frame, **more: Any) -> Frame:
        await self.say("failed", task, **{"error": "no line"} | more)
        return await self.answered(task)

    async def answered(self, task: Frame) -> Frame:
        """The hub's answer to an answer: `settled`, or an error."""
        async with asyncio.timeout(DEADLINE):
            while True:
                frame = await self.socket.next(deadline=DEADLINE)
                if frame["type"] == "task":
                    self._tasks.append(frame)
                elif frame["type"] in ("settled", "error"):
                    assert task["job"] in (frame.get("job"), frame.get("id")), frame
                    return frame


class Shop:
    """See the module.

    Attributes:
        hub: as it runs.
        clock: milliseconds that the worker's clock is ahead.
    """

    def __init__(self, hub: LocalHub) -> None:
        self.hub = hub
        self.scope = Scope(hub.merchant_id)

    @property
    def context(self) -> Context:
        services = self.hub.services
        return Context(
            log=services.log, worker="a-worker", media_root=Path("unused"), hub_id="here"
        )

    async def queue(self, **said: Any) -> tuple[Message, Job]:
        """Queue a message; no worker has prepared it yet."""
        scope = Scope(said.get("merchant_id", self.hub.merchant_id))

        async def work_(write: WriteScope) -> tuple[Message, Job]:
            given = {"merchant_id": self.hub.merchant_id, "to": "263771", "now": self.now}
            return await queue_message(write, **given | said)

        return (await self.hub.services.log.commit(work_, scope)).result

    async def send(self, **said: Any) -> str:
        """Queue a message and have a worker prepare it; its id."""
        message, job = await self.queue(**{"text": "hello"} | said)
        await self.prepare(job)
        return message.id

    async def parked(self, **said: Any) -> str:
        """Queue a message that waits for a bot already; its id."""
        message, job = await self.queue(**{"text": "hello"} | said)

        async def park(write: WriteScope) -> None:
            await write.tx.execute(
                "UPDATE jobs SET awaits = 'bot', version = version + 1"
                " WHERE merchant_id = ? AND id = ?",
                (job.merchant_id, job.id),
            )

        await self.hub.services.log.commit(park, Scope(job.merchant_id))
        return message.id

    async def prepare(self, job: Job) -> Job | None:
        """Do a job as a worker does."""

        async def claim(write: WriteScope) -> list[Job]:
            return await jobs.claim(write.tx, [(job.merchant_id, job.id)], "a-worker", self.now)

        scope = Scope(job.merchant_id)
        [claimed] = (await self.hub.services.log.commit(claim, scope)).result
        async with open_tasks(self.context, ["message_sending"]) as tasks:
            return await Execution(self.context, tasks).carry_out(claimed)

    async def write(self, change: Callable[[WriteScope], Any]) -> Any:
        return (await self.hub.services.log.commit(change, self.scope)).result

    async def job(self, id_: str) -> Job:
        async def read(tx: Transaction) -> Job:
            return await jobs.get(tx, id_)

        return await self.hub.database.read(read, self.scope)

    async def message(self, id_: str) -> Message:
        async def read(tx: Transaction) -> Message:
            return await messages.get(tx, id_)

        return await self.hub.database.read(read, self.scope)

    async def attempts(self, id_: str) -> list[JobAttempt]:
        async def read(tx: Transaction) -> list[JobAttempt]:
            return await work.attempts(tx, await jobs.get(tx, id_))

        return await self.hub.database.read(read, self.scope)

    async def until(self, id_: str, state: str, deadline: float = DEADLINE) -> Job:
        """Wait until a job is in a state."""
        async with asyncio.timeout(deadline):
            while (job := await self.job(id_)).state != state:
                await asyncio.sleep(0.02)
            return job

    @asynccontextmanager
    async def bot(
        self, credit: int | None = None, key: str = "bot", **more: Any
    ) -> AsyncIterator[Bot]:
        """A bot on a socket; with credit, it has said `ready`."""
        async with connect(self.hub, self.hub.keys[key]) as socket:
            await socket.next(type="connected")
            bot = Bot(socket)
            if credit is not None:
                await bot.ready(credit, **more)
            yield bot

    @property
    def now(self) -> str:
        return format_ms(self.context.clock())

    @property
    def events(self) -> list[str]:
        """The types of the events so far, without what bots' comings and goings leave."""
        log = self.hub.services.log
        return [
            entry.type
            for entry in log.ring.between(0, log.end)
            if not entry.type.startswith("bot_")
        ]
