"""A message and its job, written together."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from hub.protocol.errors import InvalidParams
from hub.protocol.ids import Uuid7Source, uuid7
from hub.stream.log import EventLog
from hub.stream.waiting import WriteScope
from jobs.message_sending.send import queue_message
from storage import jobs, merchants, messages, templates
from storage.database import Database, Transaction
from storage.errors import Conflict
from storage.merchant_records import Job, Message
from storage.scope import HUB, Scope
from tests.stream.support import running_log

NOW = "2026-11-28T10:00:00.000Z"
LATER = "2026-11-28T11:00:00.000Z"
VALUES = {"order_id": "O-1", "amount": "5.00", "eta": "12:00"}


class Sender:
    """Queues messages of one merchant."""

    def __init__(self, log: EventLog, merchant_id: str) -> None:
        self.log = log
        self.merchant_id = merchant_id
        self.scope = Scope(merchant_id)

    async def queue(self, **said: Any) -> tuple[Message, Job]:
        async def work(scope: WriteScope) -> tuple[Message, Job]:
            return await queue_message(
                scope, **{"merchant_id": self.merchant_id, "to": "+263771", "now": NOW} | said
            )

        return (await self.log.commit(work, self.scope)).result

    async def stored(self, id_: str) -> tuple[Message, Job]:
        async def read(tx: Transaction) -> tuple[Message, Job]:
            return await messages.get(tx, id_), await jobs.get(tx, id_)

        return await self.log.database.read(read, self.scope)

    @property
    def events(self) -> list[str]:
        return [entry.type for entry in self.log.ring.between(0, self.log.end)]


@pytest.fixture
async def sender(database: Database) -> AsyncIterator[Sender]:
    merchant_id = uuid7()

    async def work(tx: Transaction) -> None:
        await merchants.insert(tx, merchant_id, "ours", NOW, Uuid7Source())

    await database.write(work, HUB)
    async with running_log(database) as log:
        yield Sender(log, merchant_id)


async def test_a_text_is_taken_as_it_stands(sender: Sender) -> None:
    message, job = await sender.queue(text="Hello {{name}}", to="+263 77 1234")
    assert await sender.stored(message.id) == (message, job)
    assert (message.text, message.status, message.phone) == (
        "Hello {{name}}",
        "queued",
        "263771234",
    )
    assert (job.id, job.state, job.recipient) == (message.id, "queued", "263771234")
    assert job.args == {"message_id": message.id, "to": "263771234", "text": "Hello {{name}}"}
    assert (job.queue, job.name, job.run_at) == ("message_sending", "send", NOW)


async def test_a_template_is_filled_in(sender: Sender) -> None:
    message, job = await sender.queue(template="order_confirmation", variables=VALUES)
    assert message.text is not None
    assert "O-1" in message.text
    assert "1. " in message.text, "its buttons are numbered in the plain text"
    assert message.type == "buttons"
    assert "O-1" in job.args["content"]["body"]
    again, _ = await sender.queue(template=str(message.template_id), variables=VALUES)
    assert again.text == message.text, "by its id as by its name"


async def test_what_is_sent_later_is_filled_in_later(sender: Sender) -> None:
    message, job = await sender.queue(
        template="order_confirmation", variables=VALUES, send_at=LATER
    )
    assert (job.state, job.run_at) == ("scheduled", LATER)
    assert "content" not in job.args
    assert message.text is not None
    assert "O-1" in message.text, "what it will say as things are"


async def test_a_message_of_the_past_is_sent_at_once(sender: Sender) -> None:
    _, job = await sender.queue(text="x", send_at="2026-11-28T09:00:00.000Z")
    assert job.state == "queued"


async def test_a_template_that_cannot_be_filled_in_is_the_jobs_trouble(sender: Sender) -> None:
    message, job = await sender.queue(template="order_confirmation", variables={"order_id": "O-1"})
    assert (message.text, message.status, job.state) == (None, "queued", "queued")
    with pytest.raises(InvalidParams) as caught:
        await sender.queue(
            template="order_confirmation", variables={"order_id": "O-1"}, strict=True
        )
    assert {e.pointer for e in caught.value.errors} == {"/variables/amount", "/variables/eta"}


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({}, "/text"),
        ({"text": "x", "template": "order_status"}, "/text"),
        ({"text": " "}, "/text"),
        ({"text": "x" * 4097}, "/text"),
        ({"text": "x\0"}, "/text"),
        ({"text": "x", "to": "you"}, "/to"),
        ({"template": "no_such"}, "/template"),
        ({"template": uuid7()}, "/template"),
        ({"text": "x", "message_id": "M-1"}, "/id"),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    sender: Sender, said: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidParams) as caught:
        await sender.queue(**said)
    assert [error.pointer for error in caught.value.errors] == [pointer]
    assert sender.events == []


async def test_only_an_active_template_is_sent(sender: Sender) -> None:
    async def archive(scope: WriteScope) -> None:
        found = await templates.by_name(scope.tx, "order_status")
        await templates.update(
            scope.tx, replace(found, status="archived", updated_at=NOW), scope.new_id
        )

    await sender.log.commit(archive, sender.scope)
    with pytest.raises(InvalidParams, match="archived"):
        await sender.queue(template="order_status", variables={})


async def test_an_id_of_the_callers_is_good_once(sender: Sender) -> None:
    id_ = uuid7()
    message, job = await sender.queue(text="x", message_id=id_)
    assert (message.id, job.id) == (id_, id_)
    with pytest.raises(Conflict):
        await sender.queue(text="y", message_id=id_)


async def test_a_part_of_another_job_is_told_of_by_no_event(sender: Sender) -> None:
    _, parent = await sender.queue(text="x")
    _, part = await sender.queue(text="x", parent_id=parent.id)
    assert part.parent_id == parent.id
    assert sender.events == ["job_queued"]
