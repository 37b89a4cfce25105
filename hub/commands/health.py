"""How the hub is: what works, who is connected, and what has passed since it was started."""

import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from hub.probes import Check
from hub.protocol.times import format_ms
from hub.services import Services

from .command import EVERYBODY, Command, Invocation, Result
from .params import Nothing

Status = Literal["ready", "unavailable", "draining"]

_PAGE_BYTES = resource.getpagesize()


class LogHealth(Struct):
    """The log.

    Attributes:
        offset: its end; oldest: the first offset still stored (`offset` + 1 when none is).
        ring_first: the first offset in memory; ring_size: how many events are.
        backlog: committed events that wait to be sent.
    """

    epoch: str
    offset: int
    oldest: int
    ring_first: int
    ring_size: int
    backlog: int


class ConnectionsHealth(Struct):
    """Who is connected.

    Attributes:
        total: open sockets and streams, those without a credential yet included.
        by_role, by_door: the authenticated ones, and the long polls that wait.
        lagging: those whose outgoing buffer is full.
    """

    total: int
    limit: int
    by_role: dict[str, int]
    by_door: dict[str, int]
    lagging: int


class Traffic(Struct):
    """What has passed since the start.

    Attributes:
        commits: transactions that stored events.
        commit_ms_last, group_events_last: of the last of them, 0 before the first.
        closes: sockets and streams that ended, by close code; `0` for any other reason.
    """

    events_in: int
    events_out: int
    bytes_out: int
    ring_replays: int
    database_replays: int
    commits: int
    commit_ms_last: float
    group_events_last: int
    closes: dict[str, int]


class ProcessHealth(Struct):
    """The process.

    Attributes:
        rss_bytes: resident memory (where the system does not tell, its peak).
        cpu_seconds: processor time since the start, user and system.
        loop_lag_ms: the largest lag of the event loop in the last 5 s.
        disk_free_bytes: where the hub writes; None while it is not known.
    """

    rss_bytes: int
    cpu_seconds: float
    open_files: int
    open_files_limit: int | None
    loop_lag_ms: float
    disk_free_bytes: int | None


class Health(Struct):
    """See the module; `started_at` is RFC 3339."""

    status: Status
    version: str
    started_at: str
    uptime_seconds: float
    checks: list[Check]
    log: LogHealth
    connections: ConnectionsHealth
    traffic: Traffic
    process: ProcessHealth


async def readiness(services: Services) -> tuple[Status, list[Check]]:
    """Whether the hub can be used, and what of it works; within 2 s, and free when asked often."""
    checks = await services.probes.check()
    if services.gateway.draining:
        return "draining", checks
    return "ready" if all(check.ok for check in checks) else "unavailable", checks


async def show(services: Services) -> Health:
    """How the hub is now."""
    status, checks = await readiness(services)
    started = services.started
    return Health(
        status=status,
        version=started.version,
        started_at=format_ms(started.at_ms),
        uptime_seconds=round(time.monotonic() - started.monotonic, 3),
        checks=checks,
        log=_log(services),
        connections=_connections(services),
        traffic=_traffic(services),
        process=_process(services),
    )


def _log(services: Services) -> LogHealth:
    event_log = services.log
    ring = event_log.ring
    return LogHealth(
        epoch=event_log.epoch,
        offset=event_log.end,
        oldest=event_log.oldest,
        ring_first=ring.first,
        ring_size=ring.end - ring.first + 1,
        backlog=services.fanout.backlog,
    )


def _connections(services: Services) -> ConnectionsHealth:
    gateway = services.gateway
    roles: Counter[str] = Counter()
    doors: Counter[str] = Counter()
    for connection in gateway.connections:
        roles[connection.principal.role] += 1
        doors[connection.door] += 1
    return ConnectionsHealth(
        total=len(gateway),
        limit=gateway.most,
        by_role=dict(roles),
        by_door=dict(doors),
        lagging=gateway.lagging,
    )


def _traffic(services: Services) -> Traffic:
    fanout, replay, metrics = services.fanout, services.replay, services.metrics
    return Traffic(
        events_in=services.log.events_in,
        events_out=fanout.events_out,
        bytes_out=fanout.bytes_out,
        ring_replays=replay.ring_replays,
        database_replays=replay.database_replays,
        commits=metrics.commits,
        commit_ms_last=round(metrics.commit_seconds_last * 1000, 3),
        group_events_last=metrics.group_events_last,
        closes={str(int(code)): n for code, n in services.gateway.connections.closes.items()},
    )


def _process(services: Services) -> ProcessHealth:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ProcessHealth(
        rss_bytes=_resident_bytes(),
        cpu_seconds=round(time.process_time(), 3),
        open_files=_open_files(),
        open_files_limit=None if soft == resource.RLIM_INFINITY else soft,
        loop_lag_ms=round(services.loop_lag.worst * 1000, 3),
        disk_free_bytes=services.probes.disk_free,
    )


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except FileNotFoundError:  # not Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _open_files() -> int:
    """How many files are open. Linux since 6.2 has counted them already (proc(5), /proc/pid/fd)."""
    return os.stat("/dev/fd").st_size or len(os.listdir("/dev/fd"))


async def _show(call: Invocation, params: Nothing) -> Result:
    return msgspec.structs.asdict(await show(call.services))


COMMANDS = (
    Command(
        name="health.show", http=None, roles=EVERYBODY,
        summary="How the hub is; GET /health says the same",
        params=Nothing, run=_show,
        answer={field.name: field.type for field in msgspec.structs.fields(Health)},
    ),
)  # fmt: skip
