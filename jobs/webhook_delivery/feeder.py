"""The feeder: reads the log behind the commit, and writes a delivery for every event and endpoint
that match.

A cursor in the database says how far it has come; it moves in the transaction that writes the
deliveries, from where it was and from nowhere else, so that of two hubs one writes them. It moves
only if no webhook was changed since the endpoints were read; else they are read again, and the log
from the cursor on. So nothing is missed and nothing is written twice, whatever is killed, and a
publisher waits for none of it.

    live       what commits brings is matched as it is told (`heard`); what matches waits here
    behind     after a start, a change of webhooks, a fault, or more than can wait: it reads the log
    standing by   another hub has moved the cursor; this one goes on when that one has stopped
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog
from msgspec import Struct

from hub.protocol.errors import HubError
from hub.protocol.times import format_ms
from hub.protocol.websocket import payload_of
from jobs.context import Log, WriteScope
from storage import events, webhooks, work
from storage.database import Transaction
from storage.errors import StorageError
from storage.records import LogState
from storage.scope import HUB
from storage.webhooks import Called

from .deliveries import QUEUE, Delivery, add_deliveries
from .endpoints import Endpoints

log = structlog.get_logger("jobs.feeder")

DELIVERIES = 200
"""Written in one transaction: what shares its group waits for 10 ms at the most."""
PACE_SECONDS = 0.05
"""Between two such transactions, so that others have their turn and what comes close together is
written together."""
WAITING = 5_000
WAITING_BYTES = 16 << 20
"""What may wait here; beyond it the log itself is where it waits."""
MOVE_SECONDS = 5.0
"""How often the cursor moves while nothing matches."""
LOOK_SECONDS = 0.5
"""How often others are looked for who change webhooks or move the cursor."""
SILENT_SECONDS = 3.0
"""A cursor that stands still for so long, with deliveries to write, is nobody's."""
_RETRY_SECONDS = 0.5


class Told(Protocol):
    """An event as the log tells of it; see `hub.stream.entry.Entry`."""

    offset: int
    merchant_id: str
    type: str
    frame: bytes


class _Match(NamedTuple):
    """An event that somebody wants; `payload` is its JSON."""

    offset: int
    merchant_id: str
    type: str
    payload: bytes
    wanting: Sequence[Called]


class _Overtaken(Exception):
    """Another hub has moved the cursor."""


class _Outdated(Exception):
    """Webhooks were changed since they were read."""


class Feeder:
    """Writes deliveries. `run` works until it is cancelled.

    Args:
        attempts: of a delivery, before it is dead.
        clock: milliseconds since 1970.

    Attributes:
        position: the durable cursor, as far as it is known here.
        standing_by: whether another hub does the work.
    """

    def __init__(
        self,
        event_log: Log,
        attempts: int,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.position = 0
        self.standing_by = False
        self._log = event_log
        self._attempts = attempts
        self._clock = clock
        self._endpoints = Endpoints()
        # Every event up to here was looked at: what matched is written or waits.
        self._looked = event_log.end
        self._behind = True
        self._placed = False
        self._changed = True
        self._wrote = False
        self._waiting: deque[_Match] = deque()
        self._waiting_bytes = 0
        self._moved_at = self._read_at = float("-inf")
        self._wake = asyncio.Event()

    @property
    def backlog(self) -> int:
        """Events that were not looked at, or whose deliveries are not written."""
        return max(0, self._log.end - self._looked) + len(self._waiting)

    # ── what the log tells ───────────────────────────────────────────────────────────────────────

    def heard(self, entries: Sequence[Told]) -> None:
        """Hear of what was committed, in its order; called behind every commit."""
        if self._behind:
            self._wake.set()
            return
        endpoints = self._endpoints
        if not endpoints:
            self._looked = self._log.end
            return
        for entry in entries:
            offset = entry.offset
            if not offset:
                continue
            if offset != self._looked + 1:
                self._fall_behind()
                return
            self._looked = offset
            wanting = endpoints.wanting(entry.merchant_id, entry.type, offset)
            if wanting:
                payload = payload_of(entry.frame)
                self._waiting.append(
                    _Match(offset, entry.merchant_id, entry.type, payload, wanting)
                )
                self._waiting_bytes += len(payload)
                self._wake.set()
        if len(self._waiting) > WAITING or self._waiting_bytes > WAITING_BYTES:
            self._fall_behind()

    def changed(self) -> None:
        """Webhooks were changed by this process: they are read again at once."""
        self._changed = True
        self._wake.set()

    def _fall_behind(self) -> None:
        """Have the log read from the cursor on, in place of what waits here."""
        self._behind = True
        self._looked = self.position
        self._forget_waiting()
        self._wake.set()

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    # ── the work ─────────────────────────────────────────────────────────────────────────────────

    async def begin(self) -> None:
        """Find the place in the log, or make it at its end: no event from here on is missed.

        Where there are no webhooks it goes to the end at once: retention waits for it.

        Raises:
            StorageError, HubError: the database did not do it.
        """
        await self._find_place()
        await self._look_at_webhooks()
        if not self._endpoints and self.position < self._log.end:
            with contextlib.suppress(_Overtaken, _Outdated):
                await self._write([], self._log.end)

    async def run(self) -> None:
        """Write deliveries until cancelled."""
        while True:
            try:
                if self.standing_by:
                    await self._stand_by()
                else:
                    await self._step()
            except _Overtaken:
                log.info("another hub writes the deliveries of webhooks")
                self.standing_by = True
            except _Outdated:
                self._changed = True
            except (StorageError, HubError) as error:
                # It is not known whether it was written: the cursor says so.
                log.warning("deliveries of webhooks wait for the database", error=str(error))
                self._placed = False
                await asyncio.sleep(_RETRY_SECONDS)

    async def _step(self) -> None:
        if self._wrote:
            self._wrote = False
            await asyncio.sleep(PACE_SECONDS)
        self._wake.clear()
        if not self._placed:
            await self._find_place()
        await self._look_at_webhooks()
        if self._behind:
            await self._read_on()
        elif self._waiting:
            await self._write_waiting()
        elif self._looked > self.position and _is_over(MOVE_SECONDS, self._moved_at):
            await self._write([], self._looked)
        else:
            await self._wait_for_news()

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _find_place(self) -> None:
        """Read the cursor; where there is none yet, it begins at the log's end."""

        async def read(tx: Transaction) -> tuple[int | None, LogState]:
            return await work.cursor(tx, events.FOLLOWER), await events.log_state(tx)

        position, state = await self._log.database.read(read, HUB)
        if position is None:

            async def begin(scope: WriteScope) -> bool:
                head, now = (await events.log_state(scope.tx)).head, format_ms(self._clock())
                return await work.move_cursor(scope.tx, events.FOLLOWER, None, head, now)

            await self._log.commit(begin, HUB)
            position, state = await self._log.database.read(read, HUB)
            assert position is not None, "a cursor is never removed"
        if position < state.oldest - 1:
            log.error("events are gone that no webhook has heard of", after=position,
                      upto=state.oldest - 1)  # fmt: skip
        self.position = position
        self._placed = True
        self._moved_at = time.monotonic()
        self._fall_behind()

    async def _look_at_webhooks(self) -> None:
        """Read the webhooks, if they were changed since they were read."""
        if not self._changed and not _is_over(LOOK_SECONDS, self._read_at):
            return
        known = self._endpoints.version

        async def read(tx: Transaction) -> Endpoints | None:
            version = await webhooks.changes(tx)
            return None if version == known else Endpoints(await webhooks.active(tx), version)

        self._changed = False
        self._read_at = time.monotonic()
        try:
            found = await self._log.database.read(read, HUB)
        except StorageError:
            self._changed = True
            raise
        if found is not None:
            self._endpoints = found
            self._fall_behind()

    async def _read_on(self) -> None:
        """Look at the next stretch of the log, and write the deliveries of what matches."""
        if not self._endpoints:
            self._looked = self._log.end  # nobody wants anything of it
        if self._looked < self._log.end:
            matches, upto = await self._read(self._looked, self._log.end)
            if matches:
                await self._write(matches, upto)
            self._looked = upto
        # No await since the end was read: nothing was told meanwhile.
        self._behind = self._looked < self._log.end

    async def _read(self, after: int, end: int) -> tuple[list[_Match], int]:
        """The events of a stretch that somebody wants, and where the stretch ends."""
        endpoints = self._endpoints

        async def read(tx: Transaction) -> tuple[list[_Match], int]:
            rows = await events.heads(tx, after, end)
            upto = rows[-1][0] if len(rows) == events.PAGE_ROWS else end
            found, count = [], 0
            for offset, merchant_id, type_ in rows:
                wanting = endpoints.wanting(merchant_id, type_, offset)
                if wanting:
                    found.append(_Match(offset, merchant_id, type_, b"", wanting))
                    count += len(wanting)
                    if count >= DELIVERIES:
                        upto = offset
                        break
            frames = await events.frames(tx, [match.offset for match in found])
            return [
                match._replace(payload=frames[match.offset])
                for match in found
                if match.offset in frames
            ], upto

        return await self._log.database.read(read, HUB)

    async def _write_waiting(self) -> None:
        matches, count = [], 0
        while self._waiting and count < DELIVERIES:
            match = self._waiting.popleft()
            self._waiting_bytes -= len(match.payload)
            matches.append(match)
            count += len(match.wanting)
        await self._write(matches, matches[-1].offset if self._waiting else self._looked)

    async def _write(self, matches: Sequence[_Match], upto: int) -> None:
        """Write deliveries and move the cursor."""
        position, version = self.position, self._endpoints.version
        deliveries = [each for match in matches for each in _deliveries(match)]
        now = format_ms(self._clock())

        async def write(scope: WriteScope) -> None:
            if not await work.move_cursor(scope.tx, events.FOLLOWER, position, upto, now):
                raise _Overtaken
            if await webhooks.changes(scope.tx) != version:
                raise _Outdated
            if deliveries:
                await add_deliveries(scope, deliveries, self._attempts, now)

        await self._log.commit(write, HUB)
        self.position = upto
        self._moved_at = time.monotonic()
        self._wrote = bool(deliveries)

    # ── another hub ──────────────────────────────────────────────────────────────────────────────

    async def _stand_by(self) -> None:
        """Wait until the cursor stands still although there is something to write."""
        self._look_from_here()
        while self.standing_by:
            await asyncio.sleep(LOOK_SECONDS)
            await self._look_at_webhooks()
            if self._behind:
                self._look_from_here()
            position = await self._log.database.read(
                lambda tx: work.cursor(tx, events.FOLLOWER), HUB
            )
            if position is not None and position != self.position:
                self.position = position
                self._moved_at = time.monotonic()
            while self._waiting and self._waiting[0].offset <= self.position:
                self._waiting_bytes -= len(self._waiting.popleft().payload)
            # What was told before this hub stood by is not among what waits here.
            patience = SILENT_SECONDS if self._waiting else SILENT_SECONDS + 2 * MOVE_SECONDS
            if self._log.end > self.position and _is_over(patience, self._moved_at):
                log.warning("another hub has stopped writing the deliveries of webhooks")
                self.standing_by = self._placed = False

    def _look_from_here(self) -> None:
        self._forget_waiting()
        self._looked = self._log.end
        self._behind = False
        self._moved_at = time.monotonic()


def _is_over(seconds: float, since: float) -> bool:
    return time.monotonic() - since >= seconds


class _Event(Struct):
    """What of an event is needed here."""

    id: str
    data: msgspec.Raw


class _OfJob(Struct):
    queue: str = ""


_event = msgspec.json.Decoder(_Event)
_of_job = msgspec.json.Decoder(_OfJob)


def _deliveries(match: _Match) -> list[Delivery]:
    event = _event.decode(match.payload)
    if match.type.startswith("job_") and _of_job.decode(event.data).queue == QUEUE:
        return []  # what tells of deliveries would go round in circles
    payload = match.payload.decode()
    return [
        Delivery(match.merchant_id, called.id, event.id, match.type, payload)
        for called in match.wanting
    ]
