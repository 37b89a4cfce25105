"""Conversations follow the messages: counted, the newest first, each merchant's its own."""

import pytest

from storage import conversations, messages
from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound, Sealed
from storage.merchant_records import Conversation, Message
from storage.scope import HUB
from tests.storage import samples
from tests.storage.samples import NOW, OURS, THEIRS, message, read, write
from tests.storage.support import rows


@pytest.fixture
async def shop(database: Database) -> Database:
    """A database with the merchants `m1` and `m2`."""
    await samples.add_merchants(database)
    return database


async def add(database: Database, *made: Message) -> None:
    async def work(tx: Transaction) -> None:
        for each in made:
            await messages.insert(tx, each)

    await write(database, work)


async def talks(database: Database, after: str = "", limit: int = 100) -> list[Conversation]:
    return await read(database, lambda tx: conversations.page(tx, after, limit))


async def test_a_conversation_is_its_last_message_and_a_count(shop: Database) -> None:
    await add(shop, message(phone="2"), message(phone="1", text="old"))
    last = message(phone="1", text="x" * 600, chat="1@g.us")
    await add(shop, last)
    found = await talks(shop)
    assert [(talk.phone, talk.count) for talk in found] == [("1", 2), ("2", 1)]
    assert found[0] == Conversation(
        phone="1", chat="1@g.us", text="x" * 500, direction="inbound", status="received", at=NOW,
        count=2, last_message_id=last.id,
    )  # fmt: skip
    assert await read(shop, lambda tx: conversations.get(tx, "1")) == found[0]
    with pytest.raises(NotFound):
        await read(shop, lambda tx: conversations.get(tx, "3"))


async def test_the_greatest_id_is_the_last_whatever_comes_later(shop: Database) -> None:
    """Another hub's clock may be behind: a page of messages is by ids, and so is this."""
    earlier, later = message(phone="1", text="earlier"), message(phone="1", text="later")
    await add(shop, later, earlier)
    [found] = await talks(shop)
    assert (found.text, found.last_message_id, found.count) == ("later", later.id, 2)


async def test_removed_messages_are_not_counted(shop: Database) -> None:
    made = [message(phone="1", text=str(number)) for number in range(3)]
    await add(shop, *made, message(phone="2"))
    for number, text, count in [(2, "1", 2), (0, "1", 1)]:
        await write(shop, lambda tx, at=number: messages.delete(tx, made[at].id))  # type: ignore[misc]
        found = await read(shop, lambda tx: conversations.get(tx, "1"))
        assert (found.text, found.count) == (text, count)
    await write(shop, lambda tx: messages.delete(tx, made[1].id))
    assert [talk.phone for talk in await talks(shop)] == ["2"]


async def test_the_phone_of_a_message_never_changes(shop: Database) -> None:
    made = message(phone="1")
    await add(shop, made)
    other = message(id=made.id, phone="2")
    with pytest.raises(Conflict):
        await write(shop, lambda tx: messages.update(tx, other))


async def test_pages_go_from_the_newest_to_the_oldest(shop: Database) -> None:
    await add(shop, *(message(phone=str(number % 10)) for number in range(35)))
    seen: list[str] = []
    after = ""
    while page := await talks(shop, after, 3):
        seen += [talk.phone for talk in page]
        after = page[-1].last_message_id
    assert seen == ["4", "3", "2", "1", "0", "9", "8", "7", "6", "5"]


async def test_merchants_see_their_own(shop: Database, raw_sql: None) -> None:
    await add(shop, message(phone="1"))
    theirs = message(phone="1", merchant_id="m2", text="theirs")
    await write(shop, lambda tx: messages.insert(tx, theirs), THEIRS)
    [ours] = await talks(shop)
    assert (ours.text, ours.count) == ("hi", 1)
    with pytest.raises(Sealed):
        await write(shop, lambda tx: conversations.grow(tx, [("m2", "1", theirs.id, 5)]))
    await write(shop, lambda tx: conversations.shrink(tx, "m1", "1"), OURS)
    assert await rows(shop, "SELECT merchant_id, messages FROM conversations") == [("m2", 1)]


async def test_they_are_of_one_merchant(shop: Database) -> None:
    for work in (
        lambda tx: conversations.page(tx, "", 10),
        lambda tx: conversations.get(tx, "1"),
    ):
        with pytest.raises(Sealed):
            await read(shop, work, HUB)


async def test_they_are_not_in_the_audit(shop: Database) -> None:
    await add(shop, message(phone="1"))
    told = await rows(
        shop, "SELECT DISTINCT target_type FROM audit_logs WHERE actor_id = ?", ("k1",)
    )
    assert told == [("message",)]
