"""What browsers do at the hub's doors, without a browser: cookies, tickets, endless responses."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from tests.support.rest import DEADLINE, Answer, HasPort, call

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"


def own_origin(hub: HasPort) -> str:
    """The origin of the hub's own pages."""
    return f"http://127.0.0.1:{hub.port}"


async def try_sign_in(
    hub: HasPort, body: Mapping[str, object], *, origin: str | None = None, address: str = ""
) -> Answer:
    """`POST /api/session`.

    Args:
        origin: the hub's own without one.
        address: sent as `X-Forwarded-For`; counts where the hub trusts the loopback.
    """
    headers = {"Origin": own_origin(hub) if origin is None else origin}
    if address:
        headers["X-Forwarded-For"] = address
    return await call(hub, "POST", "/api/session", body, headers=headers)


def cookie_of(answer: Answer) -> str:
    """`name=value`, as a browser sends it back."""
    return answer.headers["set-cookie"].partition(";")[0]


async def sign_in(hub: HasPort, key: str, *, address: str = "") -> dict[str, str]:
    """Sign a browser in by a key; the headers that its own pages send from then on."""
    answer = await try_sign_in(hub, {"key": key}, address=address)
    assert answer.status == 200, answer.body
    return {"Cookie": cookie_of(answer), "Origin": own_origin(hub)}


async def new_ticket(
    hub: HasPort, key: str | None = None, *, headers: Mapping[str, str] | None = None
) -> str:
    """`POST /api/tickets`, by a key or a browser's headers; the ticket."""
    answer = await call(hub, "POST", "/api/tickets", key=key, headers=headers)
    assert answer.status == 200, answer.body
    ticket = answer.json()["ticket"]
    assert isinstance(ticket, str)
    return ticket


class Endless:
    """A response in chunks that goes on until the hub ends it.

    Attributes:
        text: what came of its body.
        whole: whether it ended as it should, with its last chunk.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], reader: asyncio.StreamReader
    ) -> None:
        self.status = status
        self.headers = headers
        self.text = ""
        self.whole = False
        self._reader = reader

    async def shows(self, part: str, *, deadline: float = DEADLINE) -> str:
        """Wait until this is in its text; the text.

        Raises:
            TimeoutError: it did not come in time.
            EOFError: the response ended without it.
        """
        async with asyncio.timeout(deadline):
            while part not in self.text:
                if not await self._chunk():
                    raise EOFError(f"the response ended without {part!r}: {self.text[-500:]!r}")
        return self.text

    async def ended(self, *, deadline: float = DEADLINE) -> str:
        """Wait for its end; the text.

        Raises:
            TimeoutError: it goes on.
        """
        async with asyncio.timeout(deadline):
            while await self._chunk():
                pass
        return self.text

    async def _chunk(self) -> bool:
        size = int(await self._reader.readline() or b"0", 16)
        data = await self._reader.readexactly(size + 2)
        self.whole = size == 0
        self.text += data[:-2].decode()
        return size > 0


@asynccontextmanager
async def endless(
    hub: HasPort,
    accept: str,
    *,
    key: str | None = None,
    query: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Endless]:
    """Open `GET /api/events` as a stream; whatever the hub's status is, the head has been read."""
    lines = {"Host": f"127.0.0.1:{hub.port}", "Accept": accept}
    if key is not None:
        lines["Authorization"] = f"Bearer {key}"
    lines |= headers or {}
    target = "/api/events" + (f"?{urlencode(query)}" if query else "")
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
        async with asyncio.timeout(DEADLINE):
            first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        found = {}
        for line in filter(None, rest):
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        yield Endless(int(first.split()[1]), found, reader)
    finally:
        writer.transport.abort()
