"""What the hub says of itself: to a probe, to a stranger, and to who shows a key."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub import probes
from storage.database import Database
from storage.migrate import migrations
from tests.api.conftest import World, check_problem
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.support.databases import FaultyDatabase
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, call
from tests.support.ws import connect

HEALTH = ["/health", "/api/health"]


@pytest.fixture
async def local(database: Database) -> LocalHub:
    """The merchants and keys of a hub in this process, which does not run yet."""
    return await prepared(database)


@pytest.fixture
def faulty(database: Database) -> FaultyDatabase:
    return FaultyDatabase(database)


@pytest.fixture
async def shaky(local: LocalHub, faulty: FaultyDatabase) -> AsyncIterator[LocalHub]:
    """A hub in this process whose database fails when it is told to."""
    async with running(local, database=faulty) as hub:
        yield hub


async def until_ready(hub: LocalHub | HubProcess, *, status: int = 200) -> Answer:
    """Ask until `/readyz` answers so; a result is remembered for seconds."""
    async with asyncio.timeout(8.0):
        while (answer := await call(hub, "GET", "/readyz")).status != status:
            await asyncio.sleep(0.1)
    return answer


async def details(hub: LocalHub | HubProcess, key: str, path: str = "/health") -> dict[str, Any]:
    answer = await call(hub, "GET", path, key=key)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


# ── who is told what ─────────────────────────────────────────────────────────────────────────


async def test_a_stranger_learns_that_it_lives_and_works(world: World) -> None:
    for path, status in (("/healthz", "ok"), ("/readyz", "ready"), *((p, "ready") for p in HEALTH)):
        answer = await call(world.hub, "GET", path)
        assert answer.status == 200
        assert answer.json() == {"success": True, "status": status}
        assert answer.headers["cache-control"] == "no-store"
        head = await call(world.hub, "HEAD", path)
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("path", HEALTH)
@pytest.mark.parametrize("role", ["admin", "merchant", "viewer", "bot"])
async def test_who_shows_a_key_is_told_everything(world: World, path: str, role: str) -> None:
    found = await details(world.hub, world.keys[role], path)
    assert found["success"] is True
    assert found["status"] == "ready"
    names = ["database", "migrations", "disk", "broker"]
    assert [check["name"] for check in found["checks"]] == names
    for check in found["checks"]:
        assert check["ok"] is True
        assert check["detail"]
        assert 0 <= check["ms"] < 2000
    by_header = await call(world.hub, "GET", path, headers={"X-API-Key": world.keys[role]})
    assert by_header.json().keys() == found.keys()


@pytest.mark.parametrize("path", HEALTH)
async def test_a_wrong_key_is_not_taken_for_none(world: World, path: str) -> None:
    for headers in ({"Authorization": "Bearer hub_a_wrong"}, {"X-API-Key": "wrong"}):
        check_problem(await call(world.hub, "GET", path, headers=headers), 401, "unauthenticated")
    stale = {"Cookie": "hub_session=hub_s_" + "0" * 43}
    check_problem(await call(world.hub, "GET", path, headers=stale), 401, "unauthenticated")


async def test_none_of_them_is_rate_limited(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_RATE_LIMIT": "2/1h"}) as hub:
        for key in (None, hub.admin_key, "wrong"):
            for path in ("/healthz", "/readyz", *HEALTH, *HEALTH):
                answer = await call(hub, "GET", path, key=key)
                assert answer.status == (401 if key == "wrong" and path in HEALTH else 200)
                assert "ratelimit" not in answer.headers
        for status in (200, 200, 429):
            assert (await call(hub, "GET", "/api/keys", key=hub.admin_key)).status == status


# ── what it says ─────────────────────────────────────────────────────────────────────────────


async def test_the_numbers_are_those_of_what_happened(hub: HubProcess) -> None:
    before = await details(hub, hub.admin_key)
    async with (
        connect(hub, hub.admin_key) as dashboard,
        connect(hub, hub.bot_key) as bot,
        connect(hub),
    ):
        await dashboard.next(type="live")
        await bot.next(type="connected")
        for number in range(3):
            await bot.send({"type": "custom_a", "data": {"number": number}, "ref": str(number)})
            await bot.next(type="ack")
        await dashboard.take(3, type="custom_a")
        during = await details(hub, hub.admin_key)
        assert during["connections"] == {
            "total": 3, "limit": 20_000, "lagging": 0,
            "by_role": {"admin": 1, "bot": 1}, "by_door": {"websocket": 2},
        }  # fmt: skip
    traffic, earlier = during["traffic"], before["traffic"]
    assert traffic["events_in"] - earlier["events_in"] == 4, "three, and bot_connected"
    assert traffic["events_out"] - earlier["events_out"] >= 3
    assert traffic["bytes_out"] > earlier["bytes_out"]
    assert 2 <= traffic["commits"] - earlier["commits"] <= 4
    assert 0 < traffic["commit_ms_last"] < 1000
    assert 1 <= traffic["group_events_last"] <= 3
    log = during["log"]
    assert log["offset"] == before["log"]["offset"] + 4
    assert (log["oldest"], log["ring_first"], log["ring_size"]) == (1, 1, log["offset"])
    assert log["epoch"] == before["log"]["epoch"]
    assert during["started_at"] == before["started_at"]
    assert during["uptime_seconds"] > before["uptime_seconds"] >= 0
    process = during["process"]
    assert process["rss_bytes"] == pytest.approx(hub.rss(), rel=0.2)
    assert process["open_files"] == pytest.approx(
        len(list(Path(f"/proc/{hub.pid}/fd").iterdir())), abs=6
    )
    assert process["open_files"] < process["open_files_limit"]
    assert process["disk_free_bytes"] > probes.LOW_BYTES
    assert process["cpu_seconds"] > 0
    await hub.terminate()


async def test_closed_connections_are_counted_by_their_code(shaky: LocalHub) -> None:
    async with connect(shaky, shaky.keys["bot"]) as socket:
        await socket.next(type="connected")
        await socket.send_raw(b"\0")
        assert await socket.closed() == 1003
    found = await details(shaky, shaky.keys["admin"])
    assert found["traffic"]["closes"] == {"1003": 1}
    assert found["connections"]["total"] == 0


@pytest.mark.alone
async def test_a_stall_of_the_event_loop_is_seen(shaky: LocalHub) -> None:
    calm = await details(shaky, shaky.keys["admin"])
    await asyncio.sleep(0.15)  # a tick begins
    time.sleep(0.5)
    await asyncio.sleep(0.1)
    late = await details(shaky, shaky.keys["admin"])
    assert late["process"]["loop_lag_ms"] > max(300, calm["process"]["loop_lag_ms"])


async def test_a_hub_that_was_stopped_begins_to_count_anew(hub: HubProcess) -> None:
    before = await details(hub, hub.admin_key)
    await hub.restart()
    after = await details(hub, hub.admin_key)
    assert after["started_at"] > before["started_at"]
    assert after["log"]["epoch"] == before["log"]["epoch"]
    assert after["version"] == before["version"] != "unknown"


# ── when something is wrong ──────────────────────────────────────────────────────────────────


async def test_a_database_that_fails_makes_it_unready_until_it_works_again(
    shaky: LocalHub, faulty: FaultyDatabase
) -> None:
    faulty.failing_reads = 1000
    problem = check_problem(await call(shaky, "GET", "/readyz"), 503, "unavailable")
    assert "database: told to fail" in str(problem["detail"])
    assert (await call(shaky, "GET", "/healthz")).status == 200
    for path in HEALTH:
        bare = await call(shaky, "GET", path)
        assert (bare.status, bare.json()) == (503, {"success": False, "status": "unavailable"})
    faulty.heal()
    await until_ready(shaky)


async def test_a_database_that_reads_but_does_not_write_is_seen(
    shaky: LocalHub, faulty: FaultyDatabase
) -> None:
    assert (await call(shaky, "GET", "/api/keys", key=shaky.keys["admin"])).status == 200
    faulty.failing = 1000
    problem = check_problem(await call(shaky, "GET", "/readyz"), 503, "unavailable")
    assert "database: it answers, but cannot be written" in str(problem["detail"])
    shown = await call(shaky, "GET", "/health", key=shaky.keys["admin"])
    assert shown.status == 503
    checks = {check["name"]: check["ok"] for check in shown.json()["checks"]}
    assert checks == {"database": False, "migrations": True, "disk": True, "broker": True}
    faulty.heal()
    await until_ready(shaky)


async def test_a_full_disk_is_seen_by_the_real_hub(hub: HubProcess) -> None:
    """The system lets it write none of its files beyond the first page.

    Its write-ahead log begins anew whenever all of it was moved, so that its size is no bound.
    """
    if not hasattr(resource, "prlimit"):
        pytest.skip("only Linux sets another process's limits")
    await until_ready(hub)
    _, hard = resource.prlimit(hub.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (4096, hard))
    await asyncio.sleep(5.0)  # the last success is remembered so long
    problem = check_problem(await call(hub, "GET", "/readyz"), 503, "unavailable")
    assert "database: it answers, but cannot be written" in str(problem["detail"])
    resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (hard, hard))
    await until_ready(hub)


@pytest.mark.alone
async def test_a_database_that_hangs_is_waited_for_two_seconds_and_asked_once(
    shaky: LocalHub, faulty: FaultyDatabase
) -> None:
    faulty.writing.clear()
    writes = faulty.writes
    begun = time.monotonic()
    answers = await asyncio.gather(*(call(shaky, "GET", "/readyz") for _ in range(30)))
    assert 1.8 < time.monotonic() - begun < 4.0
    assert {answer.status for answer in answers} == {503}
    assert "no answer for 2.0 s" in answers[0].json()["detail"]
    # It still hangs: the next one need not wait as long again.
    begun = time.monotonic()
    shown = await call(shaky, "GET", "/health", key=shaky.keys["admin"])
    assert time.monotonic() - begun < 1.0
    assert shown.status == 503
    assert faulty.writes == writes + 1
    faulty.heal()
    await until_ready(shaky)


async def test_asking_again_and_again_costs_the_database_nothing(
    shaky: LocalHub, faulty: FaultyDatabase
) -> None:
    await until_ready(shaky)
    before = (faulty.reads, faulty.writes)
    begun = time.monotonic()
    for _ in range(100):
        assert (await call(shaky, "GET", "/readyz")).status == 200
    assert time.monotonic() - begun < 5.0, "too slow to tell"
    # What the hub looks for by itself has its own pace, whoever asks.
    assert faulty.reads + faulty.writes - sum(before) < 20
    for _ in range(20):
        assert (await call(shaky, "GET", "/healthz")).status == 200


async def test_a_schema_that_is_not_this_programs_is_seen(
    shaky: LocalHub, database: Database
) -> None:
    last = migrations(database.engine)[-1]
    await database.maintain(
        lambda tx: tx.execute("DELETE FROM schema_migrations WHERE number = ?", (last.number,))
    )
    problem = check_problem(await call(shaky, "GET", "/readyz"), 503, "unavailable")
    assert f"migrations: not applied: {last.name}" in str(problem["detail"])


async def test_too_little_room_on_the_disk(
    shaky: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "LOW_BYTES", 1 << 62)
    problem = check_problem(await call(shaky, "GET", "/readyz"), 503, "unavailable")
    assert "disk: " in str(problem["detail"])
    assert "make room" in str(problem["detail"])


async def test_a_hub_that_shuts_down_says_so(shaky: LocalHub) -> None:
    shaky.services.gateway.say_bye()
    problem = check_problem(await call(shaky, "GET", "/readyz"), 503, "unavailable")
    assert problem["detail"] == "the hub is shutting down"
    bare = await call(shaky, "GET", "/health")
    assert (bare.status, bare.json()) == (503, {"success": False, "status": "draining"})
    shown = await call(shaky, "GET", "/api/health", key=shaky.keys["admin"])
    assert (shown.status, shown.json()["status"]) == (503, "draining")
    assert (await call(shaky, "GET", "/healthz")).status == 200
