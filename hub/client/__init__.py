"""The Python SDK: publish events to a hub, and follow them.

    from hub.client import Hub

    async with Hub("http://127.0.0.1:8000", key=KEY) as hub:
        ack = await hub.publish("order_created", {…}, subject="order/ORD-1")
        async for event in hub.events(types=["order_*"]):
            print(event.offset, event.type, event.data)

It needs msgspec and websockets, and of this project `hub.protocol` alone.
"""

from hub.client.backoff import Backoff
from hub.client.errors import Closed, ClosedForbidden, ClosedUnauthenticated, Lost
from hub.client.events import EventStream
from hub.client.hub import Hub
from hub.client.outbox import Ack
from hub.client.status import State, Status
from hub.protocol.errors import HubError
from hub.protocol.frames import Event, Gap

__all__ = [
    "Ack",
    "Backoff",
    "Closed",
    "ClosedForbidden",
    "ClosedUnauthenticated",
    "Event",
    "EventStream",
    "Gap",
    "Hub",
    "HubError",
    "Lost",
    "State",
    "Status",
]
