"""The Python SDK: publish events to a hub, follow them, and send its messages.

    from hub.client import Hub

    async with Hub("http://127.0.0.1:8000", key=KEY) as hub:
        ack = await hub.publish("order_created", {…}, subject="order/ORD-1")
        async for event in hub.events(types=["order_*"]):
            print(event.offset, event.type, event.data)

    async with hub.bot(credit=10, journal="bot.journal") as bot:
        async for task in bot:
            await task.send(gateway.send, task.to, task.message)

It needs msgspec and websockets, and of this project `hub.protocol` alone.
"""

from hub.client.backoff import Backoff
from hub.client.bot import Bot
from hub.client.calls import Doubt, Resolve
from hub.client.errors import (
    Closed,
    ClosedForbidden,
    ClosedUnauthenticated,
    JournalDamaged,
    JournalError,
    JournalInUse,
    JournalMismatch,
    Lost,
    NotSent,
    TaskOver,
)
from hub.client.events import EventStream
from hub.client.hub import Hub
from hub.client.outbox import Ack
from hub.client.status import State, Status
from hub.client.tasks import Sending, Task
from hub.protocol.errors import HubError
from hub.protocol.frames import Event, Gap

__all__ = [
    "Ack",
    "Backoff",
    "Bot",
    "Closed",
    "ClosedForbidden",
    "ClosedUnauthenticated",
    "Doubt",
    "Event",
    "EventStream",
    "Gap",
    "Hub",
    "HubError",
    "JournalDamaged",
    "JournalError",
    "JournalInUse",
    "JournalMismatch",
    "Lost",
    "NotSent",
    "Resolve",
    "Sending",
    "State",
    "Status",
    "Task",
    "TaskOver",
]
