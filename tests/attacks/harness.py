"""A hub under attack beside a healthy pair, and the measure of all of them.

The pair is a bot that publishes 100 events a second, on time whatever happens, and a dashboard
that follows them. A latency is the time from the bot's write to the dashboard's read. The hub has
a core of its own where the system allows it; the tests and the attacker share the others.
"""

import asyncio
import json
import os
import resource
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.attacks.lines import Seen, Target
from tests.attacks.machine import Probe, core_ticks, forget_peak, own_core, peak
from tests.attacks.pair import PATIENCE, Pair, Spread, beside, healthy_pair, spread
from tests.support.hub_process import REPOSITORY, HubProcess
from tests.support.rest import call, merchant_of, new_key

ATTACK_SECONDS = 2.0
CALM_SECONDS = 0.4
"""How long the pair is measured before the attack, and the shortest time after it."""
RECOVERY_SECONDS = 5.0
P99_LIMIT = 0.100
MEMORY_LIMIT = 100 << 20
DISTURBED_LIMIT = 0.500
"""The limit for a run that was disturbed twice: it can prove no more than this."""
LOG_LIMIT = 8 << 20
"""Bytes that an attack may add to the hub's log: it must not fill a disk."""
OWN_LAG = 0.050
"""Seconds by which the measuring loop may be late; beyond it the run is repeated once."""
OTHERS = 0.35
"""Share of the hub's core that others may take; beyond it the run is repeated once."""
DEFAULT_RATE = "100/15m"
"""The hub's own default, which its tests elsewhere do without."""
_PRIMED = 1200
"""Events in the log before an attack: more than the ring holds."""


class Report(NamedTuple):
    """What an attack did.

    Attributes:
        growth: the hub's largest resident memory beyond that before the attack, bytes.
        recovery: seconds after the attack until half a second was normal again, or None.
        joined: seconds that the slowest newcomer took, during the attack and after it, to have
            its key taken at both doors; None when one was not served.
        lost, repeated: events of the healthy pair.
        lag: how late the measuring loop itself was at most, seconds.
        others: the share of the hub's core that other processes took.
        log: what the attack added to the hub's log.
        runs: 2 when the first one was disturbed.
    """

    attack: str
    before: Spread
    during: Spread
    after: Spread
    growth: int
    recovery: float | None
    joined: float | None
    lost: int
    repeated: int
    lag: float
    others: float
    log: str
    secrets: tuple[str, ...]
    seen: Seen
    runs: int

    @property
    def disturbed(self) -> bool:
        """Whether the measurement says more about the machine than about the hub."""
        return self.lag > OWN_LAG or self.others > OTHERS

    @property
    def refusals(self) -> str:
        """What the attacker was told, most frequent first."""
        told = self.seen.statuses + self.seen.ends + self.seen.frames
        for name in (
            "101",
            "connected",
            "subscribed",
            "live",
            "event",
            "ping",
            "eof",
            "open",
            "refused",
        ):
            told.pop(name, None)
        return ", ".join(f"{what} ×{count}" for what, count in told.most_common(4)) or "held back"


async def _prime(hub: HubProcess, key: str) -> None:
    """Put something into the log for those who ask for all of it."""
    event = {"type": "custom_primed", "data": {"text": "x" * 500}}
    for _ in range(_PRIMED // 400):
        assert (await call(hub, "POST", "/api/events", [event] * 400, key=key)).status == 201


async def _join(hub: HubProcess, key: str) -> float | None:
    """How long a newcomer takes to be served at both doors; None for one that is not."""
    began = time.monotonic()
    try:
        answer = await call(hub, "GET", "/healthz", deadline=RECOVERY_SECONDS)
        async with asyncio.timeout(RECOVERY_SECONDS):
            async with connect(
                hub.ws_url,
                additional_headers={"X-API-Key": key},
                compression=None,
                proxy=None,
                close_timeout=0,
            ) as connection:
                first = json.loads(await connection.recv())
                took = time.monotonic() - began
                connection.transport.abort()
    except (OSError, TimeoutError, WebSocketException, EOFError):
        return None
    return took if answer.status == 200 and first["type"] == "connected" else None


@asynccontextmanager
async def _attacker(name: str) -> AsyncIterator[Process]:
    """A process that waits for its target. It imports while the hub starts, so that it does not do
    so beside what is measured."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.attacks.attacker",
        name,
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _attack(process: Process, target: Target) -> Seen:
    async with asyncio.timeout(target.seconds + PATIENCE):
        out, err = await process.communicate(msgspec.json.encode(target))
    assert process.returncode == 0, f"the attacker failed:\n{err.decode()[-3000:]}"
    return msgspec.json.decode(out, type=Seen, dec_hook=lambda kind, value: kind(value))


async def _recovered(pair: Pair, since: float, normal: float) -> float | None:
    """Seconds until half a second of events was as fast as `normal`; None after 5 s."""
    while (now := time.monotonic()) < since + RECOVERY_SECONDS + 0.5:
        # An event that has not arrived yet counts as not normal.
        for start in (since + step / 10 for step in range(60)):
            if start + 0.5 > now - normal:
                break
            sent = [at for at in pair.sent if start <= at < start + 0.5]
            there = pair.between(start, start + 0.5)
            if len(there) == len(sent) and there and max(there) <= normal:
                return start - since
        await asyncio.sleep(0.05)
    return None


async def _besiege(
    hub: HubProcess, attacker: Process, name: str, seconds: float, runs: int
) -> Report:
    merchant = await merchant_of(hub, hub.admin_key)
    made = {
        role: (await new_key(hub, hub.admin_key, role, merchant, f"attacking {role}"))[0]
        for role in ("bot", "viewer", "merchant")
    }
    watching, _ = await new_key(hub, hub.admin_key, "viewer", merchant, "healthy")
    joining, _ = await new_key(hub, hub.admin_key, "viewer", merchant, "newcomer")
    secrets = (hub.admin_key, hub.bot_key, watching, joining, *made.values())
    await _prime(hub, made["merchant"])
    with own_core(hub, attacker.pid):
        async with healthy_pair(hub, hub.bot_key, watching) as pair:
            await asyncio.sleep(CALM_SECONDS)
            probe = Probe(hub)
            written = hub.log.stat().st_size
            idle = hub.rss()
            forget_peak(hub)
            ticks, began = core_ticks(hub), time.monotonic()
            async with beside(probe.run()):
                attacking = asyncio.create_task(_attack(attacker, Target(hub.port, made, seconds)))
                await asyncio.sleep(seconds * 0.6)
                joined = [await _join(hub, joining)]
                seen = await attacking
                assert hub.running, (
                    f"the hub is dead; its log ends with:\n{hub.log.read_text()[-3000:]}"
                )
                ended, after_ticks = time.monotonic(), core_ticks(hub)
                joined.append(await _join(hub, joining))
                calm = spread(pair.between(0.0, began))
                recovery = await _recovered(pair, ended, max(0.025, 2 * calm.p99))
                await asyncio.sleep(max(0.0, ended + CALM_SECONDS - time.monotonic()))
            largest = max(probe.memory, peak(hub))
            await pair.stop()
            assert pair.failure is None, pair.failure
            busy, own = (after_ticks[n] - ticks[n] for n in range(2))
            hertz = os.sysconf("SC_CLK_TCK")
            numbers = [number for number, _ in pair.arrived]
            return Report(
                attack=name,
                before=calm,
                during=spread(pair.between(began, ended)),
                after=spread(pair.between(ended + (recovery or 0.0), time.monotonic())),
                growth=largest - idle,
                recovery=recovery,
                joined=None if None in joined else max(took for took in joined if took is not None),
                lost=len(set(range(len(pair.sent))) - set(numbers))
                + len(pair.sent) - pair.acknowledged,
                repeated=len(numbers) - len(set(numbers)) + (numbers != sorted(numbers)),
                lag=probe.lag,
                others=max(0.0, (busy - own) / hertz / (ended - began)),
                log=hub.log.read_bytes()[written:].decode(errors="replace"),
                secrets=secrets,
                seen=seen,
                runs=runs,
            )  # fmt: skip


async def besiege(directory: Path, name: str, seconds: float = ATTACK_SECONDS) -> Report:
    """Attack a fresh hub with its defaults; once more if the machine disturbed the first run.

    Args:
        name: the attack, as `attacker` knows it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        for run in (1, 2):
            own = directory / str(run)
            own.mkdir()
            limited = HubProcess(own, {"HUB_RATE_LIMIT": DEFAULT_RATE})
            async with _attacker(name) as attacker, limited as hub:
                report = await _besiege(hub, attacker, name, seconds, run)
            if not report.disturbed and report.during.p99 < P99_LIMIT:
                break
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return report


def survived(report: Report) -> None:
    """Check what must hold under every attack."""
    wrong = []
    if report.during.p99 >= (DISTURBED_LIMIT if report.disturbed else P99_LIMIT):
        wrong.append(f"p99 during the attack was {report.during.p99 * 1000:.0f} ms")
    if report.growth >= MEMORY_LIMIT:
        wrong.append(f"the hub grew by {report.growth / 1e6:.0f} MB")
    if report.lost or report.repeated:
        wrong.append(f"{report.lost} healthy events lost, {report.repeated} doubled or disordered")
    if report.recovery is None or report.recovery > RECOVERY_SECONDS:
        wrong.append(f"not back to normal within {RECOVERY_SECONDS} s")
    if report.joined is None or report.joined > RECOVERY_SECONDS:
        wrong.append("a newcomer was not served")
    if "Traceback" in report.log:
        wrong.append(f"a traceback: …{report.log[report.log.index('Traceback') :][:2000]}")
    if len(report.log) > LOG_LIMIT:
        wrong.append(f"{len(report.log) >> 20} MB of log")
    wrong += ["a key stands in the log" for secret in report.secrets if secret in report.log]
    wrong += report.seen.faults
    disturbance = f"own lag {report.lag * 1000:.0f} ms, others took {report.others:.0%} of the core"
    assert not wrong, f"{report.attack}: " + "; ".join(wrong) + f" ({disturbance}; {report.seen})"
