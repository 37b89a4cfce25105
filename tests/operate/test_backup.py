"""`run.py backup` and `run.py restore`: from either engine into either, beside a hub that runs."""

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from hub.operate import backup
from hub.settings import load
from storage import events, instances, restore
from storage.backup import tables
from storage.database import Engine, Transaction, Value
from storage.errors import SchemaError, Unavailable
from storage.migrate import migrations
from storage.postgres_transaction import PostgresTransaction
from storage.restore import InUse
from storage.scope import HUB
from tests.operate.filled import everything, fill
from tests.support.command import Finished, environment, run_py
from tests.support.crowd import Bot, stored_log
from tests.support.databases import Store
from tests.support.hub_process import REPOSITORY, HubProcess
from tests.support.postgres import PostgresServer
from tests.support.rest import call, merchant_of, new_key
from tests.support.ws import connect

ENGINES: tuple[Engine, ...] = ("sqlite", "postgres")
DEADLINE = 30.0


class Place(NamedTuple):
    """A data directory and the database that belongs to it."""

    data_dir: Path
    store: Store

    @property
    def settings(self) -> dict[str, str]:
        return {"HUB_DATABASE_URL": self.store.url}

    async def run(self, *arguments: str) -> Finished:
        return await run_py(self.data_dir, *arguments, settings=self.settings, deadline=DEADLINE)


def place(request: pytest.FixtureRequest, folder: Path, engine: Engine, fixture: str) -> Place:
    folder.mkdir()
    url = f"sqlite:///{folder / 'here.db'}"
    if engine == "postgres":
        url = request.getfixturevalue(fixture)
    return Place(folder / "data", Store(engine, url))


@pytest.fixture(params=ENGINES, ids=lambda engine: f"from-{engine}")
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place(request, tmp_path / "source", request.param, "postgres_url")


@pytest.fixture(params=ENGINES, ids=lambda engine: f"into-{engine}")
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place(request, tmp_path / "target", request.param, "empty_postgres_url")


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """A place on SQLite."""
    (tmp_path / "here").mkdir()
    return Place(tmp_path / "here" / "data", Store("sqlite", f"sqlite:///{tmp_path / 'here.db'}"))


def done(finished: Finished) -> str:
    assert finished.code == 0, finished.text
    return finished.out


def refused(finished: Finished) -> str:
    assert finished.code == 1, finished.text
    assert "Traceback" not in finished.text
    assert finished.out == ""
    return finished.err


def in_file(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


# ── what is in it ────────────────────────────────────────────────────────────────────────────


async def test_everything_goes_from_either_engine_into_either(
    source: Place, target: Place, tmp_path: Path
) -> None:
    async with source.store.open() as database:
        await fill(database)
        before = await everything(database)
    async with target.store.open() as database:
        await fill(database, "another-shop", stored=9)
    assert all(before.values()), [name for name, rows in before.items() if not rows]

    file = tmp_path / "b.hub"
    told = done(await source.run("backup", str(file)))
    assert "1 merchant, 5 events, the last offset is 7" in told
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("b.hub*")] == ["b.hub"]

    assert "--yes" in refused(await target.run("restore", str(file)))
    told = done(await target.run("restore", str(file), "--yes"))
    async with target.store.open() as database:
        after = await everything(database)

    [log], [old] = after["log_state"], before["log_state"]
    assert log.pop("epoch") != old.pop("epoch")
    assert (log.pop("fingerprint"), old.pop("fingerprint") is None) == (
        None, source.store.engine == "sqlite",
    )  # fmt: skip
    for name in ("browser_sessions", "hub_instances", "bot_connections"):
        assert (bool(before.pop(name)), after.pop(name)) == (True, [])
    assert [key.pop("connected") for key in before["api_keys"]] == [1]
    assert [key.pop("connected") for key in after["api_keys"]] == [0]
    assert after.keys() == before.keys()
    for name, rows in before.items():
        assert after[name] == rows, name

    # A backup of what was restored is the same once more.
    done(await target.run("backup", str(tmp_path / "again.hub")))
    done(await source.run("restore", str(tmp_path / "again.hub"), "--yes"))
    async with source.store.open() as database:
        again = await everything(database)
    for name in before:
        if name not in ("log_state", "api_keys"):
            assert again[name] == before[name], name


async def test_restored_tables_are_sealed_and_audited_as_before(
    here: Place, target: Place, tmp_path: Path
) -> None:
    async with here.store.open() as database:
        await fill(database)
    done(await here.run("backup", str(tmp_path / "b")))
    done(await target.run("restore", str(tmp_path / "b")))

    async def rename(tx: Transaction) -> None:
        await tx.execute("UPDATE merchants SET name = 'b', version = version + 1")

    async def audited(tx: Transaction) -> list[tuple[object, ...]]:
        return await tx.fetch("SELECT id, action FROM audit_logs ORDER BY id")

    async with target.store.open() as database:
        rows = await database.read(audited, HUB)
        await database.write(rename, HUB)
        again = await database.read(audited, HUB)
    assert (again[:-1], again[-1][1]) == (rows, "UPDATE")


async def test_a_backup_is_a_database_with_a_mark(source: Place, tmp_path: Path) -> None:
    async with source.store.open() as database:
        await fill(database)
    file = tmp_path / "b"
    done(await source.run("backup", str(file)))
    assert in_file(file, "PRAGMA integrity_check") == [("ok",)]
    assert in_file(file, "SELECT fingerprint FROM log_state") == [("backup",)]
    assert in_file(file, "SELECT name, checksum FROM schema_migrations ORDER BY number") == [
        (step.name, step.checksum) for step in migrations("sqlite")
    ]
    with closing(sqlite3.connect(":memory:")) as fresh:
        for step in migrations("sqlite"):
            fresh.executescript(step.sql)
        objects = "SELECT type, name, sql FROM sqlite_master WHERE name <> 'schema_migrations'"
        made = fresh.execute(objects).fetchall()
    assert sorted(in_file(file, objects)) == sorted(made)
    assert in_file(file, "SELECT merchant_id FROM scope") == [(None,)]


# ── the log ──────────────────────────────────────────────────────────────────────────────────


async def test_after_a_restore_ids_are_known_and_the_epoch_is_new(
    source: Place, target: Place, tmp_path: Path
) -> None:
    ticks: list[dict[str, object]] = [
        {"type": "custom_tick", "id": f"t-{n}", "data": {"n": n}} for n in range(4)
    ]
    async with HubProcess(source.data_dir.parent, source.settings) as hub:
        async with connect(hub, hub.bot_key) as bot:
            epoch = (await bot.next(type="connected"))["epoch"]
            offsets = []
            for tick in ticks:
                await bot.send(tick)
                offsets.append((await bot.next(type="ack"))["offset"])
        await hub.terminate()

    async def retire(tx: Transaction) -> None:
        await events.retire(tx, 2**50, offsets[1])

    async with source.store.open() as database:
        await database.write(retire, HUB)
    file = tmp_path / "b"
    done(await source.run("backup", str(file)))
    told = done(await target.run("restore", str(file)))

    await comes_back(HubProcess(target.data_dir.parent, target.settings), epoch, ticks, offsets)
    assert epoch not in told
    # A hub that opens the backup itself begins a log anew too.
    (tmp_path / "direct").mkdir()
    direct = HubProcess(tmp_path / "direct", {"HUB_DATABASE_URL": f"sqlite:///{file}"})
    await comes_back(direct, epoch, ticks, offsets)
    assert "no backup" in refused(await target.run("restore", str(file), "--yes"))


async def comes_back(
    hub: HubProcess, epoch: str, ticks: list[dict[str, object]], offsets: list[int]
) -> None:
    """On this hub the old epoch is a gap, and what was sent before is known."""
    async with hub:
        merchant = await merchant_of(hub, hub.admin_key)
        key, _ = await new_key(hub, hub.admin_key, "bot", merchant)
        async with connect(hub, key) as bot:
            assert (await bot.next(type="connected"))["epoch"] != epoch
            for tick, offset in zip(ticks, offsets, strict=True):
                await bot.send(tick)
                ack = await bot.next(type="ack")
                assert (ack["duplicate"], ack["offset"]) == (True, offset)
        query = {"since": offsets[-1], "epoch": epoch}
        page = (await call(hub, "GET", "/api/events", key=hub.admin_key, query=query)).json()
        assert page["gap"] is not None, page
        assert page["gap"]["reason"] == "epoch"


# ── beside a hub ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.both_engines
async def test_a_backup_under_load_has_everything_that_was_acknowledged_before(
    hub: HubProcess, hub_settings: dict[str, str], tmp_path: Path
) -> None:
    bots = [Bot(hub, hub.bot_key, name, window=8) for name in ("a", "b")]
    running = [asyncio.create_task(bot.run()) for bot in bots]
    await asyncio.sleep(1)
    for number in range(2):
        file = tmp_path / f"b-{number}"
        acknowledged = {id_: at for bot in bots for id_, at in bot.acknowledged.items()}
        told = done(
            await run_py(
                hub.data_dir, "backup", str(file), settings=hub_settings, deadline=DEADLINE
            )
        )
        assert f"process {hub.pid}" in told
        rows = in_file(file, "SELECT log_offset, id, frame FROM events ORDER BY log_offset")
        [(head,)] = in_file(file, "SELECT head FROM log_state")
        assert [offset for offset, _, _ in rows] == list(range(1, len(rows) + 1))
        assert head == len(rows)
        found = {id_: offset for offset, id_, _ in rows}
        assert {id_: found.get(id_) for id_ in acknowledged} == acknowledged
        assert [(row.offset, row.id, row.frame) for row in stored_log(hub, upto=len(rows))] == rows
        assert (await call(hub, "GET", "/readyz")).status == 200
        sentence = refused(
            await run_py(hub.data_dir, "restore", str(file), "--yes", settings=hub_settings)
        )
        assert "already running" in sentence
    for bot in bots:
        bot.stop()
    await asyncio.gather(*running)
    assert {bot.connections for bot in bots} == {1}


async def test_a_hub_of_another_directory_has_the_file_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"HUB_DATABASE_URL": f"sqlite:///{tmp_path / 'hub.db'}"}
    elsewhere = tmp_path / "elsewhere"
    file = tmp_path / "b"
    async with HubProcess(tmp_path, settings) as hub:
        # It is read in the way that leaves the disk to the hub.
        hasty: list[bool] = []

        async def look(_source: Path, _part: Path, *, haste: bool) -> None:
            hasty.append(haste)

        monkeypatch.setattr("storage.backup_source.from_sqlite", look)
        found, _ = load({"HUB_DATA_DIR": str(elsewhere), **settings})
        await backup._make(found, tmp_path / "hub.db", tmp_path / "unwritten", force=False)
        done(await run_py(elsewhere, "backup", str(file), settings=settings))
        for arguments in (
            (),
            ("migrate",),
            ("key", "list"),
            ("key", "create", "admin", "x"),
            ("key", "revoke", "x"),
            ("restore", str(file), "--yes"),
        ):
            told = refused(await run_py(elsewhere, *arguments, settings=settings))
            assert f"process {hub.pid}" in told, arguments
            assert "HUB_DATABASE_URL" in told
        await hub.terminate()
        await backup._make(found, tmp_path / "hub.db", tmp_path / "unwritten-2", force=False)
        assert hasty == [False, True]
        done(await run_py(elsewhere, "migrate", settings=settings))


async def test_a_restore_is_refused_while_a_hub_of_another_directory_runs(
    tmp_path: Path, postgres_url: str
) -> None:
    settings = {"HUB_DATABASE_URL": postgres_url}
    async with HubProcess(tmp_path, settings) as hub:
        done(await run_py(hub.data_dir, "backup", str(tmp_path / "b"), settings=settings))
        elsewhere = tmp_path / "elsewhere"
        restore = ("restore", str(tmp_path / "b"), "--yes")
        assert "a hub runs" in refused(await run_py(elsewhere, *restore, settings=settings))
        await hub.kill()
        done(await run_py(elsewhere, *restore, settings=settings, deadline=DEADLINE))


async def test_a_restore_is_refused_while_a_hub_gives_signs_of_life(
    tmp_path: Path, postgres_url: str
) -> None:
    """It may have lost its connections for a moment."""

    async def beat(tx: Transaction) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await instances.beat(tx, "far-away", now)

    there = Place(tmp_path / "data", Store("postgres", postgres_url))
    async with there.store.open() as database:
        await fill(database)
        await database.write(beat, HUB)
    done(await there.run("backup", str(tmp_path / "b")))
    restoring = asyncio.create_task(there.run("restore", str(tmp_path / "b"), "--yes"))
    await asyncio.sleep(4)
    async with there.store.open() as database:
        await database.write(beat, HUB)
    assert "signs of life" in refused(await restoring)


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database of some 60 MB."""
    file = tmp_path_factory.mktemp("large") / "hub.db"

    async def make() -> None:
        async with Store("sqlite", f"sqlite:///{file}").open() as database:
            await fill(database)

    asyncio.run(make())
    with closing(sqlite3.connect(file)) as database, database:
        frame = "x" * 500
        database.executemany(
            "INSERT INTO events VALUES (?, 'shop', ?, 'custom_tick', NULL, 2000, ?)",
            ((n, f"e-{n}", frame) for n in range(8, 100_001)),
        )
        database.execute("UPDATE log_state SET head = 100000")
    return file


@pytest.fixture
def of_size(here: Place, large: Path) -> Place:
    """A place with the large database."""
    shutil.copy(large, here.store.url.removeprefix("sqlite:///"))
    return here


@contextlib.asynccontextmanager
async def begun(
    where: Place, *arguments: str, limit: int | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that has begun; with a limit, none of its files may have more bytes."""
    prelude = "import os, resource, sys\n"
    if limit is not None:
        prelude += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    prelude += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", prelude, str(REPOSITORY / "run.py"), *arguments,
        env=environment(where.data_dir, where.settings),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_backup_that_is_killed_leaves_nothing_that_looks_whole(
    of_size: Place, tmp_path: Path
) -> None:
    file, part = tmp_path / "b", tmp_path / "b.part"
    for size in (1, 1 << 22, 1 << 25):
        async with begun(of_size, "backup", str(file)) as process:
            async with asyncio.timeout(DEADLINE):
                while not (part.exists() and part.stat().st_size >= size):
                    await asyncio.sleep(0.001)
            process.kill()
            await process.wait()
        assert not file.exists()
        assert "no backup" in refused(await of_size.run("restore", str(part), "--yes"))
    done(await of_size.run("backup", str(file)))
    assert not part.exists()
    assert in_file(file, "SELECT count(*) FROM events") == [(99_998,)]


def leave_a_write_ahead_log(file: Path) -> None:
    """Commit something, and crash: it stands beside the file and not in it."""
    program = (
        "import os, sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        "database.execute('PRAGMA journal_mode=WAL')\n"
        "database.execute(\"UPDATE log_state SET epoch = 'old', head = 200000,\"\n"
        '                 " committed_at = committed_at + 1")\n'
        "database.commit()\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(file)], check=True)
    assert file.with_name(f"{file.name}-wal").stat().st_size > 0


def old_or_new(file: Path) -> str:
    """Which database is there; it is whole."""
    assert in_file(file, "PRAGMA quick_check") == [("ok",)]
    [(epoch, head)] = in_file(file, "SELECT epoch, head FROM log_state")
    assert (epoch == "old", head) in ((True, 200_000), (False, 100_000))
    return "old" if epoch == "old" else "new"


async def test_a_restore_that_is_killed_leaves_the_old_or_the_new(
    of_size: Place, tmp_path: Path
) -> None:
    old = Path(of_size.store.url.removeprefix("sqlite:///"))
    file = tmp_path / "b"
    done(await of_size.run("backup", str(file)))
    kept = []
    for pause in (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9):
        leave_a_write_ahead_log(old)
        async with begun(of_size, "restore", str(file), "--yes") as process:
            part = old.with_name(f"{old.name}.part")
            async with asyncio.timeout(DEADLINE):
                while not part.exists() and process.returncode is None:
                    await asyncio.sleep(0.001)
            await asyncio.sleep(pause)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        kept.append(old_or_new(old))
    assert kept[0] == "old"
    done(await of_size.run("restore", str(file), "--yes"))
    assert sorted(p.name for p in old.parent.glob(f"{old.name}*")) == [old.name, f"{old.name}.lock"]


@pytest.mark.parametrize(("when", "kept"), [("before", "old"), ("after", "new")])
async def test_a_restore_that_is_killed_at_the_renaming(
    of_size: Place, tmp_path: Path, when: str, kept: str
) -> None:
    old = Path(of_size.store.url.removeprefix("sqlite:///"))
    file = tmp_path / "b"
    done(await of_size.run("backup", str(file)))
    leave_a_write_ahead_log(old)
    program = (
        "import os, pathlib, signal, sys\n"
        "def replace(part, file):\n"
        f"    if {when == 'after'}: os.replace(part, file)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "pathlib.Path.replace = replace\n"
        "import run\n"
        "run.main(sys.argv[1:])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "restore", str(file), "--yes",
        cwd=REPOSITORY, env=environment(of_size.data_dir, of_size.settings),
        stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == -signal.SIGKILL
    assert not old.with_name(f"{old.name}-wal").exists(), "it is whole by itself"
    assert old_or_new(old) == kept


async def test_a_restore_beside_a_reader_is_refused_and_takes_nothing(
    of_size: Place, tmp_path: Path
) -> None:
    old = Path(of_size.store.url.removeprefix("sqlite:///"))
    file = tmp_path / "b"
    done(await of_size.run("backup", str(file)))
    for mode in ("DELETE", "WAL"):
        with closing(sqlite3.connect(old)) as reader:
            reader.execute(f"PRAGMA journal_mode={mode}")
            reader.execute("BEGIN")
            [(before,)] = reader.execute("SELECT head FROM log_state").fetchall()
            if mode == "WAL":
                leave_a_write_ahead_log(old)  # behind the reader's back
            told = refused(await of_size.run("restore", str(file), "--yes"))
            assert str(old) in told
            assert "as it was" in told
            assert reader.execute("SELECT head FROM log_state").fetchall() == [(before,)]
        assert not old.with_name(f"{old.name}.part").exists()
    assert old_or_new(old) == "old"
    done(await of_size.run("restore", str(file), "--yes"))
    assert old_or_new(old) == "new"


async def test_a_restore_that_cannot_rename_takes_nothing(
    of_size: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Path(of_size.store.url.removeprefix("sqlite:///"))
    file = tmp_path / "b"
    done(await of_size.run("backup", str(file)))
    leave_a_write_ahead_log(old)

    def fail(_part: Path, _file: Path) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(Unavailable, match="Input/output error"):
            await restore.into_sqlite(file, old, "new")
    assert old_or_new(old) == "old"


def test_tables_that_refer_to_each_other_in_a_circle_have_no_order() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b (id))")
        database.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a (id))")
        with pytest.raises(SchemaError, match="a, b refer to each other in a circle"):
            tables(database)


@pytest.mark.parametrize("limit", [1 << 16, 20 << 20])
async def test_a_full_disk_ends_a_backup_with_a_sentence(
    of_size: Place, tmp_path: Path, limit: int
) -> None:
    file = tmp_path / "b"
    file.write_text("the last one")
    async with begun(of_size, "backup", str(file), "--force", limit=limit) as process:
        out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert b"Traceback" not in err
    assert str(file).encode() in err
    assert file.read_text() == "the last one"
    assert [path.name for path in tmp_path.glob("b*")] == ["b"]


async def test_a_full_disk_ends_a_restore_with_a_sentence(of_size: Place, tmp_path: Path) -> None:
    old = Path(of_size.store.url.removeprefix("sqlite:///"))
    file = tmp_path / "b"
    done(await of_size.run("backup", str(file)))
    before = in_file(old, "SELECT epoch, head FROM log_state")
    async with begun(of_size, "restore", str(file), "--yes", limit=20 << 20) as process:
        _, err = await process.communicate()
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert in_file(old, "SELECT epoch, head FROM log_state") == before
    assert in_file(old, "PRAGMA quick_check") == [("ok",)]


async def test_two_backups_into_one_file_do_not_mix(of_size: Place, tmp_path: Path) -> None:
    file = tmp_path / "b"
    ended = await asyncio.gather(*(of_size.run("backup", str(file)) for _ in range(3)))
    assert sorted(one.code for one in ended)[0] == 0
    for one in ended:
        assert one.code == 0 or "somebody else" in one.err or "there already" in one.err, one
    assert in_file(file, "SELECT fingerprint FROM log_state") == [("backup",)]


async def test_an_interrupt_is_no_traceback(of_size: Place, tmp_path: Path) -> None:
    async with begun(of_size, "backup", str(tmp_path / "b")) as process:
        async with asyncio.timeout(DEADLINE):
            while not (tmp_path / "b.part").exists():
                await asyncio.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert list(tmp_path.glob("b*")) == []


async def test_a_damaged_backup_is_refused(of_size: Place, tmp_path: Path) -> None:
    old = Path(of_size.store.url.removeprefix("sqlite:///"))
    file = tmp_path / "b"
    done(await of_size.run("backup", str(file)))
    before = in_file(old, "SELECT epoch FROM log_state")
    with file.open("r+b") as content:
        content.seek(4096 * 4000)
        content.write(os.urandom(4096))
    assert "damaged" in refused(await of_size.run("restore", str(file), "--yes"))
    os.truncate(file, 4096 * 3000)
    assert "Traceback" not in refused(await of_size.run("restore", str(file), "--yes"))
    assert in_file(old, "SELECT epoch FROM log_state") == before


async def test_a_damaged_database_can_be_replaced(here: Place, tmp_path: Path) -> None:
    async with here.store.open() as database:
        await fill(database)
    done(await here.run("backup", str(tmp_path / "b")))
    file = Path(here.store.url.removeprefix("sqlite:///"))
    file.write_bytes(b"not a database at all" * 1000)
    file.with_name(f"{file.name}-wal").write_bytes(os.urandom(10_000))
    assert "not a database" in refused(await here.run("backup", str(tmp_path / "c")))
    assert "--yes" in refused(await here.run("restore", str(tmp_path / "b")))
    done(await here.run("restore", str(tmp_path / "b"), "--yes"))
    async with here.store.open() as database:
        assert len((await everything(database))["events"]) == 5


async def test_what_is_no_backup_is_refused(here: Place, tmp_path: Path) -> None:
    async with here.store.open() as database:
        await fill(database)
    own = here.store.url.removeprefix("sqlite:///")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").touch()
    for file, reason in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / "text", "no backup"),
        (tmp_path / "empty", "no backup"),
        (Path(own), "no backup"),
    ):
        assert reason in refused(await here.run("restore", str(file), "--yes")), file
    for file, reason in (
        (tmp_path, "directory"),
        (tmp_path / "text", "--force"),
        (tmp_path / "none" / "b", "No such file"),
        (Path(own), "hub's own"),
        (Path(f"{own}-wal"), "hub's own"),
    ):
        forced = () if file.name == "text" else ("--force",)
        assert reason in refused(await here.run("backup", str(file), *forced)), file
    elsewhere = Place(here.data_dir, Store("sqlite", f"sqlite:///{tmp_path / 'nothing.db'}"))
    assert "unable to open" in refused(await elsewhere.run("backup", str(tmp_path / "b")))
    assert not (tmp_path / "nothing.db").exists()


async def test_a_database_without_a_log_is_not_backed_up(source: Place, tmp_path: Path) -> None:
    async with source.store.open():
        pass
    assert "no hub has ever run" in refused(await source.run("backup", str(tmp_path / "b")))
    assert list(tmp_path.glob("b*")) == []


async def test_a_postgres_without_a_schema_is_not_backed_up(
    tmp_path: Path, empty_postgres_url: str
) -> None:
    where = Place(tmp_path / "data", Store("postgres", empty_postgres_url))
    assert "migrate" in refused(await where.run("backup", str(tmp_path / "b")))


async def test_a_backup_of_a_newer_version_is_refused(
    here: Place, target: Place, tmp_path: Path
) -> None:
    async with here.store.open() as database:
        await fill(database)
    done(await here.run("backup", str(tmp_path / "b")))
    with closing(sqlite3.connect(tmp_path / "b")) as copy, copy:
        copy.execute("INSERT INTO schema_migrations VALUES (999, '999_x.sql', 'x')")
    assert "newer version" in refused(await target.run("restore", str(tmp_path / "b")))
    with closing(sqlite3.connect(tmp_path / "b")) as copy, copy:
        copy.execute("DELETE FROM schema_migrations WHERE number = 999")
        copy.execute("UPDATE schema_migrations SET checksum = 'x' WHERE number = 2")
    assert "checksum" in refused(await target.run("restore", str(tmp_path / "b")))


def older(file: Path, steps: int) -> None:
    """A database with the first migrations alone, and an event."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "CREATE TABLE schema_migrations ("
            " number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
        )
        for step in migrations("sqlite")[:steps]:
            database.executescript(step.sql)
            database.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?)",
                (step.number, step.name, step.checksum),
            )
        database.execute(
            "INSERT INTO log_state (id, epoch, head, committed_at) VALUES (1, 'old', 1, 1)"
        )
        database.execute("INSERT INTO events VALUES (1, 'm', 'e', 'custom_x', NULL, 1, '{}')")


async def test_a_database_of_an_older_version_is_backed_up_with_the_schema_of_this_one(
    here: Place, tmp_path: Path
) -> None:
    own = Path(here.store.url.removeprefix("sqlite:///"))
    older(own, 1)
    file = tmp_path / "b"
    done(await here.run("backup", str(file)))
    assert in_file(own, "SELECT count(*) FROM schema_migrations") == [(1,)]
    assert in_file(file, "SELECT count(*) FROM schema_migrations") == [(len(migrations("sqlite")),)]
    assert in_file(file, "SELECT id FROM events") == [("e",)]


async def test_a_backup_of_an_older_version_is_migrated(target: Place, tmp_path: Path) -> None:
    file = tmp_path / "b"
    older(file, 2)
    with closing(sqlite3.connect(file)) as copy, copy:
        copy.execute("UPDATE log_state SET fingerprint = 'backup'")
    content = file.read_bytes()
    done(await target.run("restore", str(file)))
    assert file.read_bytes() == content
    async with target.store.open() as database:
        assert len((await everything(database))["events"]) == 1
    assert not list(target.data_dir.glob("restore*"))


async def test_a_row_that_postgres_refuses_leaves_everything_as_it_was(
    here: Place, tmp_path: Path, postgres_url: str
) -> None:
    there = Place(tmp_path / "there", Store("postgres", postgres_url))
    async with here.store.open() as database:
        await fill(database)
    async with there.store.open() as database:
        await fill(database, "another-shop")
        before = await everything(database)
    done(await here.run("backup", str(tmp_path / "b")))
    with closing(sqlite3.connect(tmp_path / "b")) as copy, copy:
        copy.execute("INSERT INTO retired_event_ids VALUES ('m', 'a' || char(0), 1)")
    told = refused(await there.run("restore", str(tmp_path / "b"), "--yes"))
    assert "retired_event_ids" in told
    async with there.store.open() as database:
        assert await everything(database) == before


@pytest.mark.parametrize(
    ("cause", "told"),
    [(asyncpg.LockNotAvailableError("late"), InUse), (asyncpg.InterfaceError("gone"), Unavailable)],
)
async def test_only_a_lock_that_is_not_given_is_somebody_s_use(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, cause: Exception, told: type[Exception]
) -> None:
    real = PostgresTransaction.execute

    async def execute(tx: PostgresTransaction, sql: str, params: Sequence[Value] = ()) -> int:
        if sql.startswith("LOCK TABLE"):
            raise Unavailable(str(cause)) from cause
        return await real(tx, sql, params)

    monkeypatch.setattr(PostgresTransaction, "execute", execute)
    async with Store("postgres", postgres_url).open() as database:
        with closing(sqlite3.connect(":memory:")) as nothing, pytest.raises(told) as found:
            await database.maintain(lambda tx: restore._replace(tx, nothing, "new"))
    assert type(found.value) is told
    assert str(cause) in str(found.value)


async def test_what_a_command_logs_is_no_part_of_its_answer(
    tmp_path: Path, postgres_url: str
) -> None:
    """It waits for its turn, and says so where a script does not take it for the answer."""
    begun = asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")
        begun.set()
        await asyncio.sleep(4)

    there = Place(tmp_path / "data", Store("postgres", postgres_url))
    async with there.store.open() as database:
        held = asyncio.create_task(database.maintain(hold, deadline=None))
        await begun.wait()
        finished = await there.run("migrate")
        await held
    assert done(finished) == "the schema is up to date\n"
    assert "another process migrates or restores this database, waiting" in finished.err


async def test_an_unreachable_postgres_is_a_sentence(tmp_path: Path) -> None:
    settings: Mapping[str, str] = {"HUB_DATABASE_URL": "postgres://hub@127.0.0.1:1/none"}
    ended = await run_py(tmp_path / "data", "backup", str(tmp_path / "b"), settings=settings)
    assert "Postgres" in refused(ended)
    assert list(tmp_path.glob("b*")) == []


async def test_the_strict_way_of_the_documentation_works(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """One role owns the schema and may make no roles, the hub logs in as another one."""
    make = "DO $$ BEGIN CREATE ROLE {} {}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    postgres_server.execute(
        make.format("strict_owner", "LOGIN"),
        make.format("hub_app", "NOLOGIN"),
        make.format("hub_tenant", "NOLOGIN"),
        "GRANT hub_app, hub_tenant TO strict_owner",
        make.format("strict_hub", "LOGIN NOINHERIT"),
        "GRANT hub_app, hub_tenant TO strict_hub",
        "CREATE DATABASE strict OWNER strict_owner ENCODING 'UTF8' TEMPLATE template0",
    )
    settings = {
        "HUB_DATABASE_URL": postgres_server.url("strict", "strict_hub"),
        "HUB_DATABASE_OWNER_URL": postgres_server.url("strict", "strict_owner"),
    }
    try:
        async with HubProcess(tmp_path, settings) as hub:
            event = {"type": "custom_tick", "id": "t-1", "data": {}}
            sent = await call(hub, "POST", "/api/events", event, key=hub.bot_key)
            assert sent.status in (200, 201), sent.body
            await hub.terminate()
            file = tmp_path / "b"
            done(await run_py(hub.data_dir, "backup", str(file), settings=settings))
            assert ("t-1",) in in_file(file, "SELECT id FROM events")
            restore = ("restore", str(file), "--yes")
            done(await run_py(hub.data_dir, *restore, settings=settings, deadline=DEADLINE))
            await hub.start()
            query = {"types": "custom_*"}
            page = await call(hub, "GET", "/api/events", key=hub.admin_key, query=query)
            assert [found["id"] for found in page.json()["events"]] == ["t-1"]
    finally:
        postgres_server.drop_database("strict")
