"""From a change of a shop to other systems: at least once with one id, or visibly dead."""

import asyncio
import json
import random
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from tests.support import receiver as behaviours
from tests.support.hub_process import HubProcess
from tests.support.receiver import Behaviour, Receiver, answering, in_turn, receiving
from tests.support.rest import call, merchant_of

DELIVERING = {
    "HUB_WORKERS": "webhook_delivery",
    "HUB_WEBHOOK_ALLOW": "127.0.0.1",
    "HUB_WEBHOOK_SCHEDULE": "1s,1s",
}


class Merchant:
    """Somebody who sells, and wants to hear of it."""

    def __init__(self, hub: HubProcess, merchant_id: str) -> None:
        self._hub = hub
        self._id = merchant_id

    async def ask(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        answer = await call(
            self._hub, method, f"/api{path}", body, key=self._hub.admin_key, query=query
        )
        assert answer.status < 300, answer.body
        return answer.json()

    async def hook(self, url: str, *types: str) -> tuple[str, str]:
        """A webhook; its id and its secret."""
        body = {"url": url, "event_types": types or ("product_*",), "merchant_id": self._id}
        said = await self.ask("POST", "/webhooks", body)
        return said["webhook"]["id"], said["secret"]

    async def sell(self, number: int) -> None:
        """Make a product, however often the hub dies meanwhile."""
        body = {"name": f"p{number}", "price": 1, "currency": "USD", "merchant_id": self._id}
        headers = {"Idempotency-Key": f"p{number}"}
        while True:
            with suppress(OSError, TimeoutError):
                answer = await call(
                    self._hub, "POST", "/api/products", body, key=self._hub.admin_key,
                    headers=headers, deadline=5.0,
                )  # fmt: skip
                if answer.status == 201:
                    return
            await asyncio.sleep(0.05)

    async def logs(self, hook: str, **query: object) -> list[dict[str, Any]]:
        """The attempts to call a webhook, the first one first."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self.ask("GET", f"/webhooks/{hook}/logs", **query)
            found += page["logs"]
            if page["next"] is None:
                return found[::-1]
            query["after"] = page["next"]

    async def ended(self, hook: str, count: int, within: float = 60.0) -> dict[str, list[Any]]:
        """The attempts by delivery, once so many deliveries have ended."""
        async with asyncio.timeout(within):
            while True:
                deliveries = defaultdict(list)
                for attempt in await self.logs(hook):
                    deliveries[attempt["delivery_id"]].append(attempt)
                last = [attempts[-1]["status"] for attempts in deliveries.values()]
                if len([status for status in last if status in ("success", "dead")]) >= count:
                    return deliveries
                await asyncio.sleep(0.1)


async def selling(hub: HubProcess) -> Merchant:
    return Merchant(hub, await merchant_of(hub, hub.admin_key))


async def test_from_a_change_to_a_receiver(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, DELIVERING) as hub, receiving() as receiver:
        merchant = await selling(hub)
        hook, secret = await merchant.hook(receiver.url())
        begun = time.monotonic()
        await merchant.sell(1)
        await receiver.wait_for(1)
        assert time.monotonic() - begun < 5.0
        [request] = receiver.received
        event = Verifier(secret).verify(request.body, request.headers)
        assert (event["type"], event["data"]["name"]) == ("product_created", "p1")
        [[attempt]] = (await merchant.ended(hook, 1)).values()
        assert (attempt["status"], attempt["response_body"]) == ("success", "ok")
        assert request.headers["webhook-id"] == attempt["delivery_id"]

        tried = await merchant.ask("POST", f"/webhooks/{hook}/test")
        await receiver.wait_for(2)
        assert receiver.received[1].headers["webhook-id"] == tried["delivery"]["id"]
        again = {"delivery_id": attempt["delivery_id"]}
        await merchant.ended(hook, 2)
        await merchant.ask("POST", f"/webhooks/{hook}/replay", again)
        await receiver.wait_for(3)
        assert receiver.received[2].body == request.body
        assert receiver.received[2].headers["webhook-id"] == attempt["delivery_id"]

        renewed = (await merchant.ask("POST", f"/webhooks/{hook}/rotate"))["secret"]
        await merchant.sell(2)
        await receiver.wait_for(4)
        for good in (secret, renewed):
            Verifier(good).verify(receiver.received[3].body, receiver.received[3].headers)
        counted = (await call(hub, "GET", "/metrics")).body.decode()
        assert 'hub_webhook_attempts_total{outcome="success"} 4.0' in counted
        assert "hub_webhook_backlog_events 0.0" in counted
        shown = (await merchant.ask("GET", f"/webhooks/{hook}"))["webhook"]
        assert (shown["failing_since"], shown["last_success_at"] is None) == (None, False)


@pytest.mark.slow
async def test_receivers_of_every_kind(tmp_path: Path) -> None:
    kinds: dict[str, tuple[Behaviour, str, int]] = {
        "flaky": (in_turn(answering(500), answering(503), answering()), "success", 3),
        "slow": (_late, "success", 1),
        "redirecting": (answering(307, Location="http://127.0.0.1:1/"), "dead", 3),
        "dripping": (behaviours.dripping_body, "dead", 3),
        "silent": (behaviours.silent, "dead", 3),
        "gone": (answering(410), "dead", 1),
        "well": (answering(), "success", 1),
    }
    async with HubProcess(tmp_path, DELIVERING) as hub:
        merchant = await selling(hub)

        async def one(behave: Behaviour, status: str, attempts: int) -> None:
            async with receiving(behave) as receiver:
                hook, _ = await merchant.hook(receiver.url(), "custom_x", "product_created")
                ready.append(hook)
                await sold.wait()
                [(delivery, made)] = (await merchant.ended(hook, 1, within=140.0)).items()
                assert [a["status"] for a in made] == ["failed"] * (attempts - 1) + [status]
                assert {r.headers["webhook-id"] for r in receiver.received} == {delivery}
                assert len({r.headers["webhook-timestamp"] for r in receiver.received}) > 1 or (
                    attempts == 1
                )
                if status == "dead":
                    assert made[-1]["error_message"]

        ready: list[str] = []
        sold = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for kind in kinds.values():
                group.create_task(one(*kind))
            while len(ready) < len(kinds):
                await asyncio.sleep(0.05)
            await merchant.sell(1)
            sold.set()
        told = await merchant.ask("GET", "/events", types="webhook_failed,webhook_disabled")
        types = [event["type"] for event in told["events"]]
        assert types.count("webhook_failed") == 4
        assert types.count("webhook_disabled") == 1


async def _late(writer: behaviours.Writer, request: behaviours.Received) -> None:
    await asyncio.sleep(1.5)
    await answering()(writer, request)


@pytest.mark.slow
async def test_the_hub_is_killed_between_commit_and_delivery(tmp_path: Path) -> None:
    """Whatever was acknowledged reaches the receiver: at least once, and always under one id."""
    events, kills = 60, 4
    rng = random.Random(7)
    async with HubProcess(tmp_path, DELIVERING) as hub, receiving() as receiver:
        merchant = await selling(hub)
        hook, secret = await merchant.hook(receiver.url())
        sold = asyncio.create_task(_sell_all(merchant, events))
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(0.2, 1.0))
            await hub.kill()
            await hub.start()
        await sold
        deliveries = await merchant.ended(hook, events, within=100.0)
        assert len(deliveries) == events
        assert all(attempts[-1]["status"] == "success" for attempts in deliveries.values())
        ids = _ids_by_event(receiver, secret)
        assert len(ids) == events
        assert all(len(known) == 1 for known in ids.values()), "one id, however often it came"


async def _sell_all(merchant: Merchant, count: int) -> None:
    for number in range(count):
        await merchant.sell(number)
        await asyncio.sleep(0.03)


def _ids_by_event(receiver: Receiver, secret: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for request in receiver.received:
        Verifier(secret).verify(request.body, request.headers)
        found[json.loads(request.body)["data"]["name"]].add(request.headers["webhook-id"])
    return found
