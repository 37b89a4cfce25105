"""A message from its job to a bot and back."""

from typing import Any

import pytest

from tests.support.ws import connect
from tests.tasks.shop import Shop

VALUES = {"order_id": "O-1", "amount": "5.00", "eta": "12:00"}


async def test_a_message_is_handed_to_a_bot_and_settled(shop: Shop) -> None:
    id_ = await shop.send(text="hello", to="+263 771 234 567")
    assert (await shop.job(id_)).note == "waits for a bot"
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        assert task == {
            "type": "task", "job": id_, "attempt": 2, "name": "send",
            "deadline": task["deadline"],
            "data": {
                "messageId": id_, "to": "263771234567", "chat": None, "text": "hello",
                "templateId": None, "format": "baileys", "message": {"text": "hello"},
            },
        }  # fmt: skip
        running = await shop.job(id_)
        assert (running.state, running.attempt) == ("running", 2)
        assert running.worker == shop.hub.services.dispatcher.worker
        settled = await bot.done(task, "wamid-1")
        assert settled == {"type": "settled", "job": id_, "attempt": 2, "state": "succeeded"}
    message, job = await shop.message(id_), await shop.job(id_)
    assert (message.status, message.provider_id, message.error) == ("sent", "wamid-1", None)
    assert (job.state, job.progress, job.result) == ("succeeded", 100, {"messageId": "wamid-1"})
    assert (job.awaits, job.worker) == (None, None)
    assert shop.events == ["job_queued", "job_completed", "message_sent"]


async def test_a_bot_that_was_ready_first_is_given_it_at_once(shop: Shop) -> None:
    async with shop.bot(credit=1) as bot:
        assert await bot.idle()
        id_ = await shop.send()
        assert (await bot.task())["job"] == id_


@pytest.mark.parametrize(
    ("format_", "message"),
    [
        ("cloud", {"messaging_product": "whatsapp"}),
        ("text", None),
        ("whatsapp-web.js", None),
        ("baileys", {"headerType": 1}),
    ],
)
async def test_a_bot_says_in_which_form_it_wants_messages(
    shop: Shop, format_: str, message: dict[str, Any] | None
) -> None:
    id_ = await shop.send(text=None, template="order_confirmation", variables=VALUES)
    async with shop.bot(credit=1, format=format_) as bot:
        data = (await bot.task())["data"]
    assert data["format"] == format_
    assert data["text"] == (await shop.message(id_)).text
    if message is None:
        assert data["message"] == data["text"], "numbered choices"
    else:
        assert message.items() <= data["message"].items()


async def test_credit_bounds_what_is_held(shop: Shop) -> None:
    for number in range(5):
        await shop.send(to=f"26377{number}")
    async with shop.bot(credit=2) as bot:
        first, second = await bot.tasks(2)
        assert await bot.idle()
        await bot.done(first)
        third = await bot.task()
        assert await bot.idle()
        await bot.ready(4)
        await bot.tasks(2)
        await bot.ready(0)
        for task in (second, third):
            await bot.done(task)
        assert await bot.idle()


async def test_higher_priority_first_then_the_oldest(shop: Shop) -> None:
    ids = [
        await shop.send(to=f"26377{number}", priority=priority)
        for number, priority in enumerate((0, 5, 0, 9))
    ]
    async with shop.bot(credit=4) as bot:
        got = [task["job"] for task in await bot.tasks(4)]
    assert got == [ids[3], ids[1], ids[0], ids[2]]


async def test_bots_of_one_merchant_take_turns(shop: Shop) -> None:
    async with shop.bot(credit=10) as one, shop.bot(credit=10) as two:
        for number in range(10):
            await shop.send(to=f"26377{number}")
        assert len(await one.tasks(5)) == len(await two.tasks(5)) == 5


async def test_a_bot_takes_the_tasks_of_its_own_merchant(shop: Shop) -> None:
    await shop.hub.add_key("bot", "foreign", merchant_id=shop.hub.other_merchant)
    async with shop.bot(credit=5, key="foreign") as foreign, shop.bot() as bot:
        await shop.send()
        assert await foreign.idle()
        await bot.ready(1)
        task = await bot.task()
        refused = await foreign.done(task)
        assert (refused["type"], refused["code"]) == ("error", "not_found")
        assert (await bot.done(task))["state"] == "succeeded"


@pytest.mark.parametrize("role", ["merchant", "viewer", "admin"])
async def test_only_bots_take_tasks(shop: Shop, role: str) -> None:
    await shop.send()
    query = f"merchant_id={shop.hub.merchant_id}" if role == "admin" else ""
    async with connect(shop.hub, shop.hub.keys[role], query=query) as socket:
        await socket.next(type="connected")
        for frame in (
            {"type": "ready", "credit": 1},
            {"type": "progress", "job": "j", "attempt": 1},
            {"type": "done", "job": "j", "attempt": 1},
            {"type": "failed", "job": "j", "attempt": 1},
        ):
            await socket.send(frame | {"ref": "r"})
            refused = await socket.next(type="error")
            assert (refused["code"], refused["ref"]) == ("forbidden", "r")
        assert await socket.silent(0.2, type="task")


# ── what bots say ────────────────────────────────────────────────────────────────────────────────


async def test_a_failure_is_tried_again(shop: Shop) -> None:
    id_ = await shop.send()
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        settled = await bot.failed(task, error="no\0 line")
        assert settled["state"] == "retrying"
    job = await shop.job(id_)
    assert (job.state, job.error, job.awaits) == ("retrying", "no line", "bot")
    assert job.run_at > shop.now
    [attempt] = await shop.attempts(id_)
    assert (attempt.attempt, attempt.outcome, attempt.error) == (2, "failed", "no line")
    assert (await shop.message(id_)).status == "queued"
    assert shop.events == ["job_queued", "job_failed"]


async def test_a_failure_for_good(shop: Shop) -> None:
    id_ = await shop.send()
    async with shop.bot(credit=1) as bot:
        assert (await bot.failed(await bot.task(), error="not there", retry=False))[
            "state"
        ] == "dead"
    job, message = await shop.job(id_), await shop.message(id_)
    assert (job.state, job.error, job.awaits) == ("dead", "not there", None)
    assert (message.status, message.error) == ("failed", "not there")
    assert shop.events == ["job_queued", "job_dead", "message_failed"]


async def test_what_nobody_knows_of_is_never_tried_again(shop: Shop) -> None:
    id_ = await shop.send()
    async with shop.bot(credit=1) as bot:
        settled = await bot.failed(await bot.task(), error="died while sending", uncertain=True)
        assert settled["state"] == "dead"
        assert await bot.idle()
    [attempt] = await shop.attempts(id_)
    assert attempt.outcome == "uncertain"
    message = await shop.message(id_)
    assert message.status == "failed"
    assert str(message.error).startswith("uncertain: died while sending")


async def test_an_answer_twice_is_settled_twice_and_counts_once(shop: Shop) -> None:
    id_ = await shop.send()
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        first = await bot.done(task, "wamid-1")
        assert await bot.done(task, "wamid-2") == first
        assert (await bot.failed(task))["state"] == "succeeded"
    assert (await shop.message(id_)).provider_id == "wamid-1"
    assert shop.events.count("message_sent") == 1


async def test_an_answer_of_another_attempt_does_not_count(shop: Shop) -> None:
    id_ = await shop.send()
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        for attempt in (1, 3):
            refused = await bot.done(task | {"attempt": attempt})
            assert (refused["type"], refused["code"], refused["id"]) == (
                "error", "stale_attempt", id_,
            )  # fmt: skip
            assert refused["retry"] is False
        assert (await bot.done(task))["state"] == "succeeded"


async def test_refs_are_given_back(shop: Shop) -> None:
    await shop.send()
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        await bot.say("done", task, ref="mine")
        assert (await bot.answered(task))["ref"] == "mine"


@pytest.mark.parametrize(
    "result", [{"messageId": "x\0"}, {"n": 10**400}, {"a": {}}], ids=["nul", "huge", "deep"]
)
async def test_a_result_that_cannot_be_kept_is_refused(shop: Shop, result: dict[str, Any]) -> None:
    id_ = await shop.send()
    inner: dict[str, Any] = {}
    for _ in range(40):
        inner = {"a": inner}
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        await bot.say("done", task, result=inner if "a" in result else result)
        refused = await bot.socket.next(type="error")
        assert refused["code"] in ("invalid_params", "bad_frame")
        assert (await bot.done(task, "good"))["state"] == "succeeded"
    assert (await shop.message(id_)).provider_id == "good"


async def test_progress_is_seen_and_written(shop: Shop) -> None:
    id_ = await shop.send()
    async with (
        connect(shop.hub, shop.hub.keys["viewer"], query="types=job_*") as viewer,
        shop.bot(credit=1) as bot,
    ):
        await viewer.next(type="live")
        task = await bot.task()
        started = await viewer.next(type="job_started")
        assert (started["volatile"], started["data"]["attempt"]) == (True, 2)
        await bot.say("progress", task, percent=40, note="uploading")
        told = await viewer.next(type="job_progressed")
        assert (told["data"]["progress"], told["data"]["note"]) == (40, "uploading")
        for _ in range(40):
            if (await shop.job(id_)).progress == 40:
                break
            assert await bot.socket.silent(0.05, type="error")
        assert (await shop.job(id_)).note == "uploading"
        await bot.done(task)


# ── message rows ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", ["event", "done"])
async def test_a_bot_with_a_hook_of_its_own_leaves_one_message(shop: Shop, first: str) -> None:
    """Its library publishes what is sent on its line, the hub's own messages too."""
    id_ = await shop.send(to="263771234", text="hello")
    data = {"messageId": "wamid-1", "toPhone": "263771234@s.whatsapp.net", "text": "hello"}
    async with shop.bot(credit=1) as bot:
        task = await bot.task()

        async def publish() -> None:
            for type_ in ("message_sent", "message_delivered"):
                await bot.socket.send({"type": type_, "data": data})
                await bot.socket.next(type="ack")

        if first == "event":
            await publish()
            await bot.done(task, "wamid-1")
        else:
            await bot.done(task, "wamid-1")
            await publish()
        await bot.socket.send({"type": "call", "method": "messages.list", "params": {}})
        listed = (await bot.socket.next(type="reply"))["result"]["messages"]
        assert [(m["id"], m["status"], m["provider_id"]) for m in listed] == [
            (id_, "delivered", "wamid-1")
        ]
        await bot.socket.send({"type": "call", "method": "conversations.list", "params": {}})
        [talk] = (await bot.socket.next(type="reply"))["result"]["conversations"]
        assert talk["count"] == 1


async def test_a_gateways_id_belongs_to_one_message(shop: Shop) -> None:
    one, two = await shop.send(to="263771"), await shop.send(to="263772")
    async with shop.bot(credit=2) as bot:
        for task in await bot.tasks(2):
            assert (await bot.done(task, "the same"))["state"] == "succeeded"
    provider_ids = [(await shop.message(id_)).provider_id for id_ in (one, two)]
    assert provider_ids == ["the same", None]


async def test_a_message_without_a_gateways_id_is_sent_too(shop: Shop) -> None:
    id_ = await shop.send()
    async with shop.bot(credit=1) as bot:
        task = await bot.task()
        await bot.say("done", task)
        assert (await bot.answered(task))["state"] == "succeeded"
    message = await shop.message(id_)
    assert (message.status, message.provider_id) == ("sent", None)
