"""The owner's work on Postgres: its deadline, its waiting, and a server that falls silent."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from hub.operate.first_start import ensure_keys
from storage.connect import connect
from storage.database import Database, Row, Transaction, Value
from storage.errors import Unavailable
from storage.inspection import inspect
from storage.migrate import migrate
from storage.postgres import PostgresDatabase, open_postgres
from storage.postgres_transaction import PostgresTransaction
from storage.scope import HUB
from tests.support.databases import until
from tests.support.fault_proxy import FaultProxy
from tests.support.postgres import PostgresServer
from tests.support.postgres import rows as as_superuser

WITHIN = 5.0
"""Seconds until an answer, whatever it is."""


class Far(NamedTuple):
    """A database and the network before it."""

    database: Database
    network: FaultProxy


@pytest.fixture
async def far(own_postgres: PostgresServer) -> AsyncIterator[Far]:
    url = own_postgres.create_database()
    async with FaultProxy("127.0.0.1", own_postgres.port) as network:
        database = await connect(url.replace(f":{own_postgres.port}/", f":{network.port}/"))
        await migrate(database)
        await database.read(lambda tx: tx.tables(), HUB)
        yield Far(database, network)
        await database.close()


async def within(work: Awaitable[object]) -> float:
    """How long it takes; not longer than it may."""
    begun = time.monotonic()
    async with asyncio.timeout(WITHIN + 2):
        await work
    took = time.monotonic() - begun
    assert took < WITHIN
    return took


# ── a server that falls silent ───────────────────────────────────────────────────────────────────


async def test_work_that_hears_nothing_any_more_is_refused_in_time(far: Far) -> None:
    async def work(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")
        far.network.black_hole()
        await tx.fetch("SELECT 1")

    async def refused() -> None:
        with pytest.raises(Unavailable, match="did not answer within"):
            await far.database.maintain(work)

    await within(refused())
    far.network.heal()
    assert await far.database.maintain(lambda tx: tx.fetch("SELECT 7")) == [(7,)]


def silent_after(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the network swallow everything after the first statement of the owner's work."""
    real = PostgresTransaction.fetch

    async def fetch(tx: PostgresTransaction, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        found = await real(tx, sql, params)
        if tx._as_owner:
            far.network.black_hole()
        return found

    monkeypatch.setattr(PostgresTransaction, "fetch", fetch)


async def test_a_first_start_is_refused_in_time(
    far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent_after(far, monkeypatch)

    async def refused() -> None:
        with pytest.raises(Unavailable):
            await ensure_keys(far.database, tmp_path, None)

    await within(refused())


async def test_a_doctor_says_in_time_that_nobody_answers(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent_after(far, monkeypatch)

    async def look() -> None:
        found = await inspect(far.database, "here")
        assert [finding.state for finding in found] == ["ok", "fail"]
        assert "did not answer" in found[-1].what

    await within(look())


async def test_the_end_of_the_work_does_not_wait_for_a_goodbye(far: Far) -> None:
    async def work(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")
        far.network.black_hole()
        raise ValueError("a fault of the work itself")

    async def failed() -> None:
        with pytest.raises(ValueError, match="of the work itself"):
            await far.database.maintain(work, deadline=None)

    assert await within(failed()) < 3


# ── waiting ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def opened(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    database = await open_postgres(postgres_url)
    yield database
    await database.close()


async def holding(
    database: Database,
    seconds: float,
    work: Callable[[], Awaitable[object]],
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """What is logged while other work has the turn for so long, and `work` waits for its own."""
    begun = asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")
        begun.set()
        await asyncio.sleep(seconds)

    held = asyncio.create_task(database.maintain(hold, deadline=None))
    await begun.wait()
    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("storage.postgres.log", SimpleNamespace(warning=told.append))
        await work()
    await held
    return told


async def test_who_waits_for_another_s_migration_says_so(
    opened: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "another process migrates or restores this database, waiting"
    assert await holding(opened, 1.5, lambda: migrate(opened), monkeypatch) == [told]
    assert await holding(opened, 0.2, lambda: migrate(opened), monkeypatch) == []


async def test_a_migration_waits_longer_than_any_deadline(
    opened: PostgresDatabase, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def short() -> None:
        with pytest.raises(Unavailable):
            await opened.maintain(lambda tx: tx.fetch("SELECT 1"))
        assert await migrate(opened) == []

    begun = time.monotonic()
    await holding(opened, 5.5, short, monkeypatch)
    assert time.monotonic() - begun > 5
    # The one that gave up has left nothing behind that would wait for ever.
    sessions = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    await until(lambda: as_superuser(postgres_url, sessions) == [])


async def test_the_owner_has_limits_only_where_there_is_a_deadline(
    opened: PostgresDatabase,
) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")

    async def limits(tx: Transaction) -> list[str]:
        return [(await tx.fetch(f"SELECT current_setting('{name}')"))[0][0] for name in names]

    assert await opened.maintain(limits) == ["4s", "4s", "4500ms"]
    assert await opened.maintain(limits, deadline=None) == ["0", "0", "0"]
    assert await opened.snapshot(limits) == ["0", "0", "0"]
