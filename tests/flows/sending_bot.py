"""A bot that sends messages as one with a journal does, on a bare socket, and may die at any point.

Its journal outlives it, as a file would; its gateway notes every message that it is given.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.support.hub_process import HubProcess
from tests.support.ws import Frame, Socket, connect


class Journal:
    """What a bot has written down, by message.

    Attributes:
        sending: messages whose call has begun and not ended.
        sent: the gateway's ids of what was sent.
    """

    def __init__(self) -> None:
        self.sending: set[str] = set()
        self.sent: dict[str, str] = {}


class SendingBot:
    """See the module.

    Args:
        hub: may be killed and started again.
        credit: tasks that it takes at once.

    Attributes:
        gateway: how often each message was sent.
        held: tasks of which the hub has not settled the answer, by job.
        settled: the states in which jobs were settled.
        dies: where it dies at the next task: `before` the call, `inside` it, `after` it; None for
            not at all.
    """

    def __init__(self, hub: HubProcess, key: str, credit: int = 100) -> None:
        self.gateway: Counter[str] = Counter()
        self.held: dict[str, Frame] = {}
        self.settled: Counter[str] = Counter()
        self.dies: str | None = None
        self.deaths = 0
        self.journal = Journal()
        self._hub = hub
        self._key = key
        self._credit = credit

    async def run(self) -> None:
        """Send, and come back after every death, of its own or the hub's, until cancelled."""
        while True:
            try:
                async with self._connected() as socket:
                    await self._work(socket)
            except (ConnectionClosed, OSError, TimeoutError):
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Socket]:
        async with connect(self._hub, self._key) as socket:
            await socket.next(type="connected")
            resume = [{"job": t["job"], "attempt": t["attempt"]} for t in self.held.values()]
            await socket.send(
                {"type": "ready", "credit": self._credit, "format": "text", "resume": resume}
            )
            for task in list(self.held.values()):
                await self._take(socket, task)
            yield socket

    async def _work(self, socket: Socket) -> None:
        while True:
            frame = await socket.next(deadline=60.0)
            match frame["type"]:
                case "task":
                    self.held[frame["job"]] = frame
                    await self._take(socket, frame)
                case "settled":
                    self.held.pop(frame["job"], None)
                    self.settled[frame["state"]] += 1
                case "error":
                    self._refused(frame)

    def _refused(self, frame: Frame) -> None:
        if frame["code"] == "stale_attempt":
            self.held.pop(frame["id"], None)  # it is somebody's again, maybe ours
        else:
            assert frame["retry"], frame

    async def _take(self, socket: Socket, task: Frame) -> None:
        id_ = task["data"]["messageId"]
        journal = self.journal
        if id_ in journal.sending:
            await self._say(socket, task, "failed", error="died while sending", uncertain=True)
            return
        if id_ not in journal.sent:
            await self._die(socket, "before")
            journal.sending.add(id_)
            await self._die(socket, "inside")
            self.gateway[id_] += 1
            journal.sent[id_] = f"wa-{id_}"
            journal.sending.discard(id_)
            await self._die(socket, "after")
        await self._say(socket, task, "done", result={"messageId": journal.sent[id_]})

    async def _die(self, socket: Socket, where: str) -> None:
        if self.dies == where:
            self.dies = None
            self.deaths += 1
            socket.connection.transport.abort()
            raise ConnectionResetError("killed")

    async def _say(self, socket: Socket, task: Frame, type_: str, **more: Any) -> None:
        named = {"type": type_, "job": task["job"], "attempt": task["attempt"]}
        await socket.send(named | more)
