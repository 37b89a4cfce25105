"""What the tests of streams share: publishing beside them, and who is connected."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.conftest import World
from tests.support.http_stream import NDJSON, SSE
from tests.support.rest import Answer, call
from tests.support.ws import connect

Event = dict[str, Any]
DOORS = [pytest.param(SSE, id="sse"), pytest.param(NDJSON, id="ndjson")]


def tick(n: int = 0, type: str = "custom_tick", **more: Any) -> Event:
    return {"type": type, "data": {"n": n}} | more


async def publish(world: World, *events: Event, by: str = "merchant") -> list[int | None]:
    """Publish over the socket, where requests are not counted; the offsets."""
    async with connect(world.hub, world.keys[by], query="types=none") as socket:
        await socket.send({"type": "batch", "events": list(events)})
        lines = (await socket.next(type="ack"))["events"]
    assert not [line for line in lines if "error" in line]
    return [line["offset"] for line in lines]


async def refused(
    world: World, query: str, key: str | None = "viewer", headers: Mapping[str, str] | None = None
) -> Answer:
    path = f"/api/events?{query}" if query else "/api/events"
    token = None if key is None else world.keys[key]
    return await call(
        world.hub, "GET", path, key=token, headers={"Accept": SSE} | dict(headers or {})
    )


async def place(world: World) -> tuple[str, int]:
    """The log's epoch and end."""
    async with connect(world.hub, world.keys["admin"], query="types=none") as socket:
        connected = await socket.next(type="connected")
    return connected["epoch"], connected["offset"]


async def session_of(world: World, door: str, key: str) -> list[Event]:
    """The connections of one key by one door, asked over the socket."""
    async with connect(world.hub, world.keys["admin"], query="types=none") as socket:
        await socket.send({"type": "call", "ref": "s", "method": "sessions.list", "params": {}})
        found = (await socket.next(type="reply"))["result"]["sessions"]
    return [s for s in found if s["door"] == door and s["key_id"] == world.ids[key]]
