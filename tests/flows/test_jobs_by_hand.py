"""What people do with the work of a hub that does it: let it stand still, end it, begin it anew."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub_process import HubProcess
from tests.support.receiver import receiving, silent
from tests.support.rest import call, merchant_of, new_key

PHONE = "+263771234567"
PATIENCE = 60.0


class Desk:
    """A merchant's desk."""

    def __init__(self, hub: HubProcess, key: str) -> None:
        self.hub = hub
        self._key = key

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The body of a request that succeeds."""
        answer = await call(
            self.hub, method, f"/api{path}", body, key=self._key, query=query, deadline=PATIENCE
        )
        assert answer.status < 300, answer.body
        return answer.json()

    async def queue(self, name: str) -> Any:
        found = (await self.ask("GET", "/queues"))["queues"]
        return next(each for each in found if each["name"] == name)

    async def parts(self, job_id: str) -> Any:
        return (await self.ask("GET", f"/jobs/{job_id}"))["parts"]

    async def order(self) -> str:
        """An order that is to be brought on its way; the id of its job."""
        product = {"name": "Tea", "price": 250, "currency": "USD", "stock": 10}
        made = (await self.ask("POST", "/products", product))["product"]
        item = {"product_id": made["id"], "quantity": 1}
        order = (await self.ask("POST", "/orders", {"customer_phone": PHONE, "items": [item]}))[
            "order"
        ]
        return f"order-{order['id']}"


async def until(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Wait until something is as it is to be."""
    async with asyncio.timeout(PATIENCE):
        while await look() != wanted:
            await asyncio.sleep(0.05)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = {
        "HUB_WORKERS": "order_processing,message_sending,webhook_delivery",
        "HUB_WEBHOOK_ALLOW": "127.0.0.1", "HUB_RATE_LIMIT": "off",
    }  # fmt: skip
    async with HubProcess(tmp_path, settings) as hub:
        merchant_id = await merchant_of(hub, hub.admin_key)
        yield Desk(hub, (await new_key(hub, hub.admin_key, "merchant", merchant_id))[0])


async def test_a_queue_stands_still_and_goes_on(desk: Desk) -> None:
    await until(lambda: _workers(desk, "order_processing"), 1)
    await desk.ask("POST", "/queues/order_processing/pause", {})
    job_id = await desk.order()

    async def state() -> str:
        return str((await desk.ask("GET", f"/jobs/{job_id}/status"))["state"])

    for _ in range(10):
        assert await state() == "queued"
        await asyncio.sleep(0.1)
    stands = await desk.queue("order_processing")
    assert (stands["waiting"], stands["paused_for"], stands["active"]) == (1, "one", 0)
    await desk.ask("POST", "/queues/order_processing/resume", {})
    async with asyncio.timeout(5):  # it is not the next look of somebody that finds it
        await until(state, "succeeded")
    assert (await desk.queue("order_processing"))["completed"] == 1
    text = (await call(desk.hub, "GET", "/metrics")).body.decode()
    made = r'hub_job_attempts_total\{outcome="succeeded",queue="order_processing"\} 1\.0'
    assert re.search(made, text), text
    assert 'hub_jobs{queue="order_processing",state="succeeded"} 1.0' in text
    assert 'hub_queue_workers{queue="message_sending"} 1.0' in text


async def _workers(desk: Desk, name: str) -> int:
    return int((await desk.queue(name))["workers"])


async def test_what_a_worker_performs_is_ended_and_begun_anew(desk: Desk) -> None:
    async with receiving(silent) as receiver:
        hook = {"url": receiver.url(), "event_types": ["product_*"]}
        hook_id = (await desk.ask("POST", "/webhooks", hook))["webhook"]["id"]
        job_id = (await desk.ask("POST", f"/webhooks/{hook_id}/test", {}))["delivery"]["id"]
        await receiver.wait_for(1)

        async def state() -> str:
            return str((await desk.ask("GET", f"/jobs/{job_id}/status"))["state"])

        assert await state() == "running"
        # An attempt takes 10 s where nobody answers; it is not waited for.
        async with asyncio.timeout(5):
            said = (await desk.ask("POST", f"/jobs/{job_id}/cancel", {}))["job"]
            assert (said["state"], said["cancelling"]) == ("running", True)
            await until(state, "cancelled")
        await desk.ask("POST", f"/jobs/{job_id}/retry", {})
        await receiver.wait_for(2)
        await desk.ask("POST", "/jobs/cancel", {"ids": [job_id]})
        async with asyncio.timeout(5):
            await until(state, "cancelled")
        logs = (await desk.ask("GET", f"/webhooks/{hook_id}/logs"))["logs"]
        assert [(each["attempt"], each["status"]) for each in logs] == [(2, "dead"), (1, "dead")]


async def test_a_bulk_send_is_ended_and_begun_anew(desk: Desk) -> None:
    recipients = [{"to": f"+26377{number:07}"} for number in range(1200)]
    body = {
        "template": "order_status", "recipients": recipients,
        "variables": {"order_id": "1", "status": "ready", "delivery_date": "today"},
    }  # fmt: skip
    job_id = (await desk.ask("POST", "/messages/bulk", body))["job"]["id"]
    # No bot is there: all of them wait for one.
    await until(lambda: desk.parts(job_id), {"queued": 1200})
    assert (await desk.queue("message_sending"))["awaiting_bot"] == 1200
    await desk.ask("POST", f"/jobs/{job_id}/cancel", {})
    assert await desk.parts(job_id) == {"cancelled": 1200}
    await desk.ask("POST", f"/jobs/{job_id}/retry", {})
    # A worker prepares each once more.
    assert sum((await desk.parts(job_id)).values()) == 1200
    await until(lambda: _awaiting(desk), 1200)
    said = await desk.ask("POST", "/jobs/cancel", {"parent_id": job_id})
    assert (said["count"], said["left"]) == (1200, 0)

    async def state() -> str:
        return str((await desk.ask("GET", f"/jobs/{job_id}/status"))["state"])

    # None of its parts is open any more: it ends by itself.
    await until(state, "succeeded")
    result = (await desk.ask("GET", f"/jobs/{job_id}"))["job"]["result"]
    assert (result["total"], result["sent"], result["cancelled"]) == (1200, 0, 1200)
    said = await desk.ask("POST", "/jobs/discard", {"name": "bulk"})
    assert (said["count"], said["left"]) == (1, 0)
    assert (await desk.ask("GET", "/jobs"))["jobs"] == []


async def _awaiting(desk: Desk) -> int:
    return int((await desk.queue("message_sending"))["awaiting_bot"])
