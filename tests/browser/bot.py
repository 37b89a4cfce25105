"""Something that publishes, and keeps what the hub has acknowledged."""

import asyncio
import itertools
from typing import Any

from playwright.async_api import APIRequestContext
from playwright.async_api import Error as PlaywrightError

Event = dict[str, Any]


class Bot:
    """A key at the REST door.

    Attributes:
        acknowledged: (id, offset) of every event, in the order of their publishing.
    """

    def __init__(self, request: APIRequestContext) -> None:
        self.request = request
        self.acknowledged: list[tuple[str, int]] = []
        self._ids = itertools.count(1)

    async def publish(self, type: str = "custom_test", **fields: Any) -> int:
        """Publish one event, again and again under one id until the hub has acknowledged it.

        Returns:
            Its offset.
        """
        event = {"type": type, "id": f"own-{next(self._ids)}", "data": {}} | fields
        while True:
            try:
                response = await self.request.post("/api/events", data=event)
            except PlaywrightError:
                await asyncio.sleep(0.02)  # the hub is away
                continue
            if response.status != 503:
                break
        assert response.status == 201, await response.text()
        offset: int = (await response.json())["offset"]
        self.acknowledged.append((event["id"], offset))
        return offset

    async def publish_all(self, events: list[Event]) -> None:
        """Publish a list in one request."""
        response = await self.request.post("/api/events", data=events)
        assert response.status == 201, await response.text()

    async def publish_until(self, stop: asyncio.Event, pause: float = 0.01) -> None:
        """Publish one event after another."""
        while not stop.is_set():
            await self.publish("custom_tick", data={"n": len(self.acknowledged) + 1})
            await asyncio.sleep(pause)

    async def create(self, path: str, body: Event) -> Event:
        """Make something else; the admin's key may."""
        response = await self.request.post(path, data=body)
        assert response.status == 201, await response.text()
        made: Event = await response.json()
        return made
