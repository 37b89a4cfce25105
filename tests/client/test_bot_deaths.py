"""A bot that is killed: none of its messages is lost, none is sent twice."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from tests.client.fake_hub import KEY, FakeHub
from tests.client.fake_jobs import FakeJobs
from tests.client.mortal import Lives


def outcomes(jobs: FakeJobs) -> dict[str, str]:
    """By message: `sent`, `uncertain`, or what else became of it."""
    found = {}
    for job in jobs.jobs.values():
        last: dict[str, Any] = job.answers[-1] if job.answers else {}
        known = {"done": "sent", "failed": "uncertain" if last.get("uncertain") else "failed"}
        found[job.message_id] = known.get(last.get("type", ""), job.state)
    return found


@pytest.mark.parametrize(
    ("dies", "count", "outcome", "times"),
    [
        ("before", 1, "sent", 1),
        ("inside", 1, "uncertain", 0),
        ("sent", 1, "uncertain", 1),
        # The first fsync is of the journal's directory, when the file is made.
        ("synced", 2, "uncertain", 0),
        ("synced", 3, "sent", 1),
        ("synced", 4, "sent", 1),
    ],
)
async def test_wherever_it_dies(
    tmp_path: Path, dies: str, count: int, outcome: str, times: int
) -> None:
    jobs = FakeJobs(1, grace=0.2)
    async with FakeHub(jobs.script()) as fake:
        lives = Lives(tmp_path, fake.url, KEY)
        await lives.die(dies, count)
        async with lives.life():
            await jobs.over()
            await jobs.readied(2)
    assert outcomes(jobs) == {"m0": outcome}
    assert lives.sent["m0"] == times


async def test_two_processes_cannot_share_a_journal(tmp_path: Path) -> None:
    jobs = FakeJobs(1)
    async with FakeHub(jobs.script()) as fake:
        lives = Lives(tmp_path, fake.url, KEY)
        async with lives.life():
            await jobs.over()
            async with lives.life() as second:
                assert second.stderr is not None
                err = (await second.stderr.read()).decode()
                assert await second.wait() == 1
    assert "in use by another bot; each needs its own" in err
    assert lives.sent == {"m0": 1}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_killed_again_and_again_it_sends_each_message_once(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    jobs = FakeJobs(1000, grace=0.1, tries=100)
    async with FakeHub(jobs.script()) as fake:
        lives = Lives(tmp_path, fake.url, KEY, delay=0.01)
        for _ in range(8):
            async with lives.life() as process:
                await asyncio.sleep(0.5 + rng.random() * 0.5)
                process.kill()
                await process.communicate()
        async with lives.life():
            await jobs.over()
    found = outcomes(jobs)
    sent, uncertain = (
        [id_ for id_, outcome in found.items() if outcome == wanted]
        for wanted in ("sent", "uncertain")
    )
    assert len(sent) + len(uncertain) == 1000
    # No more can be inside the call at a death than the bot takes at once.
    assert len(uncertain) <= 8 * 10
    assert all(lives.sent[id_] == 1 for id_ in sent)
    assert all(lives.sent[id_] <= 1 for id_ in uncertain)
