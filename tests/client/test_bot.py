"""A bot and its tasks: one answer each, whatever the gateway and the handler do."""

import asyncio
from typing import Any

import pytest

from hub.client import Bot, NotSent, Task, TaskOver
from hub.protocol.errors import Forbidden
from tests.client.answering import client
from tests.client.fake_hub import FakeConnection, FakeHub, error
from tests.client.fake_jobs import FakeJobs


class Gateway:
    """Sends nothing, and counts it."""

    def __init__(self, *failures: BaseException | None) -> None:
        self.sent: list[tuple[str, Any]] = []
        self._failures = list(failures)

    async def send(self, to: str, message: Any) -> str:
        failure = self._failures.pop(0) if self._failures else None
        if failure is not None:
            raise failure
        self.sent.append((to, message))
        return f"wa-{len(self.sent)}"


async def test_tasks_are_taken_sent_and_settled() -> None:
    jobs, gateway = FakeJobs(5), Gateway()
    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot(credit=2) as bot:
        seen = []
        async for task in bot:
            seen.append((task.name, task.job, task.attempt, task.message_id, task.text))
            assert (task.to, task.chat, task.format) == ("263771234567", None, "baileys")
            assert task.data["messageId"] == task.message_id
            assert await task.send(gateway.send, task.to, task.message) == {
                "messageId": f"wa-{len(seen)}"
            }
            if len(seen) == 5:
                bot.stop()
        await jobs.over()
    assert seen == [("send", f"j{n}", 1, f"m{n}", f"hello j{n}") for n in range(5)]
    assert [sent for _, sent in gateway.sent] == [{"text": f"hello j{n}"} for n in range(5)]
    assert [j.answers[0]["result"] for j in jobs.jobs.values()] == [
        {"messageId": f"wa-{n}"} for n in range(1, 6)
    ]
    assert jobs.most == 2
    first, *_, last = jobs.ready
    assert (first["queues"], first["credit"]) == (["message_sending"], 2)
    assert (first["format"], first["resume"]) == ("baileys", [])
    assert last["credit"] == 0


async def test_run_does_up_to_the_credit_at_once() -> None:
    jobs, together, most = FakeJobs(30), 0, 0

    async def handler(task: Task) -> dict[str, str]:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0.01)
        together -= 1
        return {"messageId": task.message_id}

    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot(credit=7) as bot:
        running = asyncio.create_task(bot.run(handler))
        await jobs.over()
        bot.stop()
        await running
    assert most == jobs.most == 7
    assert {job.state for job in jobs.jobs.values()} == {"succeeded"}
    assert jobs.jobs["j3"].answers[0]["result"] == {"messageId": "m3"}


async def test_several_loops_share_the_tasks() -> None:
    jobs = FakeJobs(20)
    takers: list[list[str]] = [[], [], []]

    async def call(task: Task) -> str:
        await asyncio.sleep(0.01)
        return task.message_id

    async def loop(bot: Bot, taken: list[str]) -> None:
        async for task in bot:
            await task.send(call, task)
            taken.append(task.job)

    async with (
        FakeHub(jobs.script()) as fake,
        client(fake) as hub,
        hub.bot(credit=3) as bot,
        asyncio.TaskGroup() as group,
    ):
        for taken in takers:
            group.create_task(loop(bot, taken))
        await jobs.over()
        bot.stop()
    assert sorted(job for taken in takers for job in taken) == sorted(jobs.jobs)
    assert all(takers)


async def run_one(
    handler: Any, *, tries: int = 3, options: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Let a handler do one job until it has ended; the answers that counted."""
    jobs = FakeJobs(1, tries=tries)
    async with (
        FakeHub(jobs.script()) as fake,
        client(fake) as hub,
        hub.bot(**(options or {})) as bot,
    ):
        running = asyncio.create_task(bot.run(handler))
        await jobs.over()
        bot.stop()
        await running
    return jobs.jobs["j0"].answers


async def test_a_handler_that_raises_has_failed_and_the_task_comes_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts = []

    async def handler(task: Task) -> None:
        attempts.append(task.attempt)
        raise LookupError("no such template")

    answers = await run_one(handler)
    assert attempts == [1, 2, 3]
    assert [a["error"] for a in answers] == ["LookupError: no such template"] * 3
    assert [(a["retry"], a["uncertain"]) for a in answers] == [(True, False)] * 3
    assert "its handler raised LookupError" in caplog.text


async def test_a_task_fails_for_good() -> None:
    async def handler(task: Task) -> None:
        await task.fail("blocked by the customer", retry=False)

    (answer,) = await run_one(handler)
    assert answer["type"] == "failed"
    assert (answer["error"], answer["retry"]) == ("blocked by the customer", False)


@pytest.mark.parametrize(
    ("failure", "options", "retried", "told"),
    [
        (NotSent("no such number", retry=False), {}, False, "no such number"),
        (NotSent("not connected"), {}, True, "not connected"),
        (LookupError("400"), {"not_sent": [LookupError]}, True, "LookupError: 400"),
    ],
)
async def test_what_was_certainly_not_sent_may_be_tried_again(
    failure: Exception, options: dict[str, Any], retried: bool, told: str
) -> None:
    gateway = Gateway(failure)

    async def handler(task: Task) -> None:
        await task.send(gateway.send, task.to, task.message)

    answers = await run_one(handler, options=options)
    assert (answers[0]["error"], answers[0]["uncertain"]) == (told, False)
    assert len(gateway.sent) == (1 if retried else 0)
    assert [a["type"] for a in answers] == ["failed", "done"][: 1 + retried]


async def test_whatever_else_ends_a_call_leaves_it_uncertain_and_is_not_tried_again() -> None:
    gateway = Gateway(TimeoutError("no answer"))
    returned = []

    async def handler(task: Task) -> None:
        returned.append(await task.send(gateway.send, task.to, task.message))

    (answer,) = await run_one(handler)
    assert (answer["uncertain"], answer["retry"]) == (True, False)
    assert answer["error"] == "TimeoutError: no answer"
    assert (gateway.sent, returned) == ([], [None])


async def test_an_exception_inside_the_block_goes_on_and_the_task_is_uncertain() -> None:
    caught = []

    async def handler(task: Task) -> None:
        try:
            async with task.sending():
                raise OSError("reset")
        except OSError as error:
            caught.append(str(error))
            with pytest.raises(RuntimeError, match="answered already"):
                await task.done()

    (answer,) = await run_one(handler)
    assert answer["uncertain"] is True
    assert caught == ["reset"]


@pytest.mark.parametrize("found", ["wa-9", None, NotSent("not in the chat"), OSError("down")])
async def test_the_gateway_is_asked_about_what_is_uncertain(found: Any) -> None:
    gateway = Gateway(TimeoutError("no answer"))
    asked = []

    async def resolve(doubt: Any) -> object:
        asked.append(doubt)
        if isinstance(found, Exception):
            raise found
        return found

    async def handler(task: Task) -> None:
        try:
            async with task.sending(note={"chat": "c7"}) as call:
                call.result = {"messageId": await gateway.send(task.to, task.message)}
        except TimeoutError:
            assert found != "wa-9"

    first, *more = await run_one(handler, options={"resolve": resolve})
    assert (asked[0].message_id, asked[0].job, asked[0].note) == ("m0", "j0", {"chat": "c7"})
    assert asked[0].error == "TimeoutError: no answer"
    if found == "wa-9":
        assert (first["type"], first["result"]) == ("done", {"messageId": "wa-9"})
        assert gateway.sent == []
    elif found is None:
        assert first["error"] == "TimeoutError: no answer"
    elif isinstance(found, NotSent):
        assert first["error"] == "TimeoutError: no answer; not sent: not in the chat"
        assert (first["uncertain"], first["retry"]) == (False, True)
        assert [a["type"] for a in more] == ["done"]
        assert len(gateway.sent) == 1
    else:
        assert first["uncertain"] is True
        assert first["error"].endswith("; resolve failed: OSError: down")


async def test_a_result_without_a_json_form_is_left_out_and_the_message_counts_as_sent() -> None:
    async def handler(task: Task) -> None:
        async with task.sending() as call:
            call.result = {"messageId": object()}

    (answer,) = await run_one(handler)
    assert (answer["type"], answer["result"]) == ("done", {})


async def test_a_task_is_answered_once() -> None:
    async def handler(task: Task) -> None:
        async with task.sending():
            with pytest.raises(RuntimeError, match="leaving the block"):
                await task.fail("no")
            with pytest.raises(RuntimeError, match="leaving the block"):
                await task.send(handler)
        for again in (task.done(), task.fail("x"), task.send(handler)):
            with pytest.raises(RuntimeError, match="answered already"):
                await again

    (answer,) = await run_one(handler)
    assert answer["type"] == "done"


async def test_progress_is_shown_the_last_one_of_many() -> None:
    jobs = FakeJobs(1)

    async def handler(task: Task) -> None:
        for percent in range(100):
            await task.progress(percent, "x" * 1000)
        await asyncio.sleep(0.2)
        with pytest.raises(ValueError, match="percentage"):
            await task.progress(101)

    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot() as bot:
        running = asyncio.create_task(bot.run(handler))
        await jobs.over()
        bot.stop()
        await running
    shown = jobs.jobs["j0"].progress
    assert len(shown) <= 3
    assert (shown[-1]["percent"], shown[-1]["note"]) == (99, "x" * 500)


async def test_a_cancelled_task_ends_where_it_is() -> None:
    jobs, begun, ended = FakeJobs(1), asyncio.Event(), []

    async def handler(task: Task) -> None:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(task.over)

    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot() as bot:
        running = asyncio.create_task(bot.run(handler))
        await begun.wait()
        await jobs.cancel(jobs.jobs["j0"])
        async with asyncio.timeout(5):
            while not ended:
                await asyncio.sleep(0.01)
        bot.stop()
        await running
    assert ended == ["the hub says that the job is cancelled"]
    assert jobs.jobs["j0"].answers == []


async def test_a_cancelled_task_is_not_torn_out_of_the_gateways_call() -> None:
    jobs, begun, go_on, ended = FakeJobs(1), asyncio.Event(), asyncio.Event(), []

    async def call() -> str:
        begun.set()
        await go_on.wait()
        ended.append(True)
        return "wa-1"

    async def handler(task: Task) -> None:
        await task.send(call)

    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot() as bot:
        running = asyncio.create_task(bot.run(handler))
        await begun.wait()
        await jobs.cancel(jobs.jobs["j0"])
        await asyncio.sleep(0.1)
        assert not running.done()
        go_on.set()
        bot.stop()
        await running
    assert ended == [True]


async def test_in_a_loop_a_cancelled_task_is_not_sent() -> None:
    jobs, gateway = FakeJobs(1), Gateway()
    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot() as bot:
        async for task in bot:
            await jobs.cancel(jobs.jobs["j0"])
            while not task.over:
                await asyncio.sleep(0.01)
            with pytest.raises(TaskOver, match="cancelled"):
                await task.progress(1)
            assert await task.send(gateway.send, task.to, task.message) is None
            break
    assert gateway.sent == []


async def test_leaving_ends_calls_and_gives_the_rest_back() -> None:
    jobs, calling = FakeJobs(6), asyncio.Event()

    async def call() -> str:
        calling.set()
        await asyncio.sleep(0.2)
        return "wa"

    async with FakeHub(jobs.script()) as fake, client(fake) as hub:
        async with asyncio.TaskGroup() as group, hub.bot(credit=3) as bot:
            first = await anext(bot)
            await anext(bot)
            group.create_task(first.send(call))
            await calling.wait()
        answers = [job.answers for job in jobs.jobs.values()]
    assert answers[0][0]["result"] == {"messageId": "wa"}
    assert answers[1][0]["error"] == "the bot left before it was done"
    assert answers[2][0]["error"] == "the bot is leaving; it has not begun this"
    assert answers[3:] == [[], [], []]


async def test_a_cancelled_run_lets_calls_end() -> None:
    jobs, calling, idle = FakeJobs(2), asyncio.Event(), asyncio.Event()

    async def call() -> str:
        calling.set()
        await asyncio.sleep(0.2)
        return "wa"

    async def handler(task: Task) -> None:
        if task.job == "j0":
            await task.send(call)
        else:
            idle.set()
            await asyncio.sleep(30)

    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot() as bot:
        running = asyncio.create_task(bot.run(handler))
        await calling.wait()
        await idle.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert jobs.jobs["j0"].state == "succeeded"
    assert jobs.jobs["j1"].answers[0]["error"] == "the bot was stopped; nothing was sent"


async def test_leaving_does_not_wait_for_ever() -> None:
    jobs = FakeJobs(1)

    async def call() -> None:
        await asyncio.sleep(30)

    async with FakeHub(jobs.script()) as fake, client(fake) as hub:
        async with hub.bot(closing=0.1) as bot:
            task = await anext(bot)
            sending = asyncio.create_task(task.send(call))
            await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_the_hub_may_want_no_bot() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.hello(role="viewer")
        assert (await connection.receive())["type"] == "unsubscribe"
        ready = await connection.receive()
        await connection.send(error(ready | {"id": None}, "forbidden", "a viewer takes no tasks"))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub, hub.bot() as bot:
        with pytest.raises(Forbidden, match="a viewer takes no tasks"):
            await anext(bot)


async def test_a_task_that_cannot_be_read_is_refused() -> None:
    jobs = FakeJobs(1)
    jobs.jobs["j0"].message_id = 7  # type: ignore[assignment]
    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot():
        await jobs.over()
    (answer,) = jobs.jobs["j0"].answers
    assert answer["error"].startswith("this client cannot read the task")
    assert answer["retry"] is False


async def test_mistakes_are_told() -> None:
    async with FakeHub(FakeJobs().script()) as fake, client(fake) as hub:
        with pytest.raises(ValueError, match="1 to 1000"):
            hub.bot(credit=0)
        with pytest.raises(TypeError, match="list"):
            hub.bot(queues="message_sending")
        bot = hub.bot()
        async with bot:
            with pytest.raises(RuntimeError, match="once"):
                await bot.__aenter__()
