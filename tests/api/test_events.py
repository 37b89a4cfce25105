"""`/api/events`: publishing one event or a list, and paging through the log."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.conftest import World, check_problem, pointers
from tests.support.rest import call, merchant_of, new_key, new_merchant, paged
from tests.support.ws import connect

Event = dict[str, Any]


def tick(n: int = 0, **more: Any) -> Event:
    return {"type": "custom_tick", "data": {"n": n}} | more


async def page(world: World, key: str, **query: object) -> dict[str, Any]:
    answer = await call(world.hub, "GET", "/api/events", key=key, query=query)
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    assert found.keys() == {"success", "events", "epoch", "offset", "next", "gap"}
    assert found["success"] is True
    return found


# ── publishing ───────────────────────────────────────────────────────────────────────────────


async def test_one_event_is_acknowledged_stored_and_seen(world: World) -> None:
    async with connect(world.hub, world.keys["viewer"]) as dashboard:
        await dashboard.next(type="live")
        event = tick(7, id="one-7", subject="chat/1", timestamp="2026-01-02T03:04:05+01:00")
        answer = await call(world.hub, "POST", "/api/events", event, key=world.keys["bot"])
        assert answer.status == 201
        ack = answer.json()
        assert ack["success"] is True
        assert (ack["id"], ack["duplicate"]) == ("one-7", False)
        seen = await dashboard.next(type="custom_tick")
    assert seen == {
        "type": "custom_tick", "id": "one-7", "offset": ack["offset"], "merchant_id": world.one,
        "timestamp": "2026-01-02T02:04:05.000Z", "source": "bot:bot", "subject": "chat/1",
        "data": {"n": 7},
    }  # fmt: skip
    [stored] = (await page(world, world.keys["viewer"], since=ack["offset"] - 1))["events"]
    assert stored == seen
    answer = await call(world.hub, "POST", "/api/events", event, key=world.keys["bot"])
    assert answer.json() == ack | {"duplicate": True}


async def test_without_an_id_the_hub_makes_one(world: World) -> None:
    ids = set()
    for _ in range(3):
        answer = await call(world.hub, "POST", "/api/events", tick(), key=world.keys["bot"])
        ids.add(answer.json()["id"])
    assert len(ids) == 3
    assert all(id_[14] == "7" and len(id_) == 36 for id_ in ids)


async def test_a_list_is_answered_line_by_line(world: World) -> None:
    events: list[Any] = [
        tick(1, id="l-1"),
        tick(2, id="l-1"),
        {"type": "order_created", "id": "l-2", "data": {"orderId": "o"}},
        "nonsense",
        tick(3),
        {"type": "nonsense_type", "data": {}},
        {"type": "template_created", "data": {}},
        tick(1, id="l-1"),
        tick(4, merchant_id=world.two),
        tick(5, id="l-3", merchant_id=world.one),
    ]
    answer = await call(world.hub, "POST", "/api/events", events, key=world.keys["bot"])
    assert answer.status == 201
    lines = answer.json()["events"]
    assert [line["error"]["code"] if "error" in line else "ok" for line in lines] == [
        "ok", "conflict", "invalid_event", "invalid_event", "ok", "unknown_type", "forbidden",
        "ok", "forbidden", "ok",
    ]  # fmt: skip
    assert [line["id"] for line in lines if "error" not in line][0::2] == ["l-1", "l-1"]
    assert (lines[7]["offset"], lines[7]["duplicate"]) == (lines[0]["offset"], True)
    assert [e["pointer"] for e in lines[2]["error"]["errors"]] == [
        "/data/customerId", "/data/items", "/data/totalAmount",
    ]  # fmt: skip
    assert "custom_*" in lines[5]["error"]["message"]


async def test_an_empty_list_is_answered_by_one(world: World) -> None:
    answer = await call(world.hub, "POST", "/api/events", [], key=world.keys["bot"])
    assert (answer.status, answer.json()["events"]) == (201, [])


@pytest.mark.parametrize("body", [None, 1, "x", True])
async def test_what_is_no_event(world: World, body: object) -> None:
    answer = await call(
        world.hub, "POST", "/api/events", raw=json.dumps(body).encode(), key=world.keys["bot"]
    )
    check_problem(answer, 422, "invalid_event")


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({"data": {}}, "/type"),
        ({"type": "custom_a"}, "/data"),
        ({"type": "custom_a", "data": []}, "/data"),
        ({"type": "custom_a", "data": None}, "/data"),
        ({"type": 1, "data": {}}, "/type"),
        ({"type": "custom_a", "data": {}, "id": 5}, "/id"),
        ({"type": "custom_a", "data": {}, "id": ""}, "/id"),
        ({"type": "custom_a", "data": {}, "id": "a b"}, "/id"),
        ({"type": "custom_a", "data": {}, "id": "é"}, "/id"),
        ({"type": "custom_a", "data": {}, "id": "x" * 129}, "/id"),
        ({"type": "custom_a", "data": {}, "subject": ""}, "/subject"),
        ({"type": "custom_a", "data": {}, "subject": "x" * 257}, "/subject"),
        ({"type": "custom_a", "data": {}, "timestamp": "yesterday"}, "/timestamp"),
        ({"type": "custom_a", "data": {}, "timestamp": "2026-13-01T00:00:00Z"}, "/timestamp"),
        ({"type": "custom_", "data": {}}, "/type"),
        ({"type": "custom_ä", "data": {}}, "/type"),
        ({"type": "custom_" + "x" * 122, "data": {}}, "/type"),
        ({"type": "message_sent", "data": {"messageId": "m", "toPhone": "1"}}, "/data/text"),
        (
            {"type": "message_sent", "data": {"messageId": "m", "toPhone": 1, "text": "t"}},
            "/data/toPhone",
        ),
    ],
)
async def test_an_event_that_does_not_fit_names_the_field(
    world: World, event: Event, named: str
) -> None:
    answer = await call(world.hub, "POST", "/api/events", event, key=world.keys["bot"])
    assert named in pointers(check_problem(answer, 422, "invalid_event"))


async def test_an_unknown_type_is_answered_by_what_is_known(world: World) -> None:
    for type_ in ("order_vanished", "nonsense", "Custom_a"):
        answer = await call(
            world.hub, "POST", "/api/events", {"type": type_, "data": {}}, key=world.keys["bot"]
        )
        problem = check_problem(answer, 422, "unknown_type")
        for known in ("order_created", "message_received", "bot_disconnected", "custom_*"):
            assert known in str(problem["detail"])


@pytest.mark.parametrize("role", ["admin", "merchant", "bot"])
async def test_who_may_publish(world: World, role: str) -> None:
    event = tick(merchant_id=world.one)
    answer = await call(world.hub, "POST", "/api/events", event, key=world.keys[role])
    assert answer.status == 201


async def test_who_may_not(world: World) -> None:
    for role, event in (
        ("viewer", tick()),
        ("merchant", tick(merchant_id=world.two)),
        ("bot", tick(merchant_id=world.two)),
        ("bot", tick(merchant_id="none")),
        ("bot", {"type": "key_revoked", "data": {}}),
        ("admin", {"type": "job_queued", "data": {}, "merchant_id": world.one}),
    ):
        answer = await call(world.hub, "POST", "/api/events", event, key=world.keys[role])
        check_problem(answer, 403, "forbidden")
    for event in (tick(), tick(merchant_id="none")):
        answer = await call(world.hub, "POST", "/api/events", event, key=world.keys["admin"])
        assert pointers(check_problem(answer, 422, "invalid_params")) == ["/merchant_id"]


async def test_a_volatile_event_is_seen_and_not_stored(world: World) -> None:
    before = (await page(world, world.keys["viewer"], limit=1))["offset"]
    async with connect(world.hub, world.keys["viewer"]) as dashboard:
        await dashboard.next(type="live")
        answer = await call(
            world.hub, "POST", "/api/events", tick(1, volatile=True), key=world.keys["bot"]
        )
        assert (answer.status, answer.json()["offset"]) == (201, None)
        seen = await dashboard.next(type="custom_tick")
    assert seen["volatile"] is True
    assert "offset" not in seen
    after = await page(world, world.keys["viewer"], since=before)
    assert seen["id"] not in [event["id"] for event in after["events"]]


# ── paging ───────────────────────────────────────────────────────────────────────────────────


async def test_paging_by_next_meets_every_event_once(world: World) -> None:
    merchant = await new_merchant(world.hub, world.keys["admin"], "paged")
    bot, _ = await new_key(world.hub, world.keys["admin"], "bot", merchant)
    sent: list[Event] = [
        {
            "type": ("custom_a", "custom_b", "message_read")[n % 3],
            "id": f"p-{n}",
            "subject": f"s/{n % 4}",
            "data": {},
        }
        for n in range(333)
    ]
    answer = await call(world.hub, "POST", "/api/events", sent, key=bot)
    assert answer.status == 201

    async def ids(**query: object) -> list[str]:
        # A key may make 100 requests; each walk through the log has one of its own.
        reader, _ = await new_key(world.hub, world.keys["admin"], "viewer", merchant)
        return [e["id"] for e in await paged(world.hub, reader, **query) if e["id"][:2] == "p-"]

    def where(keep: Any) -> list[str]:
        return [str(e["id"]) for e in sent if keep(e)]

    for limit in (1, 7, 100, 1000):
        if limit > 1:
            assert await ids(limit=limit) == where(lambda e: True)
        assert await ids(limit=limit, types="custom_a", subjects="s/0") == where(
            lambda e: e["type"] == "custom_a" and e["subject"] == "s/0"
        )
    assert await ids(limit=50, types="custom_*") == where(lambda e: e["type"][:7] == "custom_")
    assert await ids(limit=50, types="custom_b,message_*") == where(
        lambda e: e["type"] != "custom_a"
    )
    assert await ids(limit=50, subjects="s/1,s/3") == where(
        lambda e: e["subject"] in ("s/1", "s/3")
    )
    assert await ids(types="custom_none") == []
    # A percent-encoded list is the same list.
    answer = await call(world.hub, "GET", "/api/events?types=custom%5Fa%2Ccustom_b", key=bot)
    assert {e["type"] for e in answer.json()["events"]} == {"custom_a", "custom_b"}


async def test_a_page_ends_where_its_next_begins(world: World) -> None:
    await call(
        world.hub, "POST", "/api/events", [tick(n) for n in range(10)], key=world.keys["bot"]
    )
    first = await page(world, world.keys["admin"], limit=4)
    assert first["next"] == first["events"][-1]["offset"]
    second = await page(world, world.keys["admin"], limit=4, since=first["next"])
    assert second["events"][0]["offset"] == first["next"] + 1
    end = await page(world, world.keys["admin"], since=first["offset"])
    assert (end["events"], end["next"], end["gap"]) == ([], first["offset"], None)


async def test_everyone_reads_their_own_merchant_alone(world: World) -> None:
    await call(world.hub, "POST", "/api/events", tick(1, id="of-one"), key=world.keys["bot"])
    await call(world.hub, "POST", "/api/events", tick(2, id="of-two"), key=world.keys["driver"])
    for role, merchants in (
        ("merchant", {world.one}), ("viewer", {world.one}), ("bot", {world.one}),
        ("owner", {world.two}), ("reader", {world.two}), ("driver", {world.two}),
    ):  # fmt: skip
        events = await paged(world.hub, world.keys[role], limit=1000)
        assert {event["merchant_id"] for event in events} == merchants
    everything = await paged(world.hub, world.keys["admin"], limit=1000)
    assert {world.one, world.two} <= {event["merchant_id"] for event in everything}
    narrow = await paged(world.hub, world.keys["admin"], merchant_id=world.two, limit=1000)
    assert {event["merchant_id"] for event in narrow} == {world.two}
    own = await page(world, world.keys["viewer"], merchant_id=world.one)
    assert own["events"]
    answer = await call(
        world.hub,
        "GET",
        "/api/events",
        key=world.keys["viewer"],
        query={"merchant_id": world.two},
    )
    check_problem(answer, 403, "forbidden")


async def test_a_cursor_of_another_epoch_or_beyond_the_end(world: World) -> None:
    here = await page(world, world.keys["admin"], limit=1)
    gap = {"type": "gap", "from": None, "to": None, "reason": "epoch", "resume": here["offset"]}
    for query in (
        {"since": 0, "epoch": "another"},
        {"since": here["offset"] + 1},
        {"since": here["offset"] + 1, "epoch": here["epoch"]},
    ):
        found = await page(world, world.keys["admin"], **query)
        assert (found["events"], found["gap"], found["next"]) == ([], gap, here["offset"])
    found = await page(world, world.keys["admin"], since=0, epoch=here["epoch"], limit=1)
    assert (found["gap"], len(found["events"])) == (None, 1)


async def test_a_page_and_the_stream_fit_together(world: World) -> None:
    """The state of a page, then the stream since its `offset`: nothing is missing or doubled."""
    merchant = await merchant_of(world.hub, world.keys["bot"])
    bot, _ = await new_key(world.hub, world.keys["admin"], "bot", merchant, "steady")

    async def publish() -> None:
        async with connect(world.hub, bot) as socket:
            for n in range(300):
                await socket.send(tick(n, id=f"steady-{n}"))
                await asyncio.sleep(0.001)
            await socket.take(300, type="ack")

    publishing = asyncio.create_task(publish())
    for _ in range(10):
        await asyncio.sleep(0.02)
        state = await page(world, world.keys["viewer"], limit=1)
        before = [e["id"] for e in await paged(world.hub, world.keys["viewer"], limit=1000)
                  if e["offset"] <= state["offset"] and e["id"][:7] == "steady-"]  # fmt: skip
        query = f"since={state['offset']}&epoch={state['epoch']}&types=custom_tick"
        async with connect(world.hub, world.keys["viewer"], query=query) as socket:
            following = await socket.next(type="custom_tick")
        assert before == [f"steady-{n}" for n in range(len(before))]
        assert following["id"] == f"steady-{len(before)}"
    await publishing
