"""The queues by both doors: their numbers, and letting one stand still."""

from typing import Any

import pytest
from msgspec import structs

from hub.protocol.times import format_ms
from jobs.context import WriteScope
from storage import jobs, work
from storage.merchant_records import Job
from storage.scope import HUB
from tests.commands.shop import Body, Shop
from tests.gateway.calling import result
from tests.storage import samples
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines


def now_ms(shop: Shop) -> int:
    return shop.hub.services.started.at_ms


def ago(shop: Shop, seconds: float) -> str:
    return format_ms(now_ms(shop) - int(seconds * 1000))


async def add(shop: Shop, **changes: Any) -> Job:
    row = samples.job(**{"merchant_id": shop.hub.merchant_id, "id": samples.new_id()} | changes)
    await shop.hub.database.write(lambda tx: jobs.insert(tx, row), HUB)
    return row


async def queue(shop: Shop, name: str = "message_sending", **more: Any) -> Body:
    """The numbers of one queue."""
    said = await shop.done("GET", "/queues", **more)
    assert [each["name"] for each in said["queues"]] == [
        "media_processing", "message_sending", "order_processing", "webhook_delivery",
    ]  # fmt: skip
    [found] = [each for each in said["queues"] if each["name"] == name]
    return dict(found)


async def test_an_idle_hub(shop: Shop) -> None:
    said = await shop.done("GET", "/queues")
    assert said["broker"]["state"] == "none"
    found = await queue(shop)
    counted = (
        "waiting", "awaiting_bot", "active", "at_bot", "delayed", "failed", "completed", "dead",
        "cancelled", "per_minute", "workers",
    )  # fmt: skip
    assert {name: found[name] for name in counted} == dict.fromkeys(counted, 0)
    for name in ("oldest_seconds", "p95_ms", "failed_rate", "paused_for"):
        assert found[name] is None
    assert (found["paused"], found["concurrency"]) == (False, 5)


async def test_the_numbers_of_a_merchant_and_of_all(shop: Shop) -> None:
    for state in ("scheduled", "retrying", "running", "cancelled"):
        await add(shop, state=state, run_at=ago(shop, 500))
    await add(shop, run_at=ago(shop, 60))
    await add(shop, awaits="bot", run_at=ago(shop, 30))
    await add(shop, awaits="bot", state="running", worker="w")
    for number in range(100):
        await add(
            shop, state="succeeded", started_at=ago(shop, 10 + number / 100),
            finished_at=ago(shop, 10),
        )  # fmt: skip
    await add(shop, state="dead", started_at=ago(shop, 300), finished_at=ago(shop, 300))
    await add(shop, merchant_id=shop.hub.other_merchant, run_at=ago(shop, 120))
    own = await queue(shop)
    wanted = {
        "waiting": 2, "awaiting_bot": 1, "active": 2, "at_bot": 1, "delayed": 2, "failed": 1,
        "completed": 100, "dead": 1, "cancelled": 1, "per_minute": 100, "p95_ms": 940,
    }  # fmt: skip
    assert {name: own[name] for name in wanted} == wanted
    assert own["failed_rate"] == round(1 / 101, 4)
    assert 60 <= own["oldest_seconds"] < 90
    every = await queue(shop, who="admin")
    assert (every["waiting"], 120 <= every["oldest_seconds"] < 150) == (3, True)
    narrowed = await queue(shop, who="admin", merchant_id=shop.hub.other_merchant)
    assert (narrowed["waiting"], narrowed["completed"]) == (1, 0)
    other = await queue(shop, who="reader")
    assert (other["waiting"], other["dead"]) == (1, 0)
    await shop.refused(403, "GET", "/queues", who="bot")


async def test_what_all_merchants_have_is_kept_for_a_second(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await queue(shop, who="admin"))["waiting"] == 0
    await add(shop)
    monkeypatch.setattr("hub.workload.KEPT_SECONDS", 3600.0)
    assert (await queue(shop, who="admin"))["waiting"] == 0
    assert (await queue(shop))["waiting"] == 1, "a merchant's own is as it is"
    monkeypatch.setattr("hub.workload.KEPT_SECONDS", 0.0)
    assert (await queue(shop, who="admin"))["waiting"] == 1


async def test_live_workers_are_counted(shop: Shop) -> None:
    soon = format_ms(now_ms(shop) + 60_000)
    lives = structs.replace(samples.worker(), id="w-lives", seen_at=soon)
    rows = [
        lives,
        structs.replace(lives, id="w-silent", seen_at=ago(shop, 60)),
        structs.replace(lives, id="w-bots", kind="bots"),
    ]

    async def enter(scope: WriteScope) -> None:
        for row in rows:
            await work.enter(scope.tx, row)

    await shop.hub.services.log.commit(enter, HUB)
    assert (await queue(shop))["workers"] == 1
    assert (await queue(shop, "order_processing"))["workers"] == 0


async def test_a_merchants_queue_stands_still_and_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []
    monkeypatch.setattr(shop.hub.services.queues, "look_again", lambda: looked.append(True))
    path = "/queues/message_sending"
    said = (await shop.done("POST", f"{path}/pause", {}))["queue"]
    assert said == {"name": "message_sending", "paused": True, "paused_for": "one"}
    again = (await shop.done("POST", f"{path}/pause", {}))["queue"]
    assert again == said
    assert (await queue(shop))["paused_for"] == "one"
    assert (await queue(shop, "order_processing"))["paused"] is False
    assert (await queue(shop, who="owner"))["paused"] is False
    assert (await queue(shop, who="admin"))["paused"] is False, "it is not everybody's"
    said = (await shop.done("POST", f"{path}/resume", {}))["queue"]
    assert said == {"name": "message_sending", "paused": False, "paused_for": None}
    assert (await queue(shop))["paused"] is False
    assert len(looked) == 3
    assert await shop.refused(422, "POST", "/queues/lost/pause", {}) == ["/name"]
    for who in ("viewer", "bot"):
        await shop.refused(403, "POST", f"{path}/pause", {}, who=who)


async def test_an_administrator_lets_everybodys_stand_still(shop: Shop) -> None:
    path = "/queues/order_processing"
    said = (await shop.done("POST", f"{path}/pause", {}, who="admin"))["queue"]
    assert said["paused_for"] == "everybody"
    for who in ("merchant", "owner", "admin"):
        assert (await queue(shop, "order_processing", who=who))["paused_for"] == "everybody"
    # A merchant cannot lift what is not its own.
    said = (await shop.done("POST", f"{path}/resume", {}))["queue"]
    assert (said["paused"], said["paused_for"]) == (True, "everybody")
    assert (await queue(shop, "order_processing"))["paused"] is True
    own = {"merchant_id": shop.hub.merchant_id}
    await shop.done("POST", f"{path}/pause", own, who="admin")
    said = (await shop.done("POST", f"{path}/resume", {}, who="admin"))["queue"]
    assert said["paused"] is False
    assert (await queue(shop, "order_processing"))["paused_for"] == "one"
    assert (await queue(shop, "order_processing", who="owner"))["paused"] is False


async def test_jobs_of_a_queue_that_stands_still_are_not_claimed(shop: Shop) -> None:
    job = await add(shop)
    theirs = await add(shop, merchant_id=shop.hub.other_merchant)
    keys = [(row.merchant_id, row.id) for row in (job, theirs)]

    async def claimed() -> set[str]:
        async def claim(scope: WriteScope) -> set[str]:
            found = await jobs.claim(scope.tx, keys, "w1", ago(shop, 0))
            return {each.id for each in found}

        return (await shop.hub.services.log.commit(claim, HUB)).result

    async with connect(shop.hub, shop.hub.keys["merchant"]) as socket:
        await result(socket, "queues.pause", {"name": "message_sending"})
        assert await claimed() == {theirs.id}
        assert (await queue(shop))["waiting"] == 1, "they stay queued, and are seen"
        await result(socket, "queues.resume", {"name": "message_sending"})
    assert await claimed() == {job.id}
