"""The jobs of a fake hub: handed out, fenced by their attempt, and settled, as a real one does."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.client.fake_hub import FakeConnection, Frame, Script

FAR = "2999-01-01T00:00:00.000Z"


@dataclass
class FakeJob:
    """One job; `attempt` counts those begun, `answers` holds every one that counted."""

    id: str
    message_id: str
    state: str = "queued"
    attempt: int = 0
    holder: FakeConnection | None = None
    answers: list[Frame] = field(default_factory=list)
    progress: list[Frame] = field(default_factory=list)

    def frame(self, deadline: str = FAR) -> Frame:
        data = {
            "messageId": self.message_id,
            "to": "263771234567",
            "chat": None,
            "text": f"hello {self.id}",
            "templateId": None,
            "format": "baileys",
            "message": {"text": f"hello {self.id}"},
        }
        return {
            "type": "task",
            "job": self.id,
            "attempt": self.attempt,
            "name": "send",
            "data": data,
            "deadline": deadline,
        }


class FakeJobs:
    """A hub's jobs.

    Args:
        count: how many, named j0, j1 … with the messages m0, m1 …
        tries: attempts until a job is dead.
        grace: seconds that a bot has to come back with `resume`.

    Attributes:
        ready: every `ready` that came.
        most: the most tasks that one connection held at once.
        stale: answers that did not count.
    """

    def __init__(self, count: int = 0, *, tries: int = 3, grace: float = 0.3) -> None:
        self.jobs = {f"j{n}": FakeJob(f"j{n}", f"m{n}") for n in range(count)}
        self.tries = tries
        self.grace = grace
        self.ready: list[Frame] = []
        self.most = 0
        self.stale: list[Frame] = []
        self.changed = asyncio.Condition()

    def script(self, cut: Callable[[Frame], str | None] = lambda _: None, **hello: Any) -> Script:
        """Serve one connection.

        Args:
            cut: asked about each answer; `before` it is recorded or `after` it, before it is
                settled, the connection is cut.
            hello: changes of the greeting.
        """

        async def serve(connection: FakeConnection) -> None:
            await connection.hello(**hello)
            handing: asyncio.Task[None] | None = None
            try:
                while True:
                    frame: Frame = json.loads(await connection.socket.recv())
                    match frame["type"]:
                        case "ready":
                            self.ready.append(frame)
                            for one in frame["resume"]:
                                answer = self._resume(one, frame, connection)
                                if answer is not None:
                                    await connection.send(answer)
                            if handing is not None:
                                handing.cancel()
                            handing = asyncio.create_task(self._hand(connection, frame["credit"]))
                        case "progress":
                            self.jobs[frame["job"]].progress.append(frame)
                        case "done" | "failed":
                            when = cut(frame)
                            if when == "before":
                                return connection.cut()
                            answer = self._record(frame)
                            await self._tell()
                            if when == "after":
                                return connection.cut()
                            await connection.send(answer)
            finally:
                if handing is not None:
                    handing.cancel()
                self._left(connection)

        return serve

    async def over(self, *states: str) -> None:
        """Wait until every job is in one of these states; by default, until all have ended."""
        wanted = states or ("succeeded", "dead", "cancelled")
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(
                lambda: all(job.state in wanted for job in self.jobs.values())
            )

    async def readied(self, count: int) -> None:
        """Wait until bots have said `ready` so often."""
        async with asyncio.timeout(20):
            while len(self.ready) < count:
                await asyncio.sleep(0.01)

    async def cancel(self, job: FakeJob) -> None:
        """As a user does."""
        job.state = "cancelled"
        if job.holder is not None:
            await job.holder.send(self._settled(job))
            job.holder = None
        await self._tell()

    async def lose(self, job: FakeJob) -> None:
        """Give the attempt up and hand out the next one."""
        job.state, job.holder = "queued", None
        await self._tell()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def held(self, connection: FakeConnection) -> int:
        return sum(job.holder is connection for job in self.jobs.values())

    async def _hand(self, connection: FakeConnection, credit: int) -> None:
        while True:
            for job in self.jobs.values():
                if job.state == "queued" and self.held(connection) < credit:
                    job.state, job.holder = "running", connection
                    job.attempt += 1
                    await connection.send(job.frame())
                    await self._tell()
            self.most = max(self.most, self.held(connection))
            async with self.changed:
                await self.changed.wait_for(
                    lambda: (
                        any(job.state == "queued" for job in self.jobs.values())
                        and self.held(connection) < credit
                    )
                )

    def _resume(self, one: Frame, ready: Frame, connection: FakeConnection) -> Frame | None:
        job = self.jobs.get(one["job"])
        if job is None:
            return self._refusal(ready, "not_found") | {"id": one["job"]}
        if job.state == "running" and job.attempt == one["attempt"]:
            job.holder = connection
            return None
        state = "retrying" if job.state == "queued" else job.state
        return {"type": "settled", "ref": ready["ref"], "state": state, **one}

    def _record(self, frame: Frame) -> Frame:
        job = self.jobs.get(frame["job"])
        if job is None:
            return self._refusal(frame, "not_found")
        if job.state in ("succeeded", "dead", "cancelled"):
            return self._settled(job)
        if job.state != "running" or job.attempt != frame["attempt"]:
            self.stale.append(frame)
            return self._refusal(frame, "stale_attempt")
        job.answers.append(frame)
        job.holder = None
        if frame["type"] == "done":
            job.state = "succeeded"
        elif frame["retry"] and job.attempt < self.tries:
            job.state = "queued"
            return self._settled(job) | {"state": "retrying"}
        else:
            job.state = "dead"
        return self._settled(job)

    def _left(self, connection: FakeConnection) -> None:
        asyncio.get_running_loop().call_later(self.grace, self._lost, connection)

    def _lost(self, connection: FakeConnection) -> None:
        for job in self.jobs.values():
            if job.holder is connection and job.state == "running":
                job.holder = None
                job.state = "queued" if job.attempt < self.tries else "dead"
        self._telling = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    @staticmethod
    def _settled(job: FakeJob) -> Frame:
        return {"type": "settled", "job": job.id, "attempt": job.attempt, "state": job.state}

    @staticmethod
    def _refusal(frame: Frame, code: str) -> Frame:
        return {
            "type": "error",
            "code": code,
            "message": "no",
            "retry": False,
            "ref": frame.get("ref"),
        }
