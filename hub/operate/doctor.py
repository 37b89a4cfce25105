"""`run.py doctor`: what is configured, what is wrong, and what to do about it."""

import asyncio
import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Iterator

from hub.addresses import is_loopback, network
from hub.media.sight import living_hubs, unseen
from hub.media.signing import KEY as MEDIA_KEY
from hub.server import listen
from hub.settings import Settings, masked_address
from jobs.inspection import inspect_configured, inspect_embedded, inspect_workers
from storage.connect import sqlite_path
from storage.database import Database
from storage.errors import StorageError
from storage.inspection import Finding, inspect
from storage.migrate import pending

from . import lock
from .database import open_database
from .first_start import ADMIN_KEY, BOT_KEY
from .worker import MEDIA_ADVICE

_OTHER_FILES = 200  # open files that are no connections: database, broker, logs, listeners
_ENOUGH_BYTES = 1 << 30


def doctor(settings: Settings, unknown: list[str]) -> tuple[str, bool]:
    """Check everything; the report, and whether the hub can run."""
    findings = list(_findings(settings, unknown))
    lines = ["settings"]
    width = max(len(name) for name in settings.effective())
    lines += [f"  {name.ljust(width)}  {value}" for name, value in settings.effective().items()]
    lines.append("checks")
    for state, what, advice in findings:
        lines.append(f"  {state.ljust(4)}  {what}")
        if advice:
            lines.append(f"        → {advice}")
    return "\n".join(lines), all(finding.state != "fail" for finding in findings)


def _findings(settings: Settings, unknown: list[str]) -> Iterator[Finding]:
    for name in unknown:
        yield Finding("warn", f"{name} is not a setting of this version", "check its spelling")
    running = lock.running(settings.data_dir) if settings.data_dir.is_dir() else None
    yield from _data_dir(settings)
    yield from _media(settings)
    yield from _keys(settings)
    yield from _database(settings)
    yield from _broker(settings)
    yield _port(settings, running)
    yield from _reach(settings)
    yield _open_files(settings)
    version = sqlite3.sqlite_version_info
    yield Finding(
        "ok" if version >= (3, 37) else "fail",
        f"SQLite {sqlite3.sqlite_version}",
        "" if version >= (3, 37) else "3.37 or newer is needed: use a newer Python",
    )


def _data_dir(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir
    if not path.exists():
        yield Finding("ok", f"data directory {path} will be made at the first start")
        return
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        yield Finding(
            "fail", f"data directory {path} cannot be written", "check its owner and mode"
        )
        return
    free = shutil.disk_usage(path).free
    yield Finding(
        "ok" if free >= _ENOUGH_BYTES else "warn",
        f"data directory {path}, {free >> 20} MiB free",
        "" if free >= _ENOUGH_BYTES else "a full disk stops every write: make room",
    )


def _media(settings: Settings) -> Iterator[Finding]:
    path = settings.media_folder
    if not path.exists():
        yield Finding("ok", f"media folder {path} will be made at the first start")
    elif not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        advice = "check its owner and mode, or correct HUB_MEDIA_URL"
        yield Finding("fail", f"media folder {path} cannot be written", advice)
    else:
        yield Finding("ok", f"media folder {path}, {shutil.disk_usage(path).free >> 20} MiB free")


def _keys(settings: Settings) -> Iterator[Finding]:
    for name in (ADMIN_KEY, BOT_KEY, MEDIA_KEY):
        path = settings.data_dir / name
        if path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            safe = not mode & 0o077
            yield Finding(
                "ok" if safe else "warn",
                f"{path} has mode {mode:04o}",
                "" if safe else f"others can read this key: chmod 600 {path}",
            )


def _database(settings: Settings) -> list[Finding]:
    address = masked_address(settings.effective_database_url)

    async def look() -> list[Finding]:
        database = await open_database(settings)
        try:
            return await inspect(database, address) + await _work(settings, database)
        finally:
            await database.close()

    try:
        file = sqlite_path(settings.effective_database_url)
        if file is not None and not file.exists():
            return [Finding("ok", f"database {address} will be made at the first start")]
        return asyncio.run(look())
    except StorageError as error:
        advice = "restore the file or correct HUB_DATABASE_URL"
        return [Finding("fail", f"database: {error}", advice)]


async def _work(settings: Settings, database: Database) -> list[Finding]:
    """Whether jobs are done, and whether this machine sees the hub's pictures."""
    try:
        if await pending(database):
            return []
    except StorageError:  # which `inspect` has told
        return []
    found = await inspect_workers(database, settings.workers)
    if settings.redis_url is None and len(hubs := await living_hubs(database)) > 1:
        found.append(
            Finding(
                "warn",
                f"{len(hubs)} hubs run on this database, and this one has a broker of its own: "
                "progress of jobs is seen at the hub that does them alone",
                "give all of them the same HUB_REDIS_URL",
            )
        )
    reason = await unseen(database, settings.media_folder) if database.shared else None
    if reason is not None:
        said = f"the media folder is not the one of the hubs on this database: {reason}"
        found.append(Finding("fail", said, MEDIA_ADVICE))
    return found


def _broker(settings: Settings) -> list[Finding]:
    if settings.redis_url is not None:
        address = masked_address(settings.redis_url)
        return asyncio.run(inspect_configured(settings.redis_url, address))
    if not settings.workers:
        return [Finding("ok", "no broker is used: HUB_WORKERS=none and no HUB_REDIS_URL")]
    return asyncio.run(inspect_embedded(settings.broker_folder))


def _port(settings: Settings, running: lock.Running | None) -> Finding:
    where = f"{settings.host}:{settings.port}"
    if running is not None:
        return Finding("ok", f"a hub runs: process {running.pid} at {running.url}")
    try:
        listen(settings.host, settings.port).close()
    except OSError as error:
        return Finding(
            "fail", f"cannot listen on {where}: {error.strerror}", "choose another HUB_PORT"
        )
    return Finding("ok", f"can listen on {where}")


def _reach(settings: Settings) -> Iterator[Finding]:
    if settings.public_url is None and not is_loopback(settings.host):
        yield Finding(
            "warn",
            f"the hub listens on {settings.host}, and HUB_PUBLIC_URL is not set:"
            " browsers elsewhere are refused",
            "set HUB_PUBLIC_URL to the address that people type, such as https://hub.example.com",
        )
    everybody = [text for text in settings.trusted_proxies if network(text).prefixlen == 0]
    if everybody:
        yield Finding(
            "warn",
            f"HUB_TRUSTED_PROXIES trusts every address ({', '.join(everybody)}):"
            " whoever sends X-Forwarded-For chooses the address that is limited and logged",
            "name only the proxies' own addresses or their network",
        )


def _open_files(settings: Settings) -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.max_connections + _OTHER_FILES
    unlimited = hard == resource.RLIM_INFINITY
    if unlimited or hard >= needed:
        allowed = "any number of" if unlimited else hard
        return Finding("ok", f"{allowed} open files allowed; every connection is one")
    return Finding(
        "warn",
        f"{hard} open files allowed; HUB_MAX_CONNECTIONS={settings.max_connections} needs {needed}",
        "raise the hard limit (ulimit -Hn, or LimitNOFILE= in a systemd unit)"
        f" or set HUB_MAX_CONNECTIONS={max(1, hard - _OTHER_FILES)}",
    )
