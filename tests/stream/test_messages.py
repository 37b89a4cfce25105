"""Message events are stored in `messages` too, in their own transaction; odd ones lose nothing."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hub.protocol import drafts
from hub.protocol.drafts import Draft, Origin
from hub.protocol.frames import Publish
from hub.stream.append import Appended, Batch, append
from storage import conversations, events, messages
from storage.database import Database, Transaction
from storage.merchant_records import Conversation, Message
from storage.scope import HUB, Scope
from tests.storage import samples
from tests.storage.samples import NOW, OURS, THEIRS, new_id
from tests.storage.support import rows
from tests.stream.support import offsets, publish, running_log, shown, stored
from tests.support.databases import FaultyDatabase

COMMITTED_MS = 1_795_341_600_000  # 2026-11-22T10:00:00Z
GOOD = {"messageId": "w1", "fromPhone": "263771", "text": "hi", "timestamp": 1_795_341_000}


def event(
    type_: str = "message_received",
    *,
    merchant_id: str = "m1",
    key_id: str = "k1",
    id_: str | None = None,
    timestamp: str | None = None,
    **data: Any,
) -> Draft:
    """A message event as a bot publishes it; without data, a good one."""
    if type_ == "message_received":
        data = GOOD | data
    elif type_ == "message_sent":
        data = {"messageId": "w1", "toPhone": "263771", "text": "hello"} | data
    elif "messageId" not in data:
        data = {"messageId": "w1"} | data
    origin = Origin(
        merchant_id, "bot:b", key_id=key_id, role="bot", address="192.0.2.1", agent="bot/1"
    )
    return drafts.draft(Publish(type=type_, data=data, id=id_, timestamp=timestamp), origin)


async def append_all(database: Database, *group: Draft, atomic: bool = False) -> Appended:
    """Write one commit group with these events."""

    async def work(tx: Transaction) -> Appended:
        await events.ensure_log(tx, "epoch")
        return await append(tx, [Batch(list(group), atomic)], COMMITTED_MS, new_id)

    return await database.write(work, HUB)


async def stored_messages(database: Database, scope: Scope = OURS) -> list[Message]:
    """The messages of a merchant, oldest first."""
    found = await database.read(lambda tx: messages.page(tx, "", 1000), scope)
    return found[::-1]


async def talks(database: Database, scope: Scope = OURS) -> list[Conversation]:
    return await database.read(lambda tx: conversations.page(tx, "", 1000), scope)


@pytest.fixture
async def shop(database: Database) -> Database:
    """A database with the merchants `m1` and `m2`."""
    await samples.add_merchants(database)
    return database


async def test_a_received_message_is_a_row(shop: Database) -> None:
    await append_all(shop, event(id_="e1", fromPhone="+263771@s.whatsapp.net"))
    [found] = await stored_messages(shop)
    assert (found.direction, found.status, found.provider_id) == ("inbound", "received", "w1")
    assert (found.phone, found.chat, found.text, found.event_id) == ("263771", None, "hi", "e1")
    assert (found.type, found.version, found.payload) == ("text", 1, None)
    assert found.created_at == "2026-11-22T09:50:00.000Z", "when it was written"
    assert found.updated_at == NOW


async def test_a_sent_message_goes_forwards_only(shop: Database) -> None:
    template_id = new_id()
    await append_all(shop, event("message_sent", templateId=template_id))
    [found] = await stored_messages(shop)
    assert (found.direction, found.status, found.phone) == ("outbound", "sent", "263771")
    assert found.template_id == template_id
    for type_, status, version in [
        ("message_delivered", "delivered", 2), ("message_sent", "delivered", 2),
        ("message_failed", "delivered", 2), ("message_delivered", "delivered", 2),
        ("message_read", "read", 3), ("message_delivered", "read", 3),
    ]:  # fmt: skip
        await append_all(shop, event(type_))
        [found] = await stored_messages(shop)
        assert (found.status, found.version) == (status, version), type_
    assert len(await stored(shop)) == 7, "every event is stored, whatever it changes"


async def test_a_failure_says_why_and_is_the_end(shop: Database) -> None:
    await append_all(shop, event("message_sent"))
    await append_all(shop, event("message_failed", error={"code": 131047, "message": "too late"}))
    await append_all(shop, event("message_read"))
    [found] = await stored_messages(shop)
    assert (found.status, found.error, found.version) == ("failed", "too late", 2)


async def test_a_queued_row_of_the_hub_is_moved(shop: Database) -> None:
    queued = samples.message(direction="outbound", status="queued", provider_id="w1", text="mine")
    await samples.write(shop, lambda tx: messages.insert(tx, queued))
    await append_all(shop, event("message_sent", text="another"))
    [found] = await stored_messages(shop)
    assert (found.id, found.status, found.text) == (queued.id, "sent", "mine")


async def test_all_steps_of_one_group_are_one_change(shop: Database) -> None:
    steps = ("message_sent", "message_delivered", "message_read", "message_delivered")
    await append_all(shop, *(event(type_) for type_ in steps))
    [found] = await stored_messages(shop)
    assert (found.status, found.version) == ("read", 1)
    await append_all(shop, event("message_sent", messageId="w2"))
    await append_all(
        shop,
        event("message_read", messageId="w2", key_id="k1"),
        event("message_delivered", messageId="w2", key_id="k2"),
        event("message_read", messageId="w2", key_id="k1"),
    )
    _, found = await stored_messages(shop)
    assert (found.status, found.version) == ("read", 2)


async def test_what_tells_of_an_unknown_message_is_an_event_alone(shop: Database) -> None:
    steps = ("message_delivered", "message_read", "message_failed")
    appended = await append_all(shop, *(event(type_) for type_ in steps))
    assert offsets(appended.outcomes[0]) == [1, 2, 3]
    assert await stored_messages(shop) == []
    assert await talks(shop) == []


async def test_nothing_is_stored_twice(shop: Database) -> None:
    """A repeat of an event, in its group and later; another event of the same message."""
    first, again = event(id_="e1"), event(id_="e1")
    other = event(id_="e2", text="edited", fromPhone="263772")
    appended = await append_all(shop, first, again, other)
    assert [shown(o) for o in appended.outcomes[0]] == [(1, False), (1, True), (2, False)]
    appended = await append_all(shop, event(id_="e1"), event(id_="e3"))
    assert [shown(o) for o in appended.outcomes[0]] == [(1, True), (3, False)]
    [found] = await stored_messages(shop)
    assert (found.text, found.event_id, found.version) == ("hi", "e1", 1)
    [talk] = await talks(shop)
    assert talk.count == 1


async def test_what_is_refused_stores_no_message(shop: Database) -> None:
    await append_all(shop, event(id_="e1"))
    conflict = event(id_="e1", messageId="w2")
    appended = await append_all(shop, event(messageId="w3"), conflict, atomic=True)
    assert [shown(o) for o in appended.outcomes[0]] == ["conflict", "conflict"]
    appended = await append_all(shop, conflict, event(messageId="w4"))
    assert [shown(o) for o in appended.outcomes[0]] == ["conflict", (2, False)]
    assert [each.provider_id for each in await stored_messages(shop)] == ["w1", "w4"]


async def test_volatile_messages_are_not_stored(shop: Database) -> None:
    made = drafts.draft(
        Publish(type="message_received", data=GOOD, volatile=True), Origin("m1", "bot:b")
    )
    await append_all(shop, made)
    assert await stored_messages(shop) == []


async def test_merchants_have_their_own(shop: Database) -> None:
    """The same provider's id and phone are two messages for two merchants."""
    await append_all(
        shop,
        event(text="ours"),
        event(merchant_id="m2", key_id="k2", text="theirs"),
        event("message_sent", messageId="w2"),
    )
    await append_all(shop, event("message_read", messageId="w2", merchant_id="m2", key_id="k2"))
    ours, sent = await stored_messages(shop)
    [theirs] = await stored_messages(shop, THEIRS)
    assert (ours.text, theirs.text, sent.status) == ("ours", "theirs", "sent")
    assert [(each.phone, each.count) for each in await talks(shop)] == [("263771", 2)]
    assert [(each.phone, each.count) for each in await talks(shop, THEIRS)] == [("263771", 1)]


async def test_the_audit_names_who_published(shop: Database) -> None:
    actors = [("m1", "k1"), ("m2", "k2"), ("m1", "k3"), ("m1", "k1")]
    group = [
        event(merchant_id=merchant, key_id=key, messageId=f"w{number}")
        for number, (merchant, key) in enumerate(actors)
    ]
    await append_all(shop, *group)
    await append_all(shop, event("message_sent", messageId="s", key_id="k4"))
    await append_all(shop, event("message_read", messageId="s", key_id="k5"))
    told = await rows(
        shop,
        "SELECT merchant_id, actor_id, actor_role, ip_address, user_agent, action, after_state"
        " FROM audit_logs WHERE target_type = 'message' ORDER BY id",
    )
    found = {(r[0], r[1], r[5], json.loads(r[6])["provider_id"]) for r in told}
    assert found == {
        ("m1", "k1", "CREATE", "w0"), ("m2", "k2", "CREATE", "w1"), ("m1", "k3", "CREATE", "w2"),
        ("m1", "k1", "CREATE", "w3"), ("m1", "k4", "CREATE", "s"), ("m1", "k5", "UPDATE", "s"),
    }  # fmt: skip
    assert {row[2:5] for row in told} == {("bot", "192.0.2.1", "bot/1")}


async def test_conversations_are_the_last_first(shop: Database) -> None:
    phones = ["1", "2", "1", "3", "2"]
    await append_all(
        shop,
        *(event(messageId=f"w{n}", fromPhone=p, text=f"t{n}") for n, p in enumerate(phones)),
    )
    await append_all(shop, event("message_sent", messageId="s", toPhone="1", text="bye"))
    found = await talks(shop)
    assert [(t.phone, t.text, t.count) for t in found] == [
        ("1", "bye", 3), ("2", "t4", 2), ("3", "t3", 1),
    ]  # fmt: skip
    assert (found[0].direction, found[0].status) == ("outbound", "sent")
    await append_all(shop, event("message_read", messageId="s"))
    assert (await talks(shop))[0].status == "read", "it is the message's own"


async def test_a_group_conversation_has_the_chats_name(shop: Database) -> None:
    await append_all(shop, event(fromPhone="120363041234567890@g.us"))
    [found] = await talks(shop)
    assert (found.phone, found.chat) == ("120363041234567890", "120363041234567890@g.us")


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
async def test_a_group_of_any_size_is_stored_whole(shop: Database, count: int) -> None:
    group = [event(messageId=f"w{n}", fromPhone=str(n % 7), id_=f"e{n}") for n in range(count)]
    await append_all(shop, *group)
    found = await stored_messages(shop)
    assert [each.provider_id for each in found] == [f"w{n}" for n in range(min(count, 1000))]
    assert sum(talk.count for talk in await talks(shop)) == count
    moved = [event("message_sent", messageId=f"s{n}") for n in range(count)]
    await append_all(shop, *moved)
    await append_all(shop, *(event("message_read", messageId=f"s{n}") for n in range(count)))
    read = await rows(shop, "SELECT COUNT(*) FROM messages WHERE status = 'read'")
    assert read == [(count,)]


async def test_a_row_that_the_database_refuses_loses_no_event(shop: Database) -> None:
    """A merchant that is not there has no messages; its neighbours in the group have theirs."""
    with capture_logs() as lines:
        appended = await append_all(
            shop,
            event(messageId="w1", text="before"),
            event(messageId="w2", merchant_id="nobody", id_="e2"),
            event(messageId="w3", text="after"),
        )
    [line] = lines
    assert (line["log_level"], line["merchant"], line["messages"]) == ("error", "nobody", ["e2"])
    assert offsets(appended.outcomes[0]) == [1, 2, 3]
    assert [each.text for each in await stored_messages(shop)] == ["before", "after"]
    assert sum(talk.count for talk in await talks(shop)) == 2
    assert len(await stored(shop)) == 3


async def test_a_group_that_fails_stores_no_message_and_a_repeat_one(shop: Database) -> None:
    faulty = FaultyDatabase(shop)
    async with running_log(faulty) as log:
        faulty.failing = 1
        [refused] = await publish(log, [event(id_="e1")])
        assert shown(refused) == "unavailable"
        assert await stored_messages(shop) == []
        assert offsets(await publish(log, [event(id_="e1"), event(id_="e1")])) == [1, 1]
        assert [m.event_id for m in await stored_messages(shop)] == ["e1"]


# ── whatever a bot may say ───────────────────────────────────────────────────────────────────

_anything = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False),
    st.text(max_size=40), st.lists(st.integers(), max_size=2), st.just("263771@s.whatsapp.net"),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.sampled_from(["\0", "a\0b", "x" * 5000, "é" * 257, "+", "@g.us", "9" * 33, "w1", "😀" * 20]),
)  # fmt: skip
_ids = st.one_of(st.sampled_from(["w1", "w2", "w3"]), st.text(min_size=1, max_size=256))
_phones = st.one_of(
    st.sampled_from(["263771", "+263771", "263771:2@c.us", "1@g.us", "@", " ", "a@lid", "x" * 200]),
    st.text(min_size=1, max_size=256),
)
_moments = st.one_of(
    st.text(min_size=1, max_size=64), st.integers(0, 2**63), st.floats(0, allow_infinity=False),
    st.sampled_from(["2026-11-22T09:00:00Z", 1_795_341_000, "1795341000", "9999-12-31T23:59:59Z"]),
)  # fmt: skip
_more = st.dictionaries(
    st.sampled_from(["type", "templateId", "error", "reason", "chat", "phone"]), _anything
)


def _joined(extra: dict[str, Any], **fields: Any) -> dict[str, Any]:
    if not isinstance(extra.get("templateId", ""), str) or not extra.get("templateId", "x"):
        extra.pop("templateId")  # refused at the door
    if len(extra.get("templateId", "")) > 256:
        extra.pop("templateId")
    return extra | fields


_data = st.one_of(
    st.tuples(
        st.just("message_received"),
        st.builds(
            _joined, _more, messageId=_ids, fromPhone=_phones, text=st.text(), timestamp=_moments
        ),
    ),
    st.tuples(
        st.just("message_sent"),
        st.builds(_joined, _more, messageId=_ids, toPhone=_phones, text=st.text()),
    ),
    st.tuples(
        st.sampled_from(["message_delivered", "message_read", "message_failed"]),
        st.builds(_joined, _more, messageId=st.one_of(_ids, _anything)),
    ),
)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(group=st.lists(_data, min_size=1, max_size=8))
async def test_no_value_makes_a_group_fail(
    shop: Database, group: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    """Every event is stored; a message has one row at most; conversations count the rows."""
    origin = Origin("m1", "bot:b", key_id="k1", role="bot")
    made = [drafts.draft(Publish(type=type_, data=data), origin) for type_, data in group]
    before = len(await stored(shop))
    appended = await append_all(shop, *made)
    assert len(offsets(appended.outcomes[0])) == len(group)
    assert len(await stored(shop)) == before + len(group)
    for draft in made:
        if draft.note is not None and draft.note.phone:
            assert await rows(
                shop,
                "SELECT COUNT(*) FROM messages WHERE merchant_id = ? AND provider_id = ?",
                ("m1", draft.note.provider_id),
            ) == [(1,)]
    counted = await rows(
        shop,
        "SELECT phone, COUNT(*), MAX(id) FROM messages WHERE merchant_id = 'm1'"
        " GROUP BY phone ORDER BY phone",
    )
    assert counted == await rows(
        shop,
        "SELECT phone, messages, last_message_id FROM conversations WHERE merchant_id = 'm1'"
        " ORDER BY phone",
    )
