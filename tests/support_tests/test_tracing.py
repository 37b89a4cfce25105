"""The watch over SQLite's statements finds what is not bound to its merchant, and nothing else."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.database import Database, Transaction
from storage.scope import HUB, Scope, scoped
from tests.support import tracing
from tests.support.databases import Store
from tests.support.hub_process import REPOSITORY, HubProcess

ONE = Scope("m-1", actor_role="merchant")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Store("sqlite", f"sqlite:///{tmp_path / 'hub.db'}").open() as opened:
        yield opened


@pytest.fixture
def found() -> Iterator[dict[str, str]]:
    """What is found by this test; the session is not to fail by it."""
    before = dict(tracing.FOUND)
    tracing.FOUND.clear()
    yield tracing.FOUND
    tracing.FOUND.clear()
    tracing.FOUND.update(before)


def test_every_table_is_a_tenants_unless_it_is_named() -> None:
    tables = tracing.tenant_tables()
    assert {"merchants", "api_keys", "events", "orders", "audit_logs"} <= tables
    assert not tables & tracing.INFRASTRUCTURE


async def test_a_statement_names_the_merchant_or_its_scope_is_everybodys(
    database: Database, found: dict[str, str]
) -> None:
    async def bound(tx: Transaction) -> None:
        where, params = scoped(tx)
        await tx.fetch(f"SELECT name FROM api_keys WHERE {where}", params)  # noqa: S608
        await tx.fetch("SELECT head FROM log_state")

    await database.read(bound, ONE)
    await database.read(bound, HUB)
    assert found == {}


async def test_a_statement_without_its_merchant_is_found(
    database: Database, found: dict[str, str]
) -> None:
    async def unbound(tx: Transaction) -> None:
        await tx.fetch("SELECT name FROM api_keys WHERE name = ?", ("secret",))
        await tx.fetch("SELECT 1 FROM orders WHERE merchant_id = ?", ("m-2",))
        async with tx.savepoint(HUB):
            await tx.fetch("SELECT name FROM products")
        await tx.fetch("SELECT id FROM events WHERE merchant_id = ?", ("m-1",))

    await database.read(unbound, ONE)
    assert sorted(found) == [
        "without its merchant: SELECT 1 FROM orders WHERE merchant_id = ?",
        "without its merchant: SELECT name FROM api_keys WHERE name = ?",
    ]
    assert all("test_a_statement_without_its_merchant" in where for where in found.values())


@pytest.mark.parametrize("forked", [False, True])
async def test_a_hub_is_watched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: bool
) -> None:
    monkeypatch.setattr(HubProcess, "forked", forked)
    async with HubProcess(tmp_path) as hub:
        assert hub.statements.read_text() == ""
        assert await hub.terminate() == 0


async def test_a_hub_that_is_measured_is_not_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HubProcess, "watched", False)
    async with HubProcess(tmp_path) as hub:
        assert not hub.statements.exists()


def test_what_a_child_finds_is_collected(tmp_path: Path, found: dict[str, str]) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from storage.scope import Scope\n"
        "from tests.support import tracing\n"
        "from tests.support.databases import Store\n"
        "async def work():\n"
        "    async with Store('sqlite', f'sqlite:///{sys.argv[1]}/hub.db').open() as database:\n"
        "        for _ in range(2):\n"
        "            await database.read(lambda tx: tx.fetch('SELECT 1 FROM jobs'), Scope('m'))\n"
        "tracing.watch(Path(sys.argv[1]) / 'found')\n"
        "asyncio.run(work())\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY, check=True)
    tracing.collect(tmp_path / "found")
    assert list(found) == ["without its merchant: SELECT 1 FROM jobs"]
