"""A bare HTTP client: one request per connection, whatever bytes a test wants to send."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

DEADLINE = 10.0
"""Seconds that one request may take."""


class HasPort(Protocol):
    """A hub, or a proxy before one, on the loopback."""

    @property
    def port(self) -> int: ...


class Answer(NamedTuple):
    """A response; header names are in lower case, repeated ones joined by `, `."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    hub: HasPort,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str | None = None,
    raw: bytes | None = None,
    query: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    deadline: float = DEADLINE,
) -> Answer:
    """Send one request and read the whole answer.

    Args:
        path: as it is to stand in the request line, percent-encoding included.
        body: sent as JSON; `raw` sends bytes as they are.
        key: sent as `Authorization: Bearer …`.
        query: encoded and added to the path.

    Raises:
        TimeoutError: there was no whole answer in time.
        OSError: the hub does not listen, or ended the connection without an answer.
    """
    content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    lines = {"Host": f"127.0.0.1:{hub.port}", "Connection": "close"}
    if content or method in ("POST", "PUT", "PATCH"):
        lines |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    if key is not None:
        lines["Authorization"] = f"Bearer {key}"
    lines |= headers or {}
    target = f"{path}?{urlencode(query)}" if query else path
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    return await exchange(hub, head.encode() + b"\r\n" + content, method, deadline=deadline)


async def exchange(
    hub: HasPort, request: bytes, method: str = "GET", *, deadline: float = DEADLINE
) -> Answer:
    """Send these very bytes on a fresh connection and read one whole answer."""
    async with asyncio.timeout(deadline):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        try:
            writer.write(request)
            return await read_answer(reader, method)
        finally:
            writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader, method: str = "GET") -> Answer:
    """Read one answer off a connection that may go on.

    Raises:
        ConnectionError: the connection ended before one began.
    """
    first = await reader.readline()
    if not first:
        raise ConnectionResetError("the connection ended without an answer")
    status = int(first.split()[1])
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip().decode("latin-1"):
        name, _, value = line.partition(":")
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    size = headers.get("content-length")
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers, b"")
    body = await (reader.read() if size is None else reader.readexactly(int(size)))
    return Answer(status, headers, body)


async def pages(hub: HasPort, key: str, **query: object) -> AsyncIterator[list[dict[str, Any]]]:
    """Follow `next` through `GET /api/events` to the end of the log; the events of each page."""
    while True:
        answer = await call(hub, "GET", "/api/events", key=key, query=query)
        assert answer.status == 200, answer.body
        page = answer.json()
        assert page["gap"] is None or query.get("since") in (None, 0), page["gap"]
        yield page["events"]
        if page["next"] >= page["offset"]:
            return
        assert page["next"] > int(str(query.get("since", 0))), "paging stands still"
        query["since"] = page["next"]


async def paged(hub: HasPort, key: str, **query: object) -> list[dict[str, Any]]:
    """All events of all `pages`."""
    return [event async for page in pages(hub, key, **query) for event in page]


async def merchant_of(hub: HasPort, key: str) -> str:
    """The id of the merchant that a first start makes."""
    answer = await call(hub, "GET", "/api/merchants", key=key)
    merchants = answer.json()["merchants"]
    assert isinstance(merchants[0]["id"], str)
    return merchants[0]["id"]


async def new_merchant(hub: HasPort, admin_key: str, name: str) -> str:
    """Make a merchant; its id."""
    answer = await call(hub, "POST", "/api/merchants", {"name": name}, key=admin_key)
    assert answer.status == 201, answer.body
    id_ = answer.json()["merchant"]["id"]
    assert isinstance(id_, str)
    return id_


async def new_key(
    hub: HasPort, admin_key: str, role: str, merchant_id: str | None = None, name: str = "someone"
) -> tuple[str, str]:
    """Make a key; the key itself and its id."""
    body = {"role": role, "name": name, "merchant_id": merchant_id}
    answer = await call(hub, "POST", "/api/keys", body, key=admin_key)
    assert answer.status == 201, answer.body
    made = answer.json()
    return made["token"], made["key"]["id"]
