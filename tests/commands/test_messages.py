"""Messages and conversations by both doors: filters, pages, and who may read whose."""

from typing import Any

import pytest

from hub.protocol.ids import uuid7
from tests.commands.shop import Shop
from tests.gateway.calling import refusal, result
from tests.gateway.local_hub import LocalHub
from tests.support.rest import Answer
from tests.support.rest import call as rest
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

Body = dict[str, Any]


async def publish(hub: LocalHub, *events: tuple[str, Body], who: str = "bot") -> None:
    frames = [{"type": type_, "data": data} for type_, data in events]
    answer = await rest(hub, "POST", "/api/events", frames, key=hub.keys[who])
    assert answer.status == 201, answer.body
    assert all("offset" in entry for entry in answer.json()["events"]), answer.body


def received(number: int, phone: str = "263771", **more: Any) -> tuple[str, Body]:
    data = {"messageId": f"in-{number}", "fromPhone": phone, "text": f"t{number}", "timestamp": 0}
    return "message_received", data | more


def sent(number: int, phone: str = "263771") -> tuple[str, Body]:
    return "message_sent", {"messageId": f"out-{number}", "toPhone": phone, "text": f"s{number}"}


async def ask(hub: LocalHub, path: str, who: str = "viewer", **query: Any) -> Answer:
    return await rest(hub, "GET", path, key=hub.keys[who], query=query)


def check_refused(answer: Answer, status: int, *pointers: str) -> None:
    assert answer.status == status, answer.body
    assert [error["pointer"] for error in answer.json().get("errors", [])] == [*pointers]


async def test_a_list_by_phone_status_and_direction(local: LocalHub) -> None:
    await publish(
        local, received(1), sent(1), received(2, "+263772@c.us"), sent(2, "263772"),
        ("message_failed", {"messageId": "out-2", "error": "blocked"}),
    )  # fmt: skip

    async def texts(**query: Any) -> list[str]:
        answer = await ask(local, "/api/messages", **query)
        assert answer.status == 200, answer.body
        body = answer.json()
        assert body.keys() == {"success", "messages", "count", "next", "epoch", "offset"}
        assert body["count"] == len(body["messages"])
        return [message["text"] for message in body["messages"]]

    assert await texts() == ["s2", "t2", "s1", "t1"]
    for phone in ("263772", "+263772", "263772@s.whatsapp.net", " 263772"):
        assert await texts(phone=phone) == ["s2", "t2"]
    assert await texts(direction="inbound") == ["t2", "t1"]
    assert await texts(status="failed") == ["s2"]
    assert await texts(status="sent", direction="outbound", phone="263771") == ["s1"]
    assert await texts(phone="9" * 200) == []
    check_refused(await ask(local, "/api/messages", status="lost"), 422, "/status")
    check_refused(await ask(local, "/api/messages", direction="up"), 422, "/direction")
    check_refused(await ask(local, "/api/messages", text="t1"), 422, "/text")


async def test_one_message_with_its_version(local: LocalHub) -> None:
    await publish(local, sent(1))
    await publish(local, ("message_read", {"messageId": "out-1"}))
    [listed] = (await ask(local, "/api/messages")).json()["messages"]
    answer = await ask(local, f"/api/messages/{listed['id']}")
    assert answer.json()["message"] == listed
    assert (listed["status"], listed["version"], answer.headers["etag"]) == ("read", 2, '"2"')
    check_refused(await ask(local, f"/api/messages/{uuid7()}"), 404)


async def test_both_doors_say_the_same(local: LocalHub) -> None:
    await publish(local, received(1), sent(1))
    async with connect(local, local.keys["viewer"]) as socket:
        for method, params, path in [
            ("messages.list", {"phone": "+263771"}, "/api/messages?phone=%2B263771"),
            ("conversations.list", {}, "/api/conversations"),
            ("conversations.get", {"phone": "+263771"}, "/api/conversations/%2B263771"),
        ]:
            there = (await ask(local, path)).json()
            here = await result(socket, method, params)
            assert here == {name: there[name] for name in here}, method
        assert here["count"] == 2
        refused = await refusal(socket, "conversations.get", {"phone": "1"})
        assert refused["code"] == "not_found"
        refused = await refusal(socket, "conversations.get", {})
        assert [error["pointer"] for error in refused["errors"]] == ["/params/phone"]


@pytest.mark.parametrize(
    ("path", "members"), [("/api/conversations", "conversations"), ("/api/messages", "messages")]
)
async def test_a_list_goes_on_where_it_ended(local: LocalHub, path: str, members: str) -> None:
    await publish(local, *(received(number, f"26377{number}") for number in range(5)))
    seen: list[str] = []
    answer = await ask(local, path, limit=2)
    while True:
        seen += [each["phone"] for each in answer.json()[members]]
        if answer.json()["next"] is None:
            break
        target = answer.headers["link"].partition("<")[2].partition(">")[0]
        assert target.startswith(path)
        answer = await ask(local, target)
    assert seen == [f"26377{number}" for number in reversed(range(5))]


async def test_a_conversation_goes_on_where_it_ended(local: LocalHub) -> None:
    await publish(local, *(received(number) for number in range(5)), received(9, "263772"))
    seen: list[str] = []
    target = "/api/conversations/263771?limit=2"
    while True:
        answer = await ask(local, target)
        seen += [message["text"] for message in answer.json()["messages"]]
        if answer.json()["next"] is None:
            break
        target = answer.headers["link"].partition("<")[2].partition(">")[0]
    assert seen == ["t4", "t3", "t2", "t1", "t0"]


async def test_everybody_of_a_merchant_reads_and_nobody_else(local: LocalHub) -> None:
    await publish(local, received(1))
    await local.add_key("merchant", "stranger", merchant_id=local.other_merchant)
    [message] = (await ask(local, "/api/messages")).json()["messages"]
    paths = ("/api/messages", f"/api/messages/{message['id']}", "/api/conversations",
             "/api/conversations/263771")  # fmt: skip
    for who in ("merchant", "viewer", "bot"):
        for path in paths:
            answer = await ask(local, path, who)
            assert answer.status == 200
            assert "t1" in answer.body.decode()
    for path in paths:
        answer = await ask(local, path, "stranger")
        assert "t1" not in answer.body.decode()
        assert answer.status == (404 if "/" in path.removeprefix("/api/") else 200)
        answer = await ask(local, path, "stranger", merchant_id=local.merchant_id)
        assert answer.status in (403, 422)


async def test_an_admin_says_whose_conversations(local: LocalHub) -> None:
    await publish(local, received(1))
    for path in ("/api/conversations", "/api/conversations/263771"):
        check_refused(await ask(local, path, "admin"), 422, "/merchant_id")
        answer = await ask(local, path, "admin", merchant_id=local.merchant_id)
        assert answer.json()["count"] == 1
    assert (await ask(local, "/api/messages", "admin")).json()["count"] == 1
    answer = await ask(local, "/api/conversations", "admin", merchant_id=local.other_merchant)
    assert answer.json()["conversations"] == []


async def test_an_admins_event_is_the_admins_in_the_audit(local: LocalHub) -> None:
    data = received(1)[1]
    event = {"type": "message_received", "data": data, "merchant_id": local.merchant_id}
    answer = await rest(local, "POST", "/api/events", event, key=local.keys["admin"])
    assert answer.status == 201, answer.body
    audit = await ask(local, "/api/audit", "merchant", target_type="message")
    [told] = audit.json()["audit"]
    assert (told["actor"]["role"], told["actor"]["id"]) == ("admin", local.key_ids["admin"])
    assert told["address"] == "127.0.0.1"


async def test_the_next_page_of_a_conversation_has_an_address_whatever_it_is_called(
    shop: Shop,
) -> None:
    for number in range(2):
        data = {"messageId": f"m{number}", "fromPhone": "☃ x>", "text": "", "timestamp": 1}
        await shop.done("POST", "/events", {"type": "message_received", "data": data}, who="bot")
    answer = await shop.ask("GET", "/conversations/%E2%98%83%20x%3E", limit=1)
    assert answer.status == 200, answer.body
    after = answer.json()["next"]
    link = f'</api/conversations/%E2%98%83%20x%3E?limit=1&after={after}>; rel="next"'
    assert answer.headers["link"] == link


async def test_a_page_has_no_more_messages_than_are_encoded_at_once(shop: Shop) -> None:
    for start in (0, 150):
        frames = [
            {"type": type_, "data": data}
            for type_, data in (received(number) for number in range(start, start + 150))
        ]
        answer = await rest(shop.hub, "POST", "/api/events", frames, key=shop.hub.keys["bot"])
        assert answer.status == 201
    for path in ("/messages", "/conversations/263771"):
        first = await shop.done("GET", path, limit=1000)
        rest_of_them = await shop.done("GET", path, limit=1000, after=first["next"])
        assert (first["count"], rest_of_them["count"]) == (200, 100)
