"""A call that comes again is answered as the first time, and does nothing twice."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from hub.housekeeping import forget_answers
from hub.protocol.ids import uuid7
from storage import idempotency
from storage.database import Database, Transaction
from storage.merchant_records import IdempotencyKey
from storage.scope import HUB
from tests.gateway.calling import called, refusal
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.support.databases import FaultyDatabase
from tests.support.rest import Answer
from tests.support.rest import call as rest
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines


async def post(hub: LocalHub, path: str, body: Any, key: str, who: str = "admin") -> Answer:
    """A POST with an idempotency key."""
    headers = {"Idempotency-Key": key}
    return await rest(hub, "POST", path, body, key=hub.keys[who], headers=headers)


async def names(hub: LocalHub) -> list[str]:
    """The names of all merchants."""
    answer = await rest(hub, "GET", "/api/merchants", key=hub.keys["admin"])
    return [row["name"] for row in answer.json()["merchants"]]


async def test_a_repeat_is_answered_as_the_first_time(local: LocalHub) -> None:
    first = await post(local, "/api/merchants", {"name": "once"}, "k-1")
    again = await post(local, "/api/merchants", {"name": "once"}, "k-1")
    assert (first.status, again.status) == (201, 201)
    one, two = first.json(), again.json()
    assert one["merchant"] == two["merchant"]
    assert again.headers["location"] == first.headers["location"]
    # Whoever goes on from a repeat's offset misses nothing that came after the first.
    assert two["offset"] < one["offset"]
    assert (await names(local)).count("once") == 1


async def test_rest_and_call_share_their_keys(local: LocalHub) -> None:
    first = await post(local, "/api/merchants", {"name": "shared"}, "k-2")
    async with connect(local, local.keys["admin"]) as admin:
        again = await called(admin, "merchants.create", {"name": "shared"}, key="k-2")
    assert again["result"]["merchant"] == first.json()["merchant"]
    assert (await names(local)).count("shared") == 1


async def test_a_key_in_quotes_is_the_same_key(local: LocalHub) -> None:
    """The draft puts it in quotes; most clients do not."""
    first = await post(local, "/api/merchants", {"name": "quoted"}, '"k-3"')
    again = await post(local, "/api/merchants", {"name": "quoted"}, "k-3")
    assert again.json()["merchant"] == first.json()["merchant"]


async def test_another_request_under_a_known_key_is_a_conflict(local: LocalHub) -> None:
    await post(local, "/api/merchants", {"name": "mine"}, "k-4")
    other = await post(local, "/api/merchants", {"name": "another"}, "k-4")
    assert (other.status, other.json()["code"]) == (409, "conflict")
    assert "another" not in await names(local)


async def test_an_id_that_the_caller_gives_is_a_key_too(local: LocalHub) -> None:
    id_ = uuid7()
    body = {"name": "own id", "id": id_}
    first = await rest(local, "POST", "/api/merchants", body, key=local.keys["admin"])
    again = await rest(local, "POST", "/api/merchants", body, key=local.keys["admin"])
    assert (first.status, again.status) == (201, 201)
    assert first.json()["merchant"] == again.json()["merchant"]
    assert first.json()["merchant"]["id"] == id_
    taken = {"name": "same id", "id": id_}
    other = await rest(local, "POST", "/api/merchants", taken, key=local.keys["admin"])
    assert (other.status, other.json()["code"]) == (409, "conflict")


async def test_keys_of_two_merchants_and_of_two_commands_are_not_the_same(local: LocalHub) -> None:
    await local.add_key("merchant", "theirs", merchant_id=local.other_merchant)
    body = {"role": "viewer", "name": "anna"}
    ours = await post(local, "/api/keys", body, "k-5", "merchant")
    theirs = await post(local, "/api/keys", body, "k-5", "theirs")
    assert ours.json()["key"]["merchant_id"] == local.merchant_id
    assert theirs.json()["key"]["merchant_id"] == local.other_merchant
    other = await post(local, "/api/merchants", {"name": "k-5"}, "k-5")
    assert other.status == 201


async def test_many_at_once_are_one(local: LocalHub) -> None:
    answers = await asyncio.gather(
        *(post(local, "/api/merchants", {"name": "crowd"}, "k-6") for _ in range(20))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json()["merchant"]["id"] for answer in answers}) == 1
    assert (await names(local)).count("crowd") == 1


async def test_a_refused_call_leaves_its_key_free(local: LocalHub) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        error = await refusal(admin, "merchants.create", {"name": ""}, key="k-7")
        assert error["code"] == "invalid_params"
        made = await called(admin, "merchants.create", {"name": "mended"}, key="k-7")
        assert made["result"]["merchant"]["name"] == "mended"


async def test_a_commit_that_failed_leaves_its_key_free(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        async with connect(hub, hub.keys["admin"]) as admin:
            await admin.next(type="live")
            faulty.failing = 1
            error = await refusal(admin, "merchants.create", {"name": "later"}, key="k-8")
            assert (error["code"], error["retry"]) == ("unavailable", True)
            made = await called(admin, "merchants.create", {"name": "later"}, key="k-8")
            assert made["result"]["merchant"]["id"]
        assert (await names(hub)).count("later") == 1


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb"])
async def test_a_key_that_does_not_fit_is_named(local: LocalHub, key: str) -> None:
    answer = await post(local, "/api/merchants", {"name": "odd key"}, key)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_params")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/key"]
    assert "odd key" not in await names(local)


async def test_events_published_again_under_a_key_are_stored_once(local: LocalHub) -> None:
    event = {"type": "custom_a", "data": {"n": 1}}
    first = (await post(local, "/api/events", event, "k-9", "bot")).json()
    again = (await post(local, "/api/events", event, "k-9", "bot")).json()
    assert (again["id"], again["offset"]) == (first["id"], first["offset"])
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    other = await post(local, "/api/events", {"type": "custom_a", "data": {}}, "k-9", "bot")
    assert (other.status, other.json()["code"]) == (409, "conflict")
    several = [event, {**event, "id": "own"}, event]
    lines = (await post(local, "/api/events", several, "k-10", "bot")).json()["events"]
    repeated = (await post(local, "/api/events", several, "k-10", "bot")).json()["events"]
    assert [line["offset"] for line in repeated] == [line["offset"] for line in lines]
    assert all(line["duplicate"] for line in repeated)
    assert lines[1]["id"] == "own"


async def test_a_secret_is_not_kept_with_the_answer(local: LocalHub, database: Database) -> None:
    body = {"role": "viewer", "name": "secret"}
    made = (await post(local, "/api/keys", body, "k-11", "merchant")).json()

    async def kept(tx: Transaction) -> list[tuple[str]]:
        rows = await tx.fetch("SELECT response FROM idempotency_keys WHERE TRUE AND key = 'k-11'")
        return [(row[0],) for row in rows]

    [(response,)] = await database.read(kept, HUB)
    assert made["key"]["id"] in response
    assert made["token"] not in response
    assert made["token"][10:] not in response
    again = (await post(local, "/api/keys", body, "k-11", "merchant")).json()
    assert (again["key"], again["token"]) == (made["key"], None), "it is shown once"


async def test_answers_are_forgotten_after_their_day(local: LocalHub) -> None:
    await post(local, "/api/merchants", {"name": "fresh"}, "k-13")
    old = IdempotencyKey(
        merchant_id="*", method="merchants.create", key="k-12", request_hash="0" * 64,
        response={}, created_at="2026-01-01T00:00:00.000Z", expires_at="2026-01-02T00:00:00.000Z",
    )  # fmt: skip
    await local.database.write(lambda tx: idempotency.put(tx, old), HUB)

    async def known(tx: Transaction) -> list[str]:
        rows = await tx.fetch("SELECT key FROM idempotency_keys WHERE TRUE ORDER BY key")
        return [row[0] for row in rows]

    assert await local.database.read(known, HUB) == ["k-12", "k-13"]
    again = await post(local, "/api/merchants", {"name": "another"}, "k-12")
    assert again.status == 201, "it is free from then on, removed or not"
    await local.database.write(lambda tx: idempotency.put(tx, replace(old, key="k-14")), HUB)
    forgetting = asyncio.create_task(forget_answers(local.services.log))
    try:
        async with asyncio.timeout(5):
            while await local.database.read(known, HUB) != ["k-12", "k-13"]:
                await asyncio.sleep(0.01)
    finally:
        forgetting.cancel()


async def test_what_is_answered_again_is_answered_alike_to_the_last_header(local: LocalHub) -> None:
    """The order of the members tells whose version and place stand in the head."""
    body = {"name": "Tea", "price": 250, "currency": "USD"}
    first = await post(local, "/api/products", body, "again-1", who="merchant")
    again = await post(local, "/api/products", body, "again-1", who="merchant")
    assert first.status == again.status == 201
    for name in ("etag", "location"):
        assert again.headers[name] == first.headers[name]
    path = f"{first.headers['location']}/media"
    for answer in [
        await rest(
            local, "PUT", path, {"media_ids": []}, key=local.keys["merchant"],
            headers={"Idempotency-Key": "again-2"},
        )
        for _ in range(2)
    ]:  # fmt: skip
        assert answer.headers["etag"] == '"1"'
        assert list(answer.json())[:4] == ["success", "product", "media", "count"]
