"""A private Postgres server for tests and the bench, from the system's own binaries.

It listens on a Unix socket in a short temporary folder (a socket's path has at most 107 bytes),
and on a port of the loopback when it is asked to. Everybody may log in as anybody there, so the
folder is open to its owner alone. The server dies with the thread that started it.
"""

import asyncio
import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import asyncpg

OWNER = "hub"
"""Who owns the databases: no superuser, but it may make roles, as a managed database has it."""
_SUPERUSER = "postgres"
_PREFIX = "hub-pg-"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MEMORY = Path("/dev/shm")
_DISK = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
"""TMPDIR may be long, or closed to the server's user."""
_START_SECONDS = 15.0
_ROOM = 4 << 30  # bytes: four servers at once take 0.1 GB each, and 10 MB a database


class PostgresMissingError(Exception):
    """There is no Postgres here, or none that could be run; the message says what to install."""


class PostgresFailedError(Exception):
    """The server did not start or did not stop; the message ends with its log."""


class PostgresServer:
    """A server with data of its own; a context manager that leaves no process and no file.

    Args:
        fsync: whether commits survive the end of the machine; they survive `kill` in any case.
        tcp: whether it listens on a free port of 127.0.0.1 too.
        settings: further settings by their names in postgresql.conf.
    """

    def __init__(
        self, *, fsync: bool = False, tcp: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.templates: set[str] = set()
        """The names of databases that are ready to be copied."""
        self._bin = binaries()
        self._version = _major_version(self._bin)
        self._user = _unprivileged()
        self._tcp = tcp
        self._settings = {
            "fsync": "on" if fsync else "off",
            "max_connections": "200",
            "listen_addresses": "127.0.0.1" if tcp else "",
        } | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        _remove_what_was_left()
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place(fsync)))
        self._lock = os.open(self.folder / "owner", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self.port = _free_port() if tcp else 5432
            self._initialize()
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    def url(self, database: str, user: str = OWNER) -> str:
        """A database's address: over TCP if the server listens there, else over the socket."""
        if self._tcp:
            return f"postgres://{user}@127.0.0.1:{self.port}/{database}"
        return self.socket_url(database, user)

    def socket_url(self, database: str, user: str = OWNER) -> str:
        """A database's address over the Unix socket."""
        port = f"&port={self.port}" if self._tcp else ""
        return f"postgres://{user}@/{database}?host={self.folder}{port}"

    def start(self) -> None:
        """Start it on its data and wait until it takes connections.

        It ends when the calling thread ends, so call it from one that stays.

        Raises:
            PostgresFailedError: it ended, or was not ready in time.
        """
        assert not self.running, "the server is running already"
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._tied(), str(self._bin / "postgres"), "-D", str(self._data),
                    "-k", str(self.folder), "-p", str(self.port), *options,
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if not self.running:
                raise self._failed("Postgres ended before it was ready")
            if time.monotonic() > deadline:
                self.kill()
                raise self._failed(f"Postgres was not ready within {_START_SECONDS} s")
            time.sleep(0.005)

    def stop(self) -> None:
        """End every connection and shut down in order."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Crash: every process of it ends at once, and the next start has to recover."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Start it again on the same data, socket and port; stop it first if it runs."""
        if self.running:
            self.stop()
        self.start()

    def remove(self) -> None:
        """End it and remove all its files."""
        if self.running:
            self.kill()
        shutil.rmtree(self.folder)
        os.close(self._lock)

    def create_database(self, name: str | None = None, template: str | None = None) -> str:
        """Make a database that belongs to the owner; its address.

        Args:
            name: a name of its own is found without one; `database_of` gives it back.
            template: the database to copy; nobody may be connected to it.
        """
        name = _checked(name or f"t_{uuid4().hex}")
        copied = f"TEMPLATE {_checked(template)}" if template else ""
        if template and self._version >= 15:
            copied += " STRATEGY FILE_COPY"  # in memory 20-30 ms, through the WAL 40-60
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} {copied}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, with every connection to it."""
        self.execute(f"DROP DATABASE IF EXISTS {_checked(name)} WITH (FORCE)")

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, each in a transaction of its own."""
        _as_superuser(self.socket_url(database), statements)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _initialize(self) -> None:
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        command = [
            *self._tied(), str(self._bin / "initdb"), "-D", str(self._data), "-U", _SUPERUSER,
            "-A", "trust", "-E", "UTF8", "--no-sync", *self._locale(),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise PostgresFailedError(f"initdb failed:\n{done.stdout}{done.stderr}")
        self.start()
        self.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS")
        self.stop()

    def _locale(self) -> list[str]:
        # A language's order of text, as most servers have it: whoever relies on the order of
        # code points has to say so.
        if self._version >= 15:
            return ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"]
        return ["--locale=C"]

    def _tied(self) -> list[str]:
        """What runs a program without privileges and ends it with the calling thread."""
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            if self._user is not None:
                raise PostgresMissingError("as root, setpriv is needed (Debian: util-linux)")
            return []
        if self._user is None:
            return [setpriv, "--pdeathsig", "SIGQUIT"]
        who = [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"]
        return [setpriv, *who, "--pdeathsig", "SIGQUIT"]

    def _ready(self) -> bool:
        # The file has the pid in its first line and the state in its eighth.
        try:
            lines = (self._data / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return lines[0] == str(self.pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server has not been started"
        self._process.send_signal(number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise self._failed(f"Postgres did not end after {number.name}") from None

    def _failed(self, what: str) -> PostgresFailedError:
        log = (self.folder / "log").read_text(errors="replace")[-4000:]
        return PostgresFailedError(f"{what}; its log ends with:\n{log}")


def binaries() -> Path:
    """The folder with `initdb` and `postgres`: that on PATH, else Debian's newest.

    Raises:
        PostgresMissingError: there is none.
    """
    found = shutil.which("initdb")
    if found and shutil.which("postgres"):
        return Path(found).resolve().parent
    installed = [
        (float(folder.parent.name), folder)
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    if not installed:
        raise PostgresMissingError("no Postgres here (on Debian: apt-get install postgresql)")
    return max(installed)[1]


def rows(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of one query as the superuser, who sees those of every tenant."""
    return _as_superuser(url, (), query, values)


def _as_superuser(
    url: str, statements: Sequence[str], query: str | None = None, values: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    async def work() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url, user=_SUPERUSER)
        try:
            for statement in statements:
                await connection.execute(statement)
            if query is None:
                return []
            return [tuple(row) for row in await connection.fetch(query, *values)]
        finally:
            await connection.close()

    # The caller may be a coroutine: it waits, and its loop with it.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work()).result()


def database_of(url: str) -> str:
    """The name of the database in an address that this module gave."""
    return url.partition("?")[0].rpartition("/")[2]


def _major_version(folder: Path) -> int:
    shown = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True)
    found = re.search(r"\) (\d+)", shown.stdout)
    if found is None:
        raise PostgresMissingError(f"{folder}/postgres does not run: {shown.stdout}{shown.stderr}")
    return int(found[1])


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom root runs the server as: it refuses to run as root. None: as who we are."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresMissingError("as root, a user `postgres` or `nobody` is needed")


def _place(fsync: bool) -> Path:
    """Where the data goes: in memory a database is made in a fraction of a disk's time."""
    if not fsync and _MEMORY.is_dir():
        room = os.statvfs(_MEMORY)
        if room.f_bavail * room.f_frsize > _ROOM:
            return _MEMORY
    return _DISK


def _remove_what_was_left() -> None:
    """Remove the folders of processes that were killed: nobody holds their locks any more."""
    for owner in (*_DISK.glob(f"{_PREFIX}*/owner"), *_MEMORY.glob(f"{_PREFIX}*/owner")):
        try:
            lock = os.open(owner, os.O_RDWR)
        except OSError:
            continue  # somebody else's, or removed just now
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(owner.parent, ignore_errors=True)
        except BlockingIOError:
            pass  # it is in use
        finally:
            os.close(lock)


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def _checked(name: str) -> str:
    assert _NAME.fullmatch(name), f"not a plain name: {name!r}"
    return name
