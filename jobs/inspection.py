"""What `run.py doctor` finds out about a broker and the workers."""

import time
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.protocol.times import parse_ms
from storage import work
from storage.database import Database
from storage.errors import StorageError
from storage.inspection import Finding
from storage.merchant_records import Queue
from storage.scope import HUB

from .address import client, redis_settings
from .broker_program import LEAST_VERSION, NoServer, find_program
from .broker_server import ask, socket_place
from .queues import NAMES, SILENT_SECONDS

_PATIENCE_SECONDS = 3.0
_LEAST = ".".join(map(str, LEAST_VERSION))


async def inspect_configured(url: str, address: str) -> list[Finding]:
    """Look at the broker of HUB_REDIS_URL.

    Args:
        address: what it is called in the report, without a password.
    """
    try:
        async with client(redis_settings(url), _PATIENCE_SECONDS) as asking:
            return await _ask(asking, address)
    except (RedisError, OSError) as error:
        advice = "start it, or correct HUB_REDIS_URL; until it answers, jobs wait in the database"
        return [Finding("fail", f"broker {address}: {error}", advice)]


async def inspect_embedded(folder: Path) -> list[Finding]:
    """Look at what the hub would start, and at what runs already.

    Args:
        folder: the embedded server's, in the data directory.
    """
    try:
        program = find_program()
    except NoServer as error:
        return [Finding("fail", "broker: no server is here to start", str(error))]
    place = socket_place(folder)
    runs = await ask(place) == "PONG"
    return [
        Finding(
            "ok",
            f"broker: {program.version} of {program.path} "
            + (f"answers at {place}" if runs else "is started with the hub"),
        )
    ]


async def inspect_workers(database: Database, here: tuple[Queue, ...]) -> list[Finding]:
    """Look at who says in the table `workers` that it works.

    Args:
        here: the queues that a hub with these settings works on itself.
    """
    try:
        now_ms = parse_ms(await database.read(lambda tx: tx.now(), HUB))
        known = await database.read(work.workers, HUB)
    except StorageError as error:
        return [Finding("fail", f"workers: {error}", "see the server's own log")]
    since = now_ms - SILENT_SECONDS * 1000
    living = [row for row in known if row.kind == "worker" and parse_ms(row.seen_at) >= since]
    findings = [
        Finding("ok", f"worker {row.pid} on {row.host}: {', '.join(row.queues)}") for row in living
    ]
    worked = {queue for row in living for queue in row.queues} | {*here}
    idle = [queue for queue in NAMES if queue not in worked]
    if idle:
        findings.append(
            Finding(
                "warn",
                f"nobody does the jobs of {', '.join(idle)}",
                f"run.py worker {' '.join(idle)}, or HUB_WORKERS=all at a hub",
            )
        )
    return findings


async def _ask(asking: "Redis", address: str) -> list[Finding]:
    begun = time.monotonic()
    await asking.ping()
    ms = (time.monotonic() - begun) * 1000
    try:
        told: dict[str, Any] = await asking.info("everything")
    except RedisError as error:
        advice = "the hub's user needs INFO; that it keeps what it holds cannot be seen"
        return [Finding("warn", f"broker {address} answers, but not what it is: {error}", advice)]
    return [*_version(told, address, ms), *await _abilities(asking, told), *_keeping(told)]


def _version(told: dict[str, Any], address: str, ms: float) -> list[Finding]:
    name = "Valkey" if told.get("server_name") == "valkey" else "Redis"
    shown = str(told.get("valkey_version") or told.get("redis_version"))
    version = tuple(int(part) for part in str(told["redis_version"]).split(".")[:2])
    if version < LEAST_VERSION:
        return [
            Finding("fail", f"broker {address}: {name} {shown}", f"{_LEAST} or newer is needed")
        ]
    return [Finding("ok", f"broker {address}: {name} {shown}, answers in {ms:.1f} ms")]


async def _abilities(asking: "Redis", told: dict[str, Any]) -> list[Finding]:
    """What the hub does with it, and what would stand in its way."""
    found = []
    mode = told.get("redis_mode") or told.get("server_mode")  # Valkey's own name for it
    if mode != "standalone":
        found.append(
            Finding(
                "fail",
                f"the broker's mode is {mode}",
                "use a single server or a primary with replicas: one script touches keys that a "
                "cluster would spread",
            )
        )
    if told.get("role") not in ("master", "primary"):
        found.append(
            Finding("fail", "the broker is a replica: it takes nothing", "name its primary")
        )
    try:
        await asking.eval("return 1", 0)  # type: ignore[misc]
        await asking.publish("hub:doctor", "")
    except RedisError as error:
        found.append(
            Finding(
                "fail",
                f"the broker refuses what the hub does: {error}",
                "give its user the keys and channels of the hub: ACL SETUSER hub on >… "
                "~hub:* ~arq:* &hub:* +@all -@dangerous +info",
            )
        )
    return found


def _keeping(told: dict[str, Any]) -> list[Finding]:
    """Whether it keeps what it holds. It may lose it: the table `jobs` puts it back, but late."""
    found = []
    if not told.get("aof_enabled"):
        found.append(
            Finding(
                "warn",
                "the broker writes no append-only file: its restart loses what waits, which the "
                "hub puts back within seconds",
                "appendonly yes, appendfsync everysec",
            )
        )
    elif told.get("aof_last_write_status") != "ok":
        found.append(
            Finding("fail", "the broker cannot write its append-only file", "see its own log")
        )
    else:
        found.append(Finding("ok", "the broker writes an append-only file"))
    policy = told.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        limited = int(told.get("maxmemory", 0)) > 0
        found.append(
            Finding(
                "warn",
                f"the broker's maxmemory-policy is {policy}: "
                + ("when it is full" if limited else "once it has a limit")
                + " it forgets waiting jobs, which the hub puts back within seconds",
                "maxmemory-policy noeviction, and a server of the hub's own",
            )
        )
    return found
