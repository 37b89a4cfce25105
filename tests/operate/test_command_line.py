"""`run.py` and its commands, as they are typed."""

import asyncio
import os
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Finished, run_py
from tests.support.hub_process import HubProcess
from tests.support.rest import call, new_merchant
from tests.support.ws import connect

TOKEN = re.compile(r"^(hub_[amvb]_[0-9A-Za-z]{43})$", re.MULTILINE)
ID = re.compile(r"^id (\S+?);", re.MULTILINE)


def made(done: Finished) -> tuple[str, str]:
    """The key and the id that `key create` has shown."""
    assert done.code == 0, done.text
    token, id_ = TOKEN.search(done.out), ID.search(done.out)
    assert token is not None
    assert id_ is not None
    return token[1], id_[1]


def refused(done: Finished) -> str:
    """The sentence with which a command was refused."""
    assert done.code == 1, done.text
    assert "Traceback" not in done.text
    assert done.err.strip()
    return done.err


# ── about itself ─────────────────────────────────────────────────────────────────────────────


async def test_version(tmp_path: Path) -> None:
    done = await run_py(tmp_path / "data", "--version")
    assert done.code == 0
    assert re.fullmatch(r"Smart Bot Hub \d+\.\d+\.\d+\S*\n", done.out)
    assert not (tmp_path / "data").exists()


async def test_help_names_what_is_built_and_nothing_else(tmp_path: Path) -> None:
    done = await run_py(tmp_path / "data", "--help")
    assert done.code == 0
    commands = re.findall(r"^    (\w+) ", done.out, flags=re.MULTILINE)
    assert commands == ["serve", "worker", "migrate", "doctor", "backup", "restore", "key"]
    for incomplete in (("worker", "nothing"), ("backup",), ("restore",)):
        tried = await run_py(tmp_path / "data", *incomplete)
        assert tried.code == 2
        assert "Traceback" not in tried.text
    done = await run_py(tmp_path / "data", "key", "--help")
    assert re.findall(r"^    (\w+) ", done.out, flags=re.MULTILINE) == ["create", "list", "revoke"]


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("key",), ("key", "create"), ("key", "create", "king", "x"), ("--colour",)],
)
async def test_what_is_typed_wrong_is_told(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = await run_py(tmp_path / "data", *arguments)
    assert done.code == 2
    assert "usage:" in done.err
    assert not (tmp_path / "data").exists()


# ── migrate ──────────────────────────────────────────────────────────────────────────────────


async def test_migrate(tmp_path: Path) -> None:
    done = await run_py(tmp_path / "data", "migrate")
    assert done.code == 0
    assert re.search(r"^applied 001_\w+\.sql$", done.out, flags=re.MULTILINE)
    with closing(sqlite3.connect(tmp_path / "data" / "hub.db")) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    assert {"events", "log_state", "merchants", "api_keys"} <= tables
    done = await run_py(tmp_path / "data", "migrate")
    assert (done.code, done.out) == (0, "the schema is up to date\n")
    # It makes the schema and nothing else: the first start is still to come.
    assert not (tmp_path / "data" / "admin.key").exists()
    async with HubProcess(tmp_path) as hub:
        assert (await call(hub, "GET", "/api/keys", key=hub.admin_key)).status == 200


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
async def test_keys_with_and_without_a_running_hub(tmp_path: Path, running: bool) -> None:
    async with HubProcess(tmp_path) as hub:
        data_dir = hub.data_dir
        if not running:
            await hub.terminate()
        bot, bot_id = made(await run_py(data_dir, "key", "create", "bot", "till-7"))
        admin, _ = made(await run_py(data_dir, "key", "create", "admin", "second"))
        viewer, _ = made(
            await run_py(
                data_dir, "key", "create", "viewer", "wall screen", "--merchant", "demo",
                "--expires", "2099-01-01T00:00:00Z",
            )
        )  # fmt: skip
        assert [key[4] for key in (bot, admin, viewer)] == ["b", "a", "v"]

        listing = await run_py(data_dir, "key", "list")
        assert listing.code == 0
        head, *rows = listing.out.splitlines()
        assert head.split()[:4] == ["ID", "ROLE", "NAME", "MERCHANT"]
        assert len(rows) == 5
        row = next(row for row in rows if row.startswith(bot_id))
        assert "till-7" in row
        assert "active" in row
        assert "2099-01-01" in next(row for row in rows if "wall screen" in row)
        for token in (bot, admin, viewer):
            assert token not in listing.out

        done = await run_py(data_dir, "key", "revoke", bot_id)
        assert (done.code, bot_id in done.out) == (0, True)
        listing = await run_py(data_dir, "key", "list")
        row = next(row for row in listing.out.splitlines() if row.startswith(bot_id))
        assert "revoked" in row

        if not running:
            await hub.start()
        for token, status in ((bot, 401), (admin, 200), (viewer, 200)):
            assert (await call(hub, "GET", "/api/session", key=token)).status == status


async def test_revoking_closes_the_sockets_of_the_running_hub(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        token, id_ = made(await run_py(hub.data_dir, "key", "create", "bot", "till"))
        async with connect(hub, token) as socket_:
            await socket_.next(type="connected")
            assert (await run_py(hub.data_dir, "key", "revoke", id_)).code == 0
            assert await socket_.closed() == 4001


IMPOSSIBLE = [
    (("create", "bot", "x", "--merchant", "none"), "none"),
    (("create", "bot", "x", "--expires", "tomorrow"), "RFC 3339"),
    (("create", "bot", "x", "--expires", "2001-01-01T00:00:00Z"), "past"),
    (("create", "bot", ""), "name"),
    (("create", "bot", "x" * 121), "name"),
    (("create", "bot", "a\nb"), "name"),
    (("create", "admin", "x", "--merchant", "demo"), "merchant"),
    (("revoke", "none"), "id"),
    (("revoke", "no such id"), "id"),
    (("revoke", "a/../b"), "id"),
    (("revoke", "ü"), "id"),
    (("revoke", "?after="), "id"),
]


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, HubProcess]]:
    """A hub that runs, and one that has run."""
    found = {name: HubProcess(tmp_path_factory.mktemp(name)) for name in ("running", "stopped")}

    async def start() -> None:
        for hub in found.values():
            await hub.start()
        await found["stopped"].terminate()

    try:
        asyncio.run(start())
        yield found
    finally:
        if found["running"].running:
            asyncio.run(found["running"].kill())


def stored_keys(data_dir: Path) -> list[tuple[str, str | None]]:
    with closing(sqlite3.connect(f"file:{data_dir / 'hub.db'}?mode=ro", uri=True)) as database:
        return database.execute("SELECT id, revoked_at FROM api_keys ORDER BY id").fetchall()


@pytest.mark.parametrize(
    ("arguments", "words"), IMPOSSIBLE, ids=[repr(a[1:]) for a, _ in IMPOSSIBLE]
)
@pytest.mark.parametrize("which", ["running", "stopped"])
async def test_a_key_command_that_cannot_be_done_is_a_sentence(
    hubs: dict[str, HubProcess], which: str, arguments: tuple[str, ...], words: str
) -> None:
    data_dir = hubs[which].data_dir
    before = stored_keys(data_dir)
    assert len(before) >= 2
    assert words in refused(await run_py(data_dir, "key", *arguments))
    assert stored_keys(data_dir) == before


async def test_with_several_merchants_one_must_be_named(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        second = await new_merchant(hub, hub.admin_key, "second")
        for running in (True, False):
            if not running:
                await hub.terminate()
            message = refused(await run_py(hub.data_dir, "key", "create", "bot", "x"))
            assert "--merchant" in message
            assert "demo" in message
            assert "second" in message
            for name in (second, "second"):
                made(await run_py(hub.data_dir, "key", "create", "bot", "x", "--merchant", name))


async def test_keys_before_the_first_start(tmp_path: Path) -> None:
    token, _ = made(await run_py(tmp_path / "data", "key", "create", "bot", "early"))
    async with HubProcess(tmp_path) as hub:
        assert (await call(hub, "GET", "/api/session", key=token)).status == 200
        assert (await call(hub, "GET", "/api/session", key=hub.bot_key)).status == 200


async def test_the_environment_s_proxy_does_not_see_the_key(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        settings = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        assert (await run_py(hub.data_dir, "key", "list", settings=settings)).code == 0


async def test_another_admin_key_than_the_running_hub_s(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        settings = {"HUB_ADMIN_KEY": "not the key of the running hub, at all"}
        done = await run_py(hub.data_dir, "key", "list", settings=settings)
        assert "key" in refused(done)
        (hub.data_dir / "admin.key").unlink()
        assert "HUB_ADMIN_KEY" in refused(await run_py(hub.data_dir, "key", "list"))


# ── doctor ───────────────────────────────────────────────────────────────────────────────────


async def test_doctor_before_the_first_start_changes_nothing(tmp_path: Path) -> None:
    done = await run_py(tmp_path / "data", "doctor")
    assert done.code == 0, done.text
    assert "fail" not in done.out
    assert not (tmp_path / "data").exists()


async def test_doctor_on_a_running_and_on_a_stopped_hub(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        done = await run_py(hub.data_dir, "doctor", settings={"HUB_PORT": str(hub.port)})
        assert done.code == 0, done.text
        assert f"process {hub.pid}" in done.out
        await hub.terminate()
        done = await run_py(hub.data_dir, "doctor", settings={"HUB_PORT": str(hub.port)})
        assert done.code == 0, done.text
        assert "schema up to date" in done.out
        assert "fail" not in done.out
        # It has looked and not touched: the hub starts.
        await hub.start()


async def test_doctor_names_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await run_py(tmp_path / "data", "doctor", settings={"HUB_PORT": port})
    assert done.code == 1
    [line] = [line for line in done.out.splitlines() if line.strip().startswith("fail")]
    assert port in line
    assert "HUB_PORT" in done.out.partition(line)[2]


async def test_doctor_names_a_key_that_others_can_read(tmp_path: Path) -> None:
    async with HubProcess(tmp_path) as hub:
        await hub.terminate()
        os.chmod(hub.data_dir / "bot.key", 0o644)
        done = await run_py(hub.data_dir, "doctor")
    assert "0644" in done.out
    assert "chmod 600" in done.out


async def test_doctor_names_unknown_settings_and_masks_secrets(tmp_path: Path) -> None:
    secret = "a secret that nobody may read anywhere"
    settings = {"HUB_PROT": "8000", "HUB_ADMIN_KEY": secret, "HUB_RING_SIZE": "77"}
    done = await run_py(tmp_path / "data", "doctor", settings=settings)
    assert done.code == 0, done.text
    assert "HUB_PROT" in done.out
    assert secret not in done.text
    assert re.search(r"HUB_ADMIN_KEY\s+\(set\)", done.out)
    assert re.search(r"HUB_RING_SIZE\s+77", done.out)
    assert re.search(r"HUB_DURABILITY\s+full", done.out)


async def test_doctor_masks_a_password_in_an_address(tmp_path: Path) -> None:
    settings = {"HUB_DATABASE_URL": "postgres://hub:sesame-open@db.example/hub"}
    done = await run_py(tmp_path / "data", "doctor", settings=settings)
    assert done.code == 1
    assert "sesame-open" not in done.text


async def test_doctor_says_when_migrations_wait(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    sqlite3.connect(tmp_path / "data" / "hub.db").close()
    with closing(sqlite3.connect(tmp_path / "data" / "hub.db")) as database:
        database.execute("CREATE TABLE something (else_ TEXT)")
    done = await run_py(tmp_path / "data", "doctor")
    assert "migrat" in done.out
