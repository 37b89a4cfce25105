"""A log with its feeder and what delivers, in one process, with a clock that is moved by hand.

What arq does between them is not here: jobs are claimed from their rows.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from msgspec import structs

from hub.protocol.drafts import Origin, encode_event
from hub.protocol.frames import Publish
from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms, parse_ms
from hub.stream.log import EventLog
from jobs.context import Context, WriteScope
from jobs.execution import Execution
from jobs.run import Task
from jobs.schedule import make_due
from jobs.tasks import Deliver
from jobs.webhook_delivery.deliver import Deliverer
from jobs.webhook_delivery.feeder import Feeder
from jobs.webhook_delivery.post import Caller
from storage import jobs, webhook_logs, webhooks, work
from storage.database import Database, Transaction
from storage.merchant_records import Job, Webhook, WebhookLog
from storage.scope import HUB, Scope
from storage.work import Worker
from tests.storage import samples
from tests.stream.support import publish, running_log, stored
from tests.support.receiver import Receiver

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
WAITS = (10.0, 60.0)
GIVE_UP = 3600.0


class Delivering:
    """One process that feeds and delivers.

    Attributes:
        now_ms: what its clock says.
    """

    def __init__(self, log: EventLog, caller: Caller) -> None:
        self.log = log
        self.database: Database = log.database
        self.now_ms = parse_ms(samples.NOW)
        self.context = Context(
            log=log, worker=uuid7(), media_root=Path("/nowhere"), hub_id="h", clock=self.clock
        )
        self.deliverer = Deliverer(self.context, caller, WAITS, GIVE_UP)
        task = Task("deliver", Deliver, self.deliverer.deliver)
        self.execution = Execution(self.context, {("webhook_delivery", "deliver"): task})
        self.feeder = Feeder(log, len(WAITS) + 1, self.clock)

    def clock(self) -> int:
        return self.now_ms

    @property
    def now(self) -> str:
        return format_ms(self.now_ms)

    async def add_webhook(self, url: str, *types: str, **changes: Any) -> Webhook:
        """A webhook that hears of events from now on."""
        webhook = samples.webhook(
            url=url, event_types=list(types or ("order_*",)),
            **{"secret": SECRET, "heard_from": self.log.end, **changes},
        )  # fmt: skip
        await self.database.write(lambda tx: webhooks.insert(tx, webhook), HUB)
        self.feeder.changed()
        return webhook

    async def webhook(self, id_: str) -> Webhook:
        return await self.database.read(lambda tx: webhooks.get(tx, id_), Scope("m1"))

    async def publish(self, type_: str = "order_created", merchant: str = "m1", **data: Any) -> str:
        """Append an event; its id."""
        frame = Publish(type=type_, data=data, id=uuid7())
        await publish(self.log, [encode_event(frame, Origin(merchant, "hub"))])
        return str(frame.id)

    async def jobs(self, merchant: str = "m1") -> list[Job]:
        """The deliveries that there are, the first one first."""

        async def read(tx: Transaction) -> list[Job]:
            sql = "SELECT id FROM jobs WHERE merchant_id = ? ORDER BY id"
            rows = await tx.fetch(sql, (merchant,))
            return [await jobs.get(tx, id_) for (id_,) in rows]

        return await self.database.read(read, Scope(merchant))

    async def fed(self, count: int, within: float = 20.0) -> list[Job]:
        """Wait until there are so many deliveries."""
        async with asyncio.timeout(within):
            while len(found := await self.jobs()) < count:
                await asyncio.sleep(0.005)
        assert len(found) == count
        return found

    async def attempts(self, delivery: str | None = None) -> list[WebhookLog]:
        """The attempts of a delivery, or of all, the first one first."""
        found = await self.database.read(
            lambda tx: webhook_logs.page(tx, "", 1000, delivery_id=delivery), Scope("m1")
        )
        return found[::-1]

    async def events(self, *types: str) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of the events of these types in the log."""
        found = [event for _, event in await stored(self.database)]
        return [(event["type"], event["data"]) for event in found if event["type"] in types]

    async def deliver(self, seconds: float = 0.0, *, together: bool = False) -> list[Job]:
        """Let time pass, and carry out what is due then; the jobs afterwards."""
        self.now_ms += int(seconds * 1000)
        await make_due(self.context)
        keys = [(job.merchant_id, job.id) for job in await self.jobs() if job.state == "queued"]

        async def claim(scope: WriteScope) -> list[Job]:
            return await jobs.claim(scope.tx, keys, self.context.worker, self.now)

        claimed = (await self.log.commit(claim, HUB)).result
        if together:
            await asyncio.gather(*map(self.execution.carry_out, claimed))
        else:
            for job in claimed:
                await self.execution.carry_out(job)
        return await self.jobs()

    async def change(self, webhook: Webhook, **changes: Any) -> None:
        """What `webhooks.update` does."""

        async def work_(tx: Transaction) -> None:
            found = await webhooks.get(tx, webhook.id)
            await webhooks.update(tx, structs.replace(found, **changes))

        await self.database.write(work_, HUB)
        self.feeder.changed()


@asynccontextmanager
async def delivering(
    database: Database, receiver: Receiver | None = None, *, feeding: bool = True
) -> AsyncIterator[Delivering]:
    """What feeds and delivers, on a database with the merchants `m1` and `m2`."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(running_log(database))
        caller = Caller([ip_network("127.0.0.1")], timeout=1.0)
        stack.push_async_callback(caller.close)
        made = Delivering(log, caller)
        log.listener = made.feeder.heard

        async def enter(tx: Transaction) -> None:
            row = Worker(made.context.worker, "i", "worker", [], "h", 1, made.now, made.now)
            await work.enter(tx, row)

        await database.write(enter, HUB)
        await made.feeder.begin()
        if feeding:
            feeding_task = asyncio.create_task(made.feeder.run())
            stack.push_async_callback(_ended, feeding_task)
        yield made


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled() and task.exception() is not None:
        task.result()
