"""The servers under load, as child processes on a core of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.bench.machine import Process
from tests.bench.peers import HOST, Broken, Peer, connect
from tests.bench.wire import handshake

ROOT = Path(__file__).resolve().parents[2]
HUB_COMMAND = [sys.executable, str(ROOT / "run.py"), "serve"]
START_TIMEOUT = 30.0
READY = b'"type":"connected"'


class Server:
    """A child process that listens on a port of this machine."""

    port: int
    process: Process
    _child: subprocess.Popen[bytes]

    def __init__(self, core: int, log: Path) -> None:
        self._core = core
        self._log = log

    def _spawn(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        core = self._core
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )

    def _await_port(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._child.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 1):
                return
            time.sleep(0.02)
        raise self._did_not_start()

    def _did_not_start(self) -> Broken:
        code = self._child.poll()
        state = "did not listen in time" if code is None else f"ended with code {code}"
        self.kill()
        last = self._log.read_text(errors="replace")[-1500:]
        return Broken(f"{Path(self._log).stem} {state}:\n{last}")

    def kill(self) -> None:
        """SIGKILL to the process and its children, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        raise NotImplementedError

    def _open(self, path: str, number: int, headers: Mapping[str, str]) -> list[Peer]:
        return connect(self.port, [handshake(self.port, path, headers)] * number, READY)

    def subscribers(self, number: int) -> list[Peer]:
        return self._open("/sub", number, {})

    def publishers(self, number: int) -> list[Peer]:
        return self._open("/pub", number, {})


class Baseline(Server):
    """A module of this package that serves `/sub` and `/pub` on a given port."""

    def __init__(self, core: int, log: Path, module: str) -> None:
        super().__init__(core, log)
        self._module = module

    def start(self) -> None:
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port = free.getsockname()[1]
        self._spawn([sys.executable, "-m", self._module, str(self.port)], os.environ)
        self._await_port()
        self.process = Process(self._child.pid)


class Hub(Server):
    """`run.py serve` with a data directory of its own and every other setting as it comes."""

    def __init__(
        self,
        core: int,
        folder: Path,
        under: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(core, folder / "hub.log")
        self.folder = folder
        self._settings = dict(settings or {})
        self._under = under  # a program that runs the hub, such as strace
        self._tokens: dict[str, str] = {}

    def start(self) -> None:
        previous = self._lock().get("pid")
        env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        env |= {"HUB_PORT": "0", "HUB_DATA_DIR": str(self.folder), **self._settings}
        self._spawn([*self._under, *HUB_COMMAND], env)
        deadline = time.monotonic() + START_TIMEOUT
        while (lock := self._lock()).get("pid") in (previous, None) or not lock.get("url"):
            if time.monotonic() > deadline or self._child.poll() is not None:
                raise self._did_not_start()
            time.sleep(0.005)
        self.process = Process(lock["pid"])
        self.port = int(str(lock["url"]).rstrip("/").rpartition(":")[2])
        self._await_port()

    def _lock(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / "hub.lock").read_bytes()))
        except (OSError, ValueError):
            return {}

    def api(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        headers = {"Authorization": f"Bearer {self.token('admin')}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status >= 300:
            raise Broken(f"{method} {path}: {answer.status} {text[:400]!r}")
        return dict(json.loads(text))

    def token(self, name: str) -> str:
        """The key file `admin` or `bot`, or else a viewer's key, made under that name."""
        if name not in self._tokens:
            if name in ("admin", "bot"):
                token = (self.folder / f"{name}.key").read_text().strip()
            else:
                merchant = self.api("GET", "/api/merchants")["merchants"][0]["id"]
                made = {"merchant_id": merchant, "role": "viewer", "name": name}
                token = self.api("POST", "/api/keys", made)["token"]
            self._tokens[name] = token
        return self._tokens[name]

    def request(self, key: str = "viewer", query: str = "") -> bytes:
        headers = {"Authorization": f"Bearer {self.token(key)}"}
        return handshake(self.port, f"/ws{query}", headers)

    def subscribers(self, number: int) -> list[Peer]:
        return connect(self.port, [self.request()] * number, READY)

    def publishers(self, number: int) -> list[Peer]:
        return connect(self.port, [self.request("bot")] * number, READY)

    def cursor(self) -> tuple[str, int]:
        """The log's epoch and the offset of its end."""
        page = self.api("GET", "/api/events?limit=1")
        return page["epoch"], page["offset"]


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder for the data, on the disk that holds the project, that leaves no trace in git."""
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
