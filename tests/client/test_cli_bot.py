"""`hub bot`: the example of a bot, as a command."""

import asyncio
import signal
from pathlib import Path

from hub.client.terminal import message_line
from tests.client.command import hub, line, run
from tests.client.fake_hub import KEY, FakeHub
from tests.client.fake_jobs import FakeJobs


async def test_it_prints_what_it_is_to_send(tmp_path: Path) -> None:
    jobs = FakeJobs(2)
    async with (
        FakeHub(jobs.script()) as fake,
        hub("bot", "--journal", "j", cwd=tmp_path, HUB_KEY=KEY, HUB_URL=fake.url) as process,
    ):
        shown = [await line(process) for _ in range(2)]
        await jobs.over()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"hub: ready for 10 messages at once\n")
    assert shown[0] == {
        "job": "j0",
        "attempt": 1,
        "message_id": "m0",
        "to": "263771234567",
        "text": "hello j0",
        "message": {"text": "hello j0"},
    }
    (answer,) = jobs.jobs["j0"].answers
    assert answer["result"]["messageId"].startswith("pretended-")
    assert (tmp_path / "j").stat().st_size > 0


async def test_ctrl_c_lets_what_is_being_sent_come_to_its_end(tmp_path: Path) -> None:
    jobs = FakeJobs(1)
    async with (
        FakeHub(jobs.script()) as fake,
        hub("bot", "--delay", "0.5", HUB_KEY=KEY, HUB_URL=fake.url) as process,
    ):
        await jobs.over("running")
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            _, err = await process.communicate()
    assert process.returncode == 130
    assert jobs.jobs["j0"].state == "succeeded"
    assert b"without --journal" in err


async def test_it_ends_when_nobody_reads_any_more() -> None:
    jobs = FakeJobs(0)
    async with (
        FakeHub(jobs.script()) as fake,
        hub("bot", HUB_KEY=KEY, HUB_URL=fake.url) as process,
    ):
        await jobs.readied(1)
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            assert await process.wait() == 0


async def test_mistakes_are_answered_by_a_sentence(tmp_path: Path) -> None:
    secret = tmp_path / "bot.key"
    secret.write_text(KEY)
    for arguments, told in (
        (["--credit", "0"], "a bot takes 1 to 1000 tasks at once, not 0"),
        (["--journal", str(secret)], f"{secret} is not a bot's journal"),
        (["--journal", "/no/where/j"], "cannot be opened: No such file or directory"),
    ):
        code, out, err = await run("bot", *arguments, HUB_KEY=KEY, HUB_URL="http://127.0.0.1:1")
        assert (code, out) == (1, "")
        assert told in err
        assert "Traceback" not in err
    assert secret.read_text() == KEY


def test_a_message_fits_the_terminal_and_is_no_command_to_it() -> None:
    shown = message_line("263771234567", "a\nb\x1b[2J" + "x" * 500, colour=False, width=80)
    assert len(shown) == 80
    assert "263771234567  a ⏎ b\\x1b[2Jxxx" in shown
    assert shown.endswith("…")
