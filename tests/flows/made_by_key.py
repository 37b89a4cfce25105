"""All that can be made with one key, open and waiting, to see how it ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from tests.support.browsers import NDJSON, SSE, Endless, endless, new_ticket, sign_in
from tests.support.hub_process import HubProcess
from tests.support.rest import call
from tests.support.ws import Socket, connect

SETTINGS = {"HUB_RATE_LIMIT": "off", "HUB_TRUSTED_PROXIES": "127.0.0.1"}
WITHIN = 1.0
"""Seconds that the contract allows."""


class End(NamedTuple):
    """How and when something ended: its close code or status, and the clock then."""

    code: int
    at: float


class Everything:
    """All that can be made with one key, open and waiting.

    Attributes:
        ends: what will have ended, by name.
        tickets: not used yet; the last one is of the browser.
        browser: the headers of a browser that is signed in.
    """

    def __init__(self, hub: HubProcess, key: str, stack: AsyncExitStack) -> None:
        self.hub = hub
        self.key = key
        self.tickets: list[str] = []
        self.browser: dict[str, str] = {}
        self.ends: dict[str, asyncio.Task[End]] = {}
        self.sockets: dict[str, Socket] = {}
        self._stack = stack

    async def make(self) -> None:
        hub, key = self.hub, self.key
        self.browser = cookie = await sign_in(hub, key)
        by_key = {"Authorization": f"Bearer {key}"}
        await self._socket("header", key=key)
        await self._socket("other header", headers={"X-API-Key": key})
        await self._socket("query", token=key)
        await self._socket("ticket", token=await new_ticket(hub, key))
        await self._socket("frame", auth=key)
        await self._socket("ticket in a frame", auth=await new_ticket(hub, key))
        await self._socket("cookie", headers=cookie)
        await self._socket("ticket of the cookie", token=await new_ticket(hub, headers=cookie))
        await self._socket("idle", key=key, query="types=custom_never", frame="unsubscribe")
        for accept in (SSE, NDJSON):
            await self._stream(f"{accept} by key", accept, headers=by_key)
            await self._stream(f"{accept} by cookie", accept, headers=cookie)
            ticket = await new_ticket(hub, key)
            await self._stream(f"{accept} by ticket", accept, query={"token": ticket})
        polls: dict[str, dict[str, dict[str, str]]] = {
            "poll by key": {"headers": by_key},
            "poll by cookie": {"headers": cookie},
            "poll by ticket": {"query": {"token": await new_ticket(hub, key)}},
        }
        for name, credential in polls.items():
            self._expect(name, self._poll(**credential))
        self.tickets = [await new_ticket(hub, key), await new_ticket(hub, headers=cookie)]
        await self._all_are_listed(len(self.ends))

    async def _socket(
        self, name: str, *, key: str | None = None, token: str | None = None, query: str = "",
        headers: dict[str, str] | None = None, auth: str | None = None, frame: str | None = None,
    ) -> None:  # fmt: skip
        socket = await self._stack.enter_async_context(
            connect(self.hub, key, token=token, query=query, headers=headers)
        )
        if auth is not None:
            await socket.send({"type": "auth", "token": auth})
        await socket.next(type="connected")
        await socket.send({"type": frame or "ping"})

        async def closed() -> int:
            return await socket.closed(deadline=30)

        self.sockets[name] = socket
        self._expect(name, closed())

    async def _stream(
        self, name: str, accept: str, *, query: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        stream = await self._stack.enter_async_context(
            endless(self.hub, accept, query=query, headers=headers)
        )
        await stream.shows('"live"')
        self._expect(name, self._ended(stream))

    async def _ended(self, stream: Endless) -> int:
        text = await stream.ended(deadline=30)
        assert stream.whole
        _, found, rest = text.rpartition('"type":"bye","code":')
        assert found, text[-300:]
        return int(rest[:4])

    async def _poll(
        self, *, query: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> int:
        asked = {"types": "custom_never", "wait": "30"} | (query or {})
        answer = await call(
            self.hub, "GET", "/api/events", query=asked, headers=headers, deadline=30
        )
        return answer.status

    def _expect(self, name: str, end: Awaitable[int]) -> None:
        async def timed() -> End:
            return End(await end, time.monotonic())

        task = self.ends[name] = asyncio.create_task(timed())
        self._stack.callback(task.cancel)

    async def _all_are_listed(self, count: int) -> None:
        """Wait until the hub lists them, the polls too."""
        async with asyncio.timeout(5):
            while True:
                answer = await call(
                    self.hub, "GET", "/api/sessions?limit=1000", key=self.hub.admin_key
                )
                if len(answer.json()["sessions"]) >= count:
                    return

    async def check_ended(self, since: float, code: int) -> None:
        """Check that all of it has ended by this code within the second that is allowed."""
        await asyncio.wait(self.ends.values(), timeout=since + WITHIN - time.monotonic())
        late = [name for name, task in self.ends.items() if not task.done()]
        assert late == [], f"still there after {WITHIN} s"
        for name, task in self.ends.items():
            found = task.result()
            assert found.code == (401 if name.startswith("poll") else code), name
            assert found.at - since < WITHIN
        await self.check_void()

    async def check_void(self) -> None:
        """Check that no credential that goes back to the key opens anything."""
        hub = self.hub
        for ticket in self.tickets:
            async with connect(hub, token=ticket) as socket:
                assert (await socket.next())["code"] == "unauthenticated"
                assert await socket.closed() == 4001
        for headers in (self.browser, {"Authorization": f"Bearer {self.key}"}):
            for method, path in (("GET", "/api/session"), ("POST", "/api/tickets")):
                answer = await call(hub, method, path, headers=headers)
                assert answer.status == 401, (path, answer)
            async with connect(hub, headers=headers) as socket:
                assert await socket.closed() == 4001

    def check_alive(self) -> None:
        ended = {name: task.result() for name, task in self.ends.items() if task.done()}
        assert ended == {}


@asynccontextmanager
async def everything(hub: HubProcess, key: str) -> AsyncIterator[Everything]:
    """All that one key makes."""
    async with AsyncExitStack() as stack:
        made = Everything(hub, key, stack)
        await made.make()
        yield made


async def revoke(hub: HubProcess, id_: str, key: str | None = None) -> float:
    """Revoke a key; the clock when the hub had answered."""
    answer = await call(hub, "DELETE", f"/api/keys/{id_}", key=key or hub.admin_key)
    answered = time.monotonic()
    assert answer.status == 200, answer.body
    return answered
