"""A bot over connections and attempts that end: no task is lost, no message is sent twice."""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hub.client import Bot, JournalError, JournalInUse, JournalMismatch, NotSent, Task, TaskOver
from hub.client.journal_file import JournalFile, Record
from hub.protocol.times import format_ms
from tests.client.answering import client
from tests.client.fake_hub import FakeConnection, FakeHub, Frame
from tests.client.fake_jobs import FakeJobs


def once(when: str) -> Any:
    """A cut of the connection at the first answer."""
    cuts = [when]
    return lambda _: cuts.pop() if cuts else None


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("grace", [0.0, 30.0])
async def test_an_answer_that_was_not_settled_is_given_again(when: str, grace: float) -> None:
    jobs, sent = FakeJobs(1, grace=grace), []

    async def handler(task: Task) -> None:
        async def call() -> str:
            sent.append(task.message_id)
            return "wa-1"

        await task.send(call)

    async with (
        FakeHub(jobs.script(once(when)), jobs.script()) as fake,
        client(fake) as hub,
        hub.bot() as bot,
    ):
        running = asyncio.create_task(bot.run(handler))
        await jobs.over()
        bot.stop()
        await running
    assert fake.handshakes == 2
    (answer,) = jobs.jobs["j0"].answers
    assert answer["result"] == {"messageId": "wa-1"}
    assert sent == ["m0"]
    assert [{"job": "j0", "attempt": 1}] in [ready["resume"] for ready in jobs.ready]


async def test_a_task_goes_on_over_a_reconnect_and_a_new_attempt_finds_it() -> None:
    jobs, go_on, sent, attempts = FakeJobs(1, grace=0.0), asyncio.Event(), [], []

    async def handler(task: Task) -> None:
        attempts.append(task.attempt)

        async def call() -> str:
            await go_on.wait()
            sent.append(task.message_id)
            return "wa-1"

        await task.send(call)
        attempts.append(task.attempt)

    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot() as bot:
        running = asyncio.create_task(bot.run(handler))
        await jobs.over("running")
        await asyncio.sleep(0.05)
        fake.connections[0].cut()
        async with asyncio.timeout(5):
            while jobs.jobs["j0"].attempt < 2:
                await asyncio.sleep(0.01)
        go_on.set()
        await jobs.over()
        bot.stop()
        await running
    assert sent == ["m0"]
    assert attempts == [1, 2]
    assert jobs.jobs["j0"].answers[0]["attempt"] == 2


async def test_a_stale_answer_is_kept_for_the_attempt_that_follows() -> None:
    jobs, sent = FakeJobs(1), []

    async def handler(task: Task) -> None:
        async def call() -> str:
            sent.append(task.message_id)
            jobs.jobs["j0"].attempt += 1  # the hub has given this attempt up just now
            return "wa-1"

        await task.send(call)

    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot() as bot:
        running = asyncio.create_task(bot.run(handler))
        async with asyncio.timeout(5):
            while not jobs.stale:
                await asyncio.sleep(0.01)
        await jobs.lose(jobs.jobs["j0"])
        await jobs.over()
        bot.stop()
        await running
    assert sent == ["m0"]
    assert jobs.jobs["j0"].answers[0]["attempt"] == 3


async def test_an_attempt_that_failed_unheard_is_done_again() -> None:
    jobs, attempts = FakeJobs(1, grace=0.0), []

    async def handler(task: Task) -> str:
        attempts.append(task.attempt)
        if len(attempts) == 1:
            raise NotSent("not yet")
        return "wa"

    async with (
        FakeHub(jobs.script(once("before")), jobs.script()) as fake,
        client(fake) as hub,
        hub.bot() as bot,
    ):
        running = asyncio.create_task(bot.run(handler))
        await jobs.over()
        bot.stop()
        await running
    assert attempts == [1, 2]


async def test_unavailable_is_answered_again() -> None:
    frames: list[Frame] = []

    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.receive()
        await connection.send(FakeJobs(1).jobs["j0"].frame() | {"attempt": 1})
        for code in ("unavailable", "internal", None):
            frame = await answer_of(connection)
            frames.append(frame)
            if code:
                refusal = {"code": code, "message": "", "retry": True, "ref": frame["ref"]}
                await connection.send({"type": "error", **refusal})
        await connection.send(settled("succeeded"))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub, hub.bot() as bot:
        await (await anext(bot)).done({"x": 1})
    assert frames[0] == frames[1] == frames[2]


async def answer_of(connection: FakeConnection) -> Frame:
    while (frame := await connection.receive())["type"] == "ready":
        pass
    return frame


def settled(state: str, attempt: int = 1) -> Frame:
    return {"type": "settled", "job": "j0", "attempt": attempt, "state": state}


async def test_a_result_that_the_hub_refuses_is_left_out() -> None:
    results = []

    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.receive()
        await connection.send(FakeJobs(1).jobs["j0"].frame() | {"attempt": 1})
        for code in ("too_large", None):
            frame = await answer_of(connection)
            results.append(frame["result"])
            if code:
                refusal = {"code": code, "message": "", "retry": False, "ref": frame["ref"]}
                await connection.send({"type": "error", **refusal})
        await connection.send(settled("succeeded"))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub, hub.bot() as bot:
        await (await anext(bot)).done({"x": "y" * 1000})
    assert results == [{"x": "y" * 1000}, {}]


async def test_a_deadline_that_passes_in_the_hands_of_the_bot_is_not_begun() -> None:
    jobs, errors = FakeJobs(2), []

    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.receive()
        soon = format_ms(int(time.time() * 1000) + 200)
        await connection.send(*(job.frame(soon) | {"attempt": 1} for job in jobs.jobs.values()))
        for _ in range(2):
            frame = await answer_of(connection)
            errors.append(frame["error"])
            job = {"job": frame["job"], "attempt": 1, "state": "retrying"}
            await connection.send({"type": "settled", **job})
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub, hub.bot() as bot:
        task = await anext(bot)
        await asyncio.sleep(0.4)
        waiting = asyncio.create_task(anext(bot))
        await asyncio.sleep(0.05)
        with pytest.raises(TaskOver, match="deadline"):
            async with task.sending():
                pytest.fail("it was sent")
        await task.fail("too late")
        bot.stop()
        with pytest.raises(StopAsyncIteration):
            await waiting
    assert sorted(errors) == ["its deadline passed before the bot could begin it", "too late"]


async def test_a_clock_that_is_wrong_leaves_deadlines_to_the_hub() -> None:
    async def script(connection: FakeConnection) -> None:
        await connection.hello()
        await connection.receive()
        past = "2001-01-01T00:00:00.000Z"
        await connection.send(FakeJobs(1).jobs["j0"].frame(past) | {"attempt": 1})
        assert (await answer_of(connection))["type"] == "done"
        await connection.send(settled("succeeded"))
        await connection.until_closed()

    async with FakeHub(script) as fake, client(fake) as hub, hub.bot() as bot:
        await (await anext(bot)).done()


async def test_leaving_does_not_tear_what_is_being_written_down(tmp_path: Path) -> None:
    """What is on its way to the journal is a call already: it comes to its end."""
    jobs, sent = FakeJobs(1), []

    async def call() -> str:
        sent.append(1)
        return "wa"

    async with FakeHub(jobs.script()) as fake, client(fake) as hub:
        async with hub.bot(journal=tmp_path / "j") as bot:
            task = await anext(bot)
            sending = asyncio.create_task(task.send(call))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="leaving the block"):
                await task.fail("no")
            with pytest.raises(RuntimeError, match="leaving the block"):
                await task.send(call)
        assert await sending == {"messageId": "wa"}
    assert sent == [1]
    assert jobs.jobs["j0"].answers[0]["type"] == "done"


# ── the journal ──────────────────────────────────────────────────────────────────────────────


async def test_what_the_journal_calls_sent_is_settled_without_a_second_call(tmp_path: Path) -> None:
    jobs, path, sent = FakeJobs(1, grace=0.0), tmp_path / "bot.journal", []

    async def call() -> str:
        sent.append(1)
        return "wa-1"

    # The first bot sends, and is gone before the hub hears of it.
    async with (
        FakeHub(jobs.script(lambda _: "before")) as fake,
        client(fake) as hub,
        hub.bot(journal=path, closing=0.2) as bot,
    ):
        await (await anext(bot)).send(call)
    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot(journal=path) as bot:
        await jobs.over()
    assert sent == [1]
    (answer,) = jobs.jobs["j0"].answers
    assert answer["result"] == {"messageId": "wa-1"}
    file = JournalFile(path)
    assert (file.entries, file.merchant_id) == ({}, "m1")
    file.close()


def left_behind(path: Path, state: str) -> None:
    """A journal as a bot leaves it that dies."""
    file = JournalFile(path)
    at = "2026-11-22T10:00:00.000Z"
    line = Record("m0", "j0", 1, state, at, note={"chat": "c"})  # type: ignore[arg-type]
    file.write("m1", [line], [line])
    file.close()


@pytest.mark.parametrize("redelivered", [False, True])
async def test_a_death_inside_the_call_is_uncertain(tmp_path: Path, redelivered: bool) -> None:
    path, jobs = tmp_path / "bot.journal", FakeJobs(1)
    left_behind(path, "sending")
    job = jobs.jobs["j0"]
    # Either the hub still waits for this bot, or it has begun to hand out the next attempt.
    job.attempt, job.state = 1, "queued" if redelivered else "running"
    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot(journal=path):
        await jobs.over()
    (answer,) = job.answers
    assert answer["attempt"] == (2 if redelivered else 1)
    assert (answer["uncertain"], answer["retry"]) == (True, False)
    assert answer["error"] == "the bot died inside the gateway's call"


@pytest.mark.parametrize("found", ["wa-1", NotSent("not there")])
async def test_after_a_death_the_gateway_is_asked(tmp_path: Path, found: Any) -> None:
    path, jobs, asked, sent = tmp_path / "bot.journal", FakeJobs(1), [], []
    left_behind(path, "sending")
    jobs.jobs["j0"].attempt, jobs.jobs["j0"].state = 1, "running"

    async def resolve(doubt: Any) -> object:
        asked.append((doubt.message_id, doubt.at, doubt.note))
        if isinstance(found, Exception):
            raise found
        return found

    async def handler(task: Task) -> None:
        async def call() -> str:
            sent.append(task.attempt)
            return "wa-2"

        await task.send(call)

    async with (
        FakeHub(jobs.script()) as fake,
        client(fake) as hub,
        hub.bot(journal=path, resolve=resolve) as bot,
    ):
        running = asyncio.create_task(bot.run(handler))
        await jobs.over()
        bot.stop()
        await running
    assert asked == [("m0", "2026-11-22T10:00:00.000Z", {"chat": "c"})]
    result = jobs.jobs["j0"].answers[-1]["result"]
    assert (result, sent) == (
        ({"messageId": "wa-1"}, []) if found == "wa-1" else ({"messageId": "wa-2"}, [2])
    )


async def test_what_the_hub_does_not_know_any_more_is_forgotten(tmp_path: Path) -> None:
    path, jobs = tmp_path / "bot.journal", FakeJobs(0)
    left_behind(path, "sent")
    async with FakeHub(jobs.script()) as fake, client(fake) as hub, hub.bot(journal=path):
        pass
    file = JournalFile(path)
    assert file.entries == {}
    file.close()


async def test_a_journal_has_one_bot_and_one_merchant(tmp_path: Path) -> None:
    path, jobs = tmp_path / "bot.journal", FakeJobs(0)
    left_behind(path, "sent")
    script = jobs.script(merchant_id="other")
    async with FakeHub(script) as fake, client(fake) as hub, hub.bot(journal=path) as bot:
        with pytest.raises(JournalInUse):
            await hub.bot(journal=path).__aenter__()
        with pytest.raises(JournalMismatch, match="merchant m1, and this key to other"):
            await anext(bot)
    with pytest.raises(JournalError, match="cannot be opened: No such file"):
        async with FakeHub(script) as fake, client(fake) as hub, hub.bot(journal="/no/where/j"):
            pass


@pytest.mark.parametrize("in_run", [False, True])
async def test_a_journal_that_cannot_be_written_stops_the_bot_before_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_run: bool
) -> None:
    jobs, sent = FakeJobs(3), []

    async def call() -> None:
        sent.append(1)

    async def handler(task: Task) -> None:
        await task.send(call)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async def loop(bot: Bot) -> None:
        async for task in bot:
            await handler(task)

    async with (
        FakeHub(jobs.script()) as fake,
        client(fake) as hub,
        hub.bot(journal=tmp_path / "j", credit=1) as bot,
    ):
        monkeypatch.setattr("os.write", full)
        with pytest.raises(JournalError, match="No space left"):
            await (bot.run(handler) if in_run else loop(bot))
        monkeypatch.undo()
    assert sent == []
    assert [job.attempt for job in jobs.jobs.values()] == [1, 0, 0]


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_sent_twice_through_any_cuts(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    jobs, sent = FakeJobs(200, grace=0.02, tries=50), Counter[str]()

    def unlucky(_: Frame) -> str | None:
        return rng.choice(["before", "after"]) if rng.random() < 0.05 else None

    async def handler(task: Task) -> None:
        async def call() -> str:
            await asyncio.sleep(rng.random() * 0.01)
            sent[task.message_id] += 1
            return f"wa-{task.message_id}"

        if rng.random() < 0.1:
            raise LookupError("not yet")
        await task.send(call)

    async with (
        FakeHub(jobs.script(unlucky)) as fake,
        client(fake) as hub,
        hub.bot(journal=tmp_path / "j") as bot,
    ):
        running = asyncio.create_task(bot.run(handler))
        await jobs.over()
        bot.stop()
        await running
        assert fake.handshakes > 3
    assert {job.state for job in jobs.jobs.values()} == {"succeeded"}
    assert sent == Counter({f"m{n}": 1 for n in range(200)})
    for job in jobs.jobs.values():
        assert job.answers[-1]["result"] == {"messageId": f"wa-{job.message_id}"}
