"""Starting a hub: its first start, its banner, its lock, and what stops it from starting."""

import json
import os
import re
import socket
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from hub.operate import lock
from tests.support.command import run_py
from tests.support.hub_process import HubFailedError, HubProcess
from tests.support.rest import call, new_key
from tests.support.ws import connect

# Here hubs start as people start them.
pytestmark = pytest.mark.fresh

LINK = re.compile(r"(\S+)/#ticket=(\S+)")


def banners(hub: HubProcess) -> list[str]:
    """What was printed for people, one text per start."""
    return re.split(r"(?=^  Smart Bot Hub )", hub.log.read_text(), flags=re.MULTILINE)[1:]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ── the first start ──────────────────────────────────────────────────────────────────────────


async def test_a_first_start_makes_what_is_needed(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        async with HubProcess(tmp_path) as hub:
            assert mode(hub.data_dir) == 0o700
            for name in ("admin.key", "bot.key"):
                assert mode(hub.data_dir / name) == 0o600
            assert re.fullmatch(r"hub_a_[0-9A-Za-z]{43}", hub.admin_key)
            assert re.fullmatch(r"hub_b_[0-9A-Za-z]{43}", hub.bot_key)
            [merchant] = (await call(hub, "GET", "/api/merchants", key=hub.admin_key)).json()[
                "merchants"
            ]
            assert merchant["name"] == "demo"
            session = (await call(hub, "GET", "/api/session", key=hub.bot_key)).json()["session"]
            assert (session["role"], session["merchant_id"]) == ("bot", merchant["id"])
            keys = (await call(hub, "GET", "/api/keys", key=hub.admin_key)).json()["keys"]
            assert sorted(key["role"] for key in keys) == ["admin", "bot"]
            assert list(hub.data_dir.glob("*.part")) == []
    finally:
        os.umask(previous)


async def test_nothing_but_the_owner_reads_the_data_in_a_directory_that_was_there(
    tmp_path: Path,
) -> None:
    """Made by somebody else with the usual mode; the log is in there as well as the keys."""
    (tmp_path / "data").mkdir(mode=0o755)
    async with HubProcess(tmp_path) as hub:
        await call(hub, "POST", "/api/events", {"type": "custom_a", "data": {}}, key=hub.bot_key)
        open_to_others = {
            path.name: oct(mode(path)) for path in hub.data_dir.iterdir() if mode(path) & 0o077
        }
        assert open_to_others == {} or not mode(hub.data_dir) & 0o077


async def test_a_second_start_makes_no_new_keys(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        before = (hub.admin_key, hub.bot_key)
        keys = (await call(hub, "GET", "/api/keys", key=hub.admin_key)).json()["keys"]
        await hub.restart()
        assert (hub.admin_key, hub.bot_key) == before
        assert (await call(hub, "GET", "/api/keys", key=hub.admin_key)).json()["keys"] == keys
        first, second = banners(hub)
        assert "first start" in first
        assert "first start" not in second


async def test_a_bot_key_that_was_put_away_is_not_made_again(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        bot_key = hub.bot_key
        (hub.data_dir / "bot.key").unlink()
        await hub.restart()
        assert not (hub.data_dir / "bot.key").exists()
        assert (await call(hub, "GET", "/api/session", key=bot_key)).status == 200
        assert "first start" not in banners(hub)[1]


async def test_the_banner_says_what_a_newcomer_needs(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        [banner] = banners(hub)
        assert f"{hub.url}/#ticket=" in banner
        assert "admin.key" in banner
        assert "bot.key" in banner
        # No key is printed: a terminal is scrolled, copied and logged.
        assert hub.admin_key not in hub.log.read_text()
        assert hub.bot_key not in hub.log.read_text()
        assert hub.port != 0


async def test_the_line_to_paste_publishes_an_event(tmp_path: Path) -> None:
    async with (
        HubProcess(tmp_path) as hub,
        connect(hub, hub.admin_key, query="types=message_received") as dashboard,
    ):
        await dashboard.next(type="live")
        line = next(
            row.strip() for row in banners(hub)[0].splitlines() if row.strip().startswith("curl ")
        )
        # What the shell would do with it.
        path = tmp_path / line.partition("$(cat ")[2].partition(")")[0]
        body = line.partition("-d '")[2].rpartition("'")[0]
        url = line.split()[3]
        assert url == f"{hub.url}/api/events"
        answer = await call(
            hub, "POST", "/api/events", json.loads(body), key=path.read_text().strip()
        )
        assert answer.status == 201, answer.body
        assert (await dashboard.next(type="message_received"))["data"]["text"] == "Hello"


async def test_the_public_url_is_in_the_banner(tmp_path: Path) -> None:
    settings = {"HUB_PUBLIC_URL": "https://hub.example/"}
    async with HubProcess(tmp_path, settings) as hub:
        [banner] = banners(hub)
        assert LINK.search(banner)[1] == "https://hub.example"  # type: ignore[index]
        assert "curl -X POST https://hub.example/api/events" in banner


# ── HUB_ADMIN_KEY ────────────────────────────────────────────────────────────────────────────


async def test_another_admin_key_revokes_its_predecessor(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        generated = hub.admin_key
        other, _ = await new_key(hub, generated, "admin", None, "a colleague's")
        await hub.terminate()
    chosen = ["first admin key, chosen by hand ..", "second admin key, chosen by hand ."]
    async with HubProcess(tmp_path, {"HUB_ADMIN_KEY": chosen[0]}) as hub:
        assert (await call(hub, "GET", "/api/keys", key=chosen[0])).status == 200
        assert (await call(hub, "GET", "/api/keys", key=generated)).status == 401
        assert chosen[0] not in hub.log.read_text()
        assert "HUB_ADMIN_KEY" in banners(hub)[-1]
        await hub.restart()
        assert (await call(hub, "GET", "/api/keys", key=chosen[0])).status == 200
        await hub.terminate()
    async with HubProcess(tmp_path, {"HUB_ADMIN_KEY": chosen[1]}) as hub:
        assert (await call(hub, "GET", "/api/keys", key=chosen[1])).status == 200
        assert (await call(hub, "GET", "/api/keys", key=chosen[0])).status == 401
        # Only the bootstrap key has a successor.
        assert (await call(hub, "GET", "/api/keys", key=other)).status == 200
        await hub.terminate()
    # Back to one that was revoked: no silent opening of an old door.
    again = HubProcess(tmp_path, {"HUB_ADMIN_KEY": chosen[0]})
    with pytest.raises(HubFailedError, match="revoked"):
        await again.start()
    assert "Traceback" not in again.log.read_text()


async def test_the_admin_key_cannot_be_the_key_of_somebody_else(tmp_path: Path) -> None:
    """HUB_ADMIN_KEY set to a bot's key by mistake must not leave the hub without an admin."""
    async with HubProcess(tmp_path) as hub:
        bot_key = hub.bot_key
        await hub.terminate()
    again = HubProcess(tmp_path, {"HUB_ADMIN_KEY": bot_key})
    try:
        await again.start()
    except HubFailedError:
        assert "Traceback" not in again.log.read_text()
        return
    session = (await call(again, "GET", "/api/session", key=bot_key)).json()["session"]
    await again.terminate()
    assert session["role"] == "admin"


# ── the lock ─────────────────────────────────────────────────────────────────────────────────


async def test_a_second_hub_on_the_directory_is_refused(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        for arguments in ((), ("serve",), ("migrate",)):
            done = await run_py(hub.data_dir, *arguments)
            assert done.code == 1
            assert f"process {hub.pid}" in done.err
            assert hub.url in done.err
            assert "Traceback" not in done.text
        # The first one has not noticed.
        assert (await call(hub, "GET", "/readyz")).status == 200
        assert json.loads((hub.data_dir / "hub.lock").read_bytes())["pid"] == hub.pid


async def test_the_lock_ends_with_the_process(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        await hub.kill()
        assert (hub.data_dir / "hub.lock").read_bytes() != b""
        done = await run_py(hub.data_dir, "migrate")
        assert done.code == 0
        await hub.start()
        await hub.terminate()
        assert (hub.data_dir / "hub.lock").read_bytes() == b""


async def test_asking_who_runs_does_not_keep_a_hub_from_starting(tmp_path: Path) -> None:
    """`doctor` and `key` ask; a supervisor may do so again and again."""
    async with HubProcess(tmp_path) as hub:
        await hub.terminate()
        enough = threading.Event()

        def ask() -> None:
            while not enough.is_set():
                lock.running(hub.data_dir)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for _ in range(6):
                await hub.start()
                found = lock.running(hub.data_dir)
                assert found is not None
                assert found.pid == hub.pid
                await hub.kill()
        finally:
            enough.set()
            asking.join()


# ── what stops it from starting ──────────────────────────────────────────────────────────────


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await run_py(tmp_path / "data", settings={"HUB_PORT": str(port)})
    assert done.code == 1
    assert "Traceback" not in done.text
    assert "address already in use" in done.err.lower()
    assert str(port) in done.err, "which one is taken?"


async def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    for host in ("203.0.113.1", "no-such-host.invalid"):
        done = await run_py(tmp_path / "data", settings={"HUB_HOST": host})
        assert done.code == 1
        assert "Traceback" not in done.text
        assert host in done.err


async def test_a_data_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    for arguments in ((), ("migrate",), ("key", "list")):
        done = await run_py(tmp_path / "file", *arguments)
        assert done.code == 1
        assert "Traceback" not in done.text
        assert str(tmp_path / "file") in done.err


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hub.db").write_bytes(b"not a database, but long enough to be read" * 50)
    for arguments in ((), ("migrate",), ("doctor",)):
        done = await run_py(tmp_path / "data", *arguments)
        assert done.code == 1
        assert "Traceback" not in done.text
        assert "hub.db" in done.text


async def test_a_schema_from_the_future(tmp_path: Path) -> None:
    assert (await run_py(tmp_path / "data", "migrate")).code == 0
    with closing(sqlite3.connect(tmp_path / "data" / "hub.db")) as database, database:
        database.execute(
            "INSERT INTO schema_migrations (number, name, checksum)"
            " VALUES (999, '999_later.sql', 'another')"
        )
    for arguments in ((), ("migrate",), ("doctor",)):
        done = await run_py(tmp_path / "data", *arguments)
        assert done.code == 1
        assert "Traceback" not in done.text
        assert "999_later" in done.text or "newer" in done.text


@pytest.mark.parametrize("name", ["with space", "with#hash", "per%41cent", "what?", "ünïcode"])
async def test_the_data_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    async with HubProcess(directory) as hub:
        answer = await call(
            hub, "POST", "/api/events", {"type": "custom_a", "data": {}}, key=hub.bot_key
        )
        assert answer.status == 201
        assert (hub.data_dir / "hub.db").exists()
        assert [path.name for path in tmp_path.iterdir()] == [name]
    done = await run_py(directory / "data", "doctor")
    assert done.code == 0, done.text


async def test_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    async with HubProcess(tmp_path, {"HUB_HOST": "::1"}) as hub:
        assert hub.url == f"http://[::1]:{hub.port}"
        done = await run_py(hub.data_dir, "key", "list")
        assert done.code == 0, done.text


async def test_unknown_settings_are_told_in_the_log(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_PROT": "1"}) as hub:
        assert "HUB_PROT" in hub.log.read_text()


async def test_no_query_and_no_key_is_ever_logged(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_LOG_LEVEL": "debug"}) as hub:
        async with connect(hub, token=hub.admin_key, query="types=custom_logged") as socket_:
            await socket_.next(type="live")
        await call(hub, "GET", "/api/events?types=custom_logged", key=hub.admin_key)
        await call(hub, "GET", f"/api/events?token={hub.admin_key}")
        await hub.terminate()
        log = hub.log.read_text()
        assert hub.admin_key not in log
        assert "custom_logged" not in log
        for line in log.splitlines():
            assert not line.startswith("{") or isinstance(json.loads(line), dict)
