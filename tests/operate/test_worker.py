"""`run.py worker`: beside hubs on the same Postgres and Redis, or not at all."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms
from jobs.address import socket_url
from jobs.broker_program import find_program
from jobs.broker_server import Server
from storage import jobs, merchants, work
from storage.connect import connect as open_database
from storage.database import Transaction
from storage.merchant_records import Job, Queue
from storage.scope import HUB, Scope
from tests.support.command import Finished, run_py
from tests.support.hub_process import HubProcess
from tests.support.receiver import answering, in_turn, receiving, silent
from tests.support.rest import call, merchant_of
from tests.support.worker_process import WorkerProcess
from tests.support.ws import connect

Settings = dict[str, str]


@pytest.fixture
async def redis_url() -> AsyncIterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="hub-redis-"))
    server = Server(find_program(), folder)
    await server.start()
    yield socket_url(str(server.socket))
    await server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def shared(postgres_url: str, redis_url: str) -> Settings:
    """What a hub and its workers have in common."""
    return {
        "HUB_DATABASE_URL": postgres_url, "HUB_REDIS_URL": redis_url, "HUB_WORKERS": "none",
        "HUB_ADMIN_KEY": "an admin key for the hubs of this test",
    }  # fmt: skip


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A hub's directory and a worker's."""
    hub, worker = tmp_path / "hub", tmp_path / "worker"
    hub.mkdir()
    worker.mkdir()
    return hub, worker


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    database = await open_database(url)
    try:

        async def read(what: Callable[[Transaction], Awaitable[Any]], scope: Scope = HUB) -> Any:
            return await database.read(what, scope)

        yield read
    finally:
        await database.close()


async def add_job(
    url: str,
    name: str = "nothing",
    queue: Queue = "order_processing",
    args: dict[str, Any] | None = None,
) -> tuple[str, str]:
    """A job as it is when the broker has lost it: a row that waits. Its merchant and its id."""
    database = await open_database(url)
    now = format_ms(time.time_ns() // 1_000_000)
    try:
        [merchant, *_] = await database.read(lambda tx: merchants.page(tx, "", 1), HUB)
        job = Job(
            id=uuid7(), merchant_id=merchant.id, queue=queue, name=name, args=args or {},
            run_at=now, created_at=now, updated_at=now,
        )  # fmt: skip
        await database.write(lambda tx: jobs.insert(tx, job), Scope(merchant.id))
    finally:
        await database.close()
    return merchant.id, job.id


async def state_of(url: str, key: tuple[str, str], wanted: str, seconds: float = 15.0) -> Job:
    """The job, once it is in this state."""
    merchant, id_ = key
    deadline = time.monotonic() + seconds
    async with reading(url) as read:
        while True:
            job: Job = await read(lambda tx: jobs.get(tx, id_), Scope(merchant))
            if job.state == wanted:
                return job
            assert time.monotonic() < deadline, f"it is {job.state}"


async def living(url: str, count: int, seconds: float = 10.0) -> list[work.Worker]:
    """The workers that say so, once they are so many."""
    deadline = time.monotonic() + seconds
    async with reading(url) as read:
        while True:
            rows = [row for row in await read(work.workers) if row.kind == "worker" and row.queues]
            if len(rows) == count:
                return rows
            assert time.monotonic() < deadline, rows
            await asyncio.sleep(0.05)


def refused(done: Finished) -> str:
    assert done.code == 1
    assert "Traceback" not in done.text
    assert len(done.err.splitlines()) == 1
    return done.err


# ── what it needs ────────────────────────────────────────────────────────────────────────────


async def test_it_needs_postgres_and_a_redis(tmp_path: Path) -> None:
    done = await run_py(tmp_path / "data", "worker", settings={"HUB_REDIS_URL": "redis://x"})
    assert "HUB_DATABASE_URL=postgres://" in refused(done)
    done = await run_py(
        tmp_path / "data", "worker", settings={"HUB_DATABASE_URL": "postgres://x/y"}
    )
    assert "HUB_REDIS_URL" in refused(done)
    assert not (tmp_path / "data").exists()


async def test_a_queue_that_there_is_not(tmp_path: Path) -> None:
    done = await run_py(tmp_path / "data", "worker", "letters")
    assert done.code == 2
    assert "'letters' is no queue" in done.err
    assert "webhook_delivery" in done.err


async def test_it_does_not_change_the_schema(
    tmp_path: Path, empty_postgres_url: str, redis_url: str
) -> None:
    settings = {"HUB_DATABASE_URL": empty_postgres_url, "HUB_REDIS_URL": redis_url}
    for _ in range(2):
        said = refused(await run_py(tmp_path / "data", "worker", settings=settings))
        assert "001_log_merchants_keys.sql" in said
        assert "run.py migrate" in said


# ── what it does ─────────────────────────────────────────────────────────────────────────────


async def test_it_does_the_jobs_of_a_hub_that_does_none(
    places: tuple[Path, Path], shared: Settings
) -> None:
    url = shared["HUB_DATABASE_URL"]
    async with HubProcess(places[0], shared):
        key = await add_job(url)
        assert await living(url, 0) == []
        async with WorkerProcess(places[1], shared, "order_processing") as worker:
            job = await state_of(url, key, "dead")
            assert job.error is not None
            assert "nothing" in job.error
            [row] = await living(url, 1)
            assert (row.pid, row.queues) == (worker.pid, ["order_processing"])
            other = await add_job(url, queue="webhook_delivery")
            await state_of(url, await add_job(url), "dead")
            assert (await state_of(url, other, "queued")).attempt == 0
            worker.signal(signal.SIGTERM)
            assert await worker.ended() == 0
            assert await living(url, 0) == []


async def test_what_it_tells_is_heard_at_every_hub(
    places: tuple[Path, Path], tmp_path: Path, shared: Settings
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with (
        HubProcess(places[0], shared) as hub,
        HubProcess(other, shared) as second,
        connect(hub, hub.admin_key) as one,
        connect(second, hub.admin_key) as two,
        WorkerProcess(places[1], shared, "message_sending"),
    ):
        args = {"message_id": "none", "to": "+263771234567", "text": "Hello"}
        _, id_ = await add_job(shared["HUB_DATABASE_URL"], "send", "message_sending", args)
        for dashboard in (one, two):
            event = await dashboard.next(type="job_started", deadline=15.0)
            assert event["data"]["jobId"] == id_
            assert event["volatile"] is True
            assert event["subject"] == f"job/{id_}"


async def test_a_killed_one_is_another_s_after_its_next_start(
    places: tuple[Path, Path], shared: Settings
) -> None:
    url = shared["HUB_DATABASE_URL"]
    async with (
        HubProcess(places[0], shared),
        WorkerProcess(places[1], shared, "order_processing") as worker,
    ):
        [before] = await living(url, 1)
        worker.signal(signal.SIGKILL)
        await worker.ended()
        await worker.start()
        while (after := (await living(url, 1))[0]).pid != worker.pid:
            await asyncio.sleep(0.05)
        assert (after.instance_id, after.pid) == (before.instance_id, worker.pid)
        assert after.id != before.id


async def test_workers_and_a_hub_in_one_data_directory(tmp_path: Path, shared: Settings) -> None:
    url = shared["HUB_DATABASE_URL"]
    async with (
        HubProcess(tmp_path, shared),
        WorkerProcess(tmp_path, shared, "order_processing"),
        WorkerProcess(tmp_path, shared, "webhook_delivery", "media_processing"),
    ):
        rows = await living(url, 2)
        assert len({row.instance_id for row in rows}) == 2
        assert {tuple(row.queues) for row in rows} == {
            ("order_processing",),
            ("media_processing", "webhook_delivery"),
        }


async def test_the_second_sigterm_ends_it_at_once(
    places: tuple[Path, Path], shared: Settings
) -> None:
    async with (
        HubProcess(places[0], shared),
        WorkerProcess(places[1], shared, "order_processing") as worker,
    ):
        worker.signal(signal.SIGTERM)
        while "stopping" not in worker.log.read_text():
            await asyncio.sleep(0.01)
        worker.signal(signal.SIGTERM)
        assert await worker.ended(within=5.0) == 0


async def delivered(hub: HubProcess, hook: str) -> list[str]:
    """How the attempts to call a webhook stand, the newest first."""
    answer = await call(hub, "GET", f"/api/webhooks/{hook}/logs", key=hub.admin_key)
    return [attempt["status"] for attempt in answer.json()["logs"]]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_what_it_was_doing_is_done_by_the_next(
    places: tuple[Path, Path], shared: Settings, end: signal.Signals
) -> None:
    settings = shared | {"HUB_WEBHOOK_ALLOW": "127.0.0.1"}
    async with (
        receiving(in_turn(silent, answering())) as receiver,
        HubProcess(places[0], settings) as hub,
        WorkerProcess(places[1], settings, "webhook_delivery") as worker,
    ):
        merchant = await merchant_of(hub, hub.bot_key)
        body: dict[str, Any] = {"url": receiver.url(), "event_types": ["product_*"]}
        said = await call(
            hub, "POST", "/api/webhooks", body | {"merchant_id": merchant}, key=hub.admin_key
        )
        hook = said.json()["webhook"]["id"]
        body = {"name": "tea", "price": 1, "currency": "USD", "merchant_id": merchant}
        assert (await call(hub, "POST", "/api/products", body, key=hub.admin_key)).status == 201
        await receiver.wait_for(1, within=15.0)
        worker.signal(end)
        code = await worker.ended(within=12.0)
        assert code == (0 if end == signal.SIGTERM else -signal.SIGKILL)
        await worker.start()
        begun = time.monotonic()
        await receiver.wait_for(2, within=15.0)
        if end == signal.SIGTERM:
            assert time.monotonic() - begun < 8.0, "it was handed back, and need not be missed"
        while "success" not in (seen := await delivered(hub, hook)):
            assert time.monotonic() - begun < 20.0, seen
            await asyncio.sleep(0.1)
        first, second = receiver.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]


# ── pictures ─────────────────────────────────────────────────────────────────────────────────


async def test_pictures_are_for_workers_that_see_them(
    places: tuple[Path, Path], shared: Settings
) -> None:
    async with HubProcess(places[0], shared) as hub:
        data = places[1] / "data"
        for media in ("", str(places[1]), "/nowhere/at/all"):
            settings = shared | {"HUB_MEDIA_URL": media}
            said = refused(await run_py(data, "worker", "media_processing", settings=settings))
            assert "HUB_MEDIA_URL" in said
            assert "mount" in said
            doctor = await run_py(data, "doctor", settings=settings)
            assert doctor.code == 1
            assert "the media folder is not the one of the hubs" in doctor.out
        seen = shared | {"HUB_MEDIA_URL": str(hub.data_dir / "media")}
        async with WorkerProcess(places[1], seen, "media_processing"):
            doctor = await run_py(data, "doctor", settings=seen)
            assert "the media folder is not the one of the hubs" not in doctor.out
            assert f"on {os.uname().nodename}: media_processing" in doctor.out
            assert "nobody does the jobs of message_sending" in doctor.out


async def test_doctor_wants_one_broker_for_several_hubs(
    places: tuple[Path, Path], postgres_url: str
) -> None:
    settings = {
        "HUB_DATABASE_URL": postgres_url,
        "HUB_ADMIN_KEY": "an admin key of these hubs, both",
    }
    said = "give all of them the same HUB_REDIS_URL"
    async with HubProcess(places[0], settings):
        assert said not in (await run_py(places[0] / "data", "doctor", settings=settings)).out
        async with HubProcess(places[1], settings):
            assert said in (await run_py(places[0] / "data", "doctor", settings=settings)).out
