"""A file of ten thousand changes: whole or visibly not, and never in the hub's memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.protocol.ids import uuid7
from storage import keys
from storage.connect import connect
from storage.database import Transaction
from storage.records import ApiKey
from storage.scope import Scope
from tests.support.download import Download
from tests.support.hub_process import HubProcess
from tests.support.rest import call, merchant_of

# Its ten thousand rows are put into the file; what an export reads on Postgres is tested in
# tests/gateway/test_audit.py.
# The hub's memory is measured.
pytestmark = [pytest.mark.sqlite_only, pytest.mark.fresh]

ROWS = 10_000
NOW = "2026-11-22T10:00:00.000Z"
NDJSON = "application/x-ndjson"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    """A hub whose merchant has made ten thousand keys: 12 MB of changes."""
    async with HubProcess(tmp_path) as running:
        merchant_id = await merchant_of(running, running.admin_key)
        await running.terminate()
        database = await connect(f"sqlite:///{running.data_dir / 'hub.db'}", "normal")

        async def work(tx: Transaction) -> None:
            for n in range(ROWS):
                id_ = uuid7()
                name = f"key {n} {'x' * 100}"
                key = ApiKey(id_, merchant_id, "bot", name, "hub_b", 1, NOW, None, None)
                await keys.insert(tx, key, f"{n:064}")

        await database.write(work, Scope(merchant_id))
        await database.close()
        await running.start()
        yield running


async def test_ten_thousand_rows_do_not_fill_the_memory(hub: HubProcess) -> None:
    await call(hub, "GET", "/api/audit", key=hub.admin_key)
    before = hub.rss()
    async with Download(hub, "/api/audit", hub.admin_key, NDJSON, {}) as file:
        most = 0
        while await file.some():
            most = max(most, hub.rss() - before)
        assert file.whole
    lines = file.body.splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == len(set(ids)) >= ROWS
    assert ids == sorted(ids, reverse=True)
    assert len(file.body) > 8_000_000
    assert most < 6_000_000, "a fraction of the file"


async def test_many_who_do_not_read_hold_a_page_each(hub: HubProcess) -> None:
    await call(hub, "GET", "/api/audit", key=hub.admin_key)
    before = hub.rss()
    stuck = [Download(hub, "/api/audit", hub.admin_key, NDJSON, {}) for _ in range(20)]
    try:
        for file in stuck:
            await file.__aenter__()
        answer = await call(hub, "GET", "/api/audit", key=hub.admin_key)
        assert answer.status == 200, "the others are answered meanwhile"
        assert hub.rss() - before < 20 * 1_500_000
    finally:
        for file in stuck:
            await file.__aexit__(None, None, None)


async def test_a_hub_that_is_killed_leaves_no_file_that_looks_whole(hub: HubProcess) -> None:
    async with Download(hub, "/api/audit", hub.admin_key, "text/csv", {}) as file:
        assert await file.some()
        await hub.kill()
        body = await file.rest()
        assert not file.whole
        assert 0 < body.count(b"\r\n") < ROWS
        await hub.start()
    # What came can be gone on with: the last whole row names its place.
    last = body.rpartition(b"\r\n")[0].rpartition(b"\r\n")[2].split(b",")[0].decode()
    async with Download(hub, "/api/audit", hub.admin_key, "text/csv", {"after": last}) as file:
        more = await file.rest()
        assert file.whole
    assert body.count(b"\r\n") + more.count(b"\r\n") >= ROWS


async def test_a_hub_that_stops_ends_or_cuts_a_file(hub: HubProcess) -> None:
    """It waits for who reads; who does not is cut, and gets no end."""
    async with (
        Download(hub, "/api/audit", hub.admin_key, NDJSON, {}) as read,
        Download(hub, "/api/audit", hub.admin_key, NDJSON, {}) as unread,
    ):
        assert await read.some()
        ending = asyncio.ensure_future(hub.terminate())
        await read.rest()
        assert read.whole
        assert await ending == 0
        await unread.rest()
        assert not unread.whole
