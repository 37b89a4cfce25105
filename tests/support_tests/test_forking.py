"""A forked hub is a process of its own: nothing is left in it of its parent or of other hubs."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import forking
from tests.support.browsers import SSE, endless
from tests.support.forking import ForkedProcess, ForkServer, ForkServerError
from tests.support.hub_process import HubProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="hubs are forked on Linux alone")


@pytest.fixture(scope="module")
def shared() -> Iterator[ForkServer]:
    server = ForkServer(environment())
    yield server
    server.close()


@pytest.fixture
def server(shared: ForkServer, monkeypatch: pytest.MonkeyPatch) -> ForkServer:
    """Tests here have one of their own, which forks all their hubs."""
    monkeypatch.setattr(forking, "_current", shared)
    monkeypatch.setattr(HubProcess, "forked", True)
    return shared


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return kept | {"PYTHONUNBUFFERED": "1"} | dict(settings or {})


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def run_command(
    server: ForkServer, directory: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> tuple[ForkedProcess, Path, Path]:
    """Any command of `run.py`, its stdout and its stderr."""
    out, err = directory / "out", directory / "err"
    own = {"HUB_DATA_DIR": str(directory / "data")} | dict(settings or {})
    with out.open("ab") as stdout, err.open("ab") as stderr:
        process = server.start(arguments, directory, environment(own), (stdout, stderr), None)
    return process, out, err


def open_files(hub: HubProcess) -> set[str]:
    """What it has open; numbers of sockets and names of folders are left out, and how often: SQLite
    opens its files when a connection needs them."""
    found = set()
    for file in Path(f"/proc/{hub.pid}/fd").iterdir():
        try:
            name = os.readlink(file).replace(str(hub.data_dir.parent), "")
        except FileNotFoundError:
            continue  # closed meanwhile
        found.add(re.sub(r"\d+", "N", name))
    return found


async def test_hubs_are_children_of_one_process_and_have_nothing_of_each_other(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("first", "second", "fresh")]
    for folder in folders:
        folder.mkdir()
    key = "the-key-of-the-first-one-and-of-no-other"
    first, second = HubProcess(folders[0], {"HUB_ADMIN_KEY": key}), HubProcess(folders[1])
    async with first, second:
        assert parent(first.pid) == parent(second.pid) == server.pid
        assert second.admin_key != key, "its environment is its own"
        assert os.readlink(f"/proc/{second.pid}/cwd") == str(folders[1])
        monkeypatch.setattr(HubProcess, "forked", False)
        async with HubProcess(folders[2]) as fresh:
            assert parent(fresh.pid) == os.getpid()
            assert open_files(second) == open_files(fresh)
        ids = [(hub.data_dir / "instance.id").read_text() for hub in (first, second)]
        assert ids[0] != ids[1]


async def test_each_draws_random_numbers_of_its_own(server: ForkServer, tmp_path: Path) -> None:
    drawn = set()
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with HubProcess(folder) as hub, endless(hub, SSE, key=hub.bot_key) as stream:
            text = await stream.shows("retry: ")
            drawn.add(text.partition("retry: ")[2].split()[0])
    assert len(drawn) > 1, "one of 2001 numbers, thrice the same"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
async def test_a_signal_that_ends_it_is_its_exit_code(
    server: ForkServer, tmp_path: Path, number: signal.Signals
) -> None:
    async with HubProcess(tmp_path) as hub:
        process = hub._process
        assert isinstance(process, ForkedProcess)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        os.kill(hub.pid, number)
        assert process.wait(10) == process.poll() == process.returncode == -number
        process.send_signal(signal.SIGTERM)  # as with Popen, nobody gets it


def test_any_command_of_it_runs_to_its_end(server: ForkServer, tmp_path: Path) -> None:
    process, out, err = run_command(server, tmp_path, "--version")
    assert (process.wait(10), err.read_text()) == (0, "")
    assert out.read_text().startswith("Smart Bot Hub ")
    process, _, err = run_command(server, tmp_path, "key", "nothing")
    assert process.wait(10) == 2
    assert "invalid choice: 'nothing'" in err.read_text()
    process, _, err = run_command(server, tmp_path, "doctor", settings={"HUB_PORT": "none"})
    assert process.wait(10) == 1
    assert "HUB_PORT" in err.read_text()


def test_a_folder_that_is_not_there_is_the_childs_failure(
    server: ForkServer, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = server.start(["serve"], tmp_path / "gone", environment(), (out, err), None)
    assert process.wait(10) == 1
    assert "FileNotFoundError" in (tmp_path / "err").read_text()
    assert server.running


@pytest.mark.parametrize("name", ["PYTHONDEVMODE", "TZ"])
async def test_what_an_interpreter_reads_when_it_starts_needs_one_that_starts(
    server: ForkServer, tmp_path: Path, name: str
) -> None:
    async with HubProcess(tmp_path, {name: "UTC"}) as hub:
        assert parent(hub.pid) == os.getpid()


async def test_a_fork_server_that_dies_takes_its_hubs_along_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forking, "_current", server := ForkServer(environment()))
    monkeypatch.setattr(HubProcess, "forked", True)
    hub = HubProcess(tmp_path)
    await hub.start()
    assert hub.running
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(ForkServerError, match=r"has ended, and its hubs with it \(exit code -9\)"):
        await hub.kill()
    assert not hub.running
    await hub.start()
    assert parent(hub.pid) not in (server.pid, os.getpid())
    assert await hub.terminate() == 0
    replaced = forking._current
    assert replaced is not None
    assert replaced is not server
    replaced.close()


def test_a_fork_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = ForkServer({"PYTHONHOME": str(tmp_path)})
    with pytest.raises(ForkServerError, match="Python"):
        broken.reap(1)
    broken.close()
