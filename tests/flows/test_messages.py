"""What a bot tells of messages is there to be read, by either door, once, whatever happens."""

import asyncio
from typing import Any

from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of, new_key, new_merchant
from tests.support.ws import Frame, Socket, connect

NOW = 1_795_341_000


def received(number: int, phone: str, **more: Any) -> Frame:
    data = {"messageId": f"in-{number}", "fromPhone": phone, "text": f"t{number}", "timestamp": NOW}
    return {"type": "message_received", "id": f"e-{number}", "data": data | more}


def sent(number: int, phone: str) -> Frame:
    data = {"messageId": f"out-{number}", "toPhone": phone, "text": f"s{number}"}
    return {"type": "message_sent", "id": f"s-{number}", "data": data}


async def published(socket: Socket, *frames: Frame) -> list[Frame]:
    for frame in frames:
        await socket.send(frame)
    return await socket.take(len(frames), type="ack", deadline=20)


async def asked(socket: Socket, method: str, **params: object) -> dict[str, Any]:
    """The result of a call."""
    await socket.send({"type": "call", "method": method, "params": params})
    result: dict[str, Any] = (await socket.next(type="reply"))["result"]
    return result


async def test_a_conversation_is_read_by_both_doors(hub: HubProcess) -> None:
    merchant_id = await merchant_of(hub, hub.admin_key)
    viewer, _ = await new_key(hub, hub.admin_key, "viewer", merchant_id)
    async with connect(hub, hub.bot_key) as bot:
        await published(
            bot,
            received(1, "263771@s.whatsapp.net"),
            received(2, "+263772"),
            sent(1, "263771"),
            {"type": "message_read", "data": {"messageId": "out-1"}},
        )
        conversations = await asked(bot, "conversations.list")
        assert conversations["count"] == 2
        shown = conversations["conversations"]
        assert [(c["phone"], c["text"], c["status"], c["count"]) for c in shown] == [
            ("263771", "s1", "read", 2), ("263772", "t2", "received", 1),
        ]  # fmt: skip
        assert shown[1]["at"] == "2026-11-22T09:50:00.000Z"
        by_call = await asked(bot, "conversations.get", phone="+263771")
    assert [m["text"] for m in by_call["messages"]] == ["s1", "t1"], "newest first"
    for written in ("263771", "%2B263771", "263771%40s.whatsapp.net"):
        answer = await call(hub, "GET", f"/api/conversations/{written}", key=viewer)
        assert answer.status == 200, answer.body
        by_rest = answer.json()
        assert by_rest["messages"] == by_call["messages"]
        assert (by_rest["success"], by_rest["count"], by_rest["next"]) == (True, 2, None)
    [first] = (await call(hub, "GET", "/api/messages?direction=inbound&phone=263771", key=viewer)
               ).json()["messages"]  # fmt: skip
    one = await call(hub, "GET", f"/api/messages/{first['id']}", key=viewer)
    assert one.json()["message"] == first
    assert one.headers["etag"] == '"1"'
    audit = await call(hub, "GET", "/api/audit?target_type=message", key=hub.admin_key)
    told = [(row["action"], row["actor"]["role"]) for row in audit.json()["audit"]]
    assert told.count(("CREATE", "bot")) == 3
    assert {role for _, role in told} == {"bot"}


async def test_published_over_http_is_the_same(hub: HubProcess) -> None:
    events = [received(1, "263771"), received(2, "263771"), received(1, "263771")]
    answer = await call(hub, "POST", "/api/events", events, key=hub.bot_key)
    assert [e["duplicate"] for e in answer.json()["events"]] == [False, False, True]
    found = (await call(hub, "GET", "/api/conversations/263771", key=hub.bot_key)).json()
    assert [m["event_id"] for m in found["messages"]] == ["e-2", "e-1"]


async def test_a_crash_and_a_repeat_store_each_message_once(hub: HubProcess) -> None:
    """The hub is killed while a bot publishes; the bot sends all of it again."""
    frames = [received(number, f"26377{number % 5}") for number in range(150)]
    async with connect(hub, hub.bot_key) as bot:
        await published(bot, *frames[:20])
        for frame in frames[20:120]:
            await bot.send(frame)
        await hub.kill()
    await hub.start()
    async with connect(hub, hub.bot_key) as bot:
        acks = await published(bot, *frames)
        assert {ack["duplicate"] for ack in acks[:20]} == {True}
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await asked(bot, "messages.list", after=after, limit=70)
            found += page["messages"]
            if page["next"] is None:
                break
            after = page["next"]
        talks = (await asked(bot, "conversations.list"))["conversations"]
    assert [m["event_id"] for m in found[::-1]] == [frame["id"] for frame in frames]
    assert {(talk["phone"], talk["count"]) for talk in talks} == {
        (f"26377{n}", 30) for n in range(5)
    }


async def test_merchants_see_nothing_of_each_other(hub: HubProcess) -> None:
    one = await merchant_of(hub, hub.admin_key)
    two = await new_merchant(hub, hub.admin_key, "two")
    other, _ = await new_key(hub, hub.admin_key, "bot", two)
    async with connect(hub, hub.bot_key) as bot, connect(hub, other) as foreign:
        # The same ids and numbers, at once.
        await asyncio.gather(
            published(bot, received(1, "263771"), sent(1, "263772")),
            published(foreign, received(1, "263771", text="theirs")),
        )
        await published(foreign, {"type": "message_read", "data": {"messageId": "out-1"}})
        mine = await asked(bot, "messages.list")
        theirs = await asked(foreign, "messages.list")
        assert [m["status"] for m in mine["messages"]] == ["sent", "received"]
        assert [m["text"] for m in theirs["messages"]] == ["theirs"]
        [talk] = (await asked(foreign, "conversations.list"))["conversations"]
        assert (talk["text"], talk["count"]) == ("theirs", 1)
    id_ = theirs["messages"][0]["id"]
    for path, status in [
        (f"/api/messages/{id_}", 404), ("/api/conversations/263773", 404),
        (f"/api/conversations/263771?merchant_id={two}", 403),
        (f"/api/messages?merchant_id={two}", 403),
    ]:  # fmt: skip
        assert (await call(hub, "GET", path, key=hub.bot_key)).status == status, path
    # An admin says whose conversations; a message's id says it by itself.
    assert (await call(hub, "GET", f"/api/messages/{id_}", key=hub.admin_key)).status == 200
    assert (await call(hub, "GET", "/api/messages", key=hub.admin_key)).json()["count"] == 3
    for path in ("/api/conversations", "/api/conversations/263771"):
        assert (await call(hub, "GET", path, key=hub.admin_key)).status == 422
        answer = await call(hub, "GET", path, key=hub.admin_key, query={"merchant_id": one})
        assert answer.status == 200
        assert "theirs" not in answer.body.decode()
