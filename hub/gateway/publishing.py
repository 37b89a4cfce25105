"""Events of one connection on their way to the log, and the answers on their way back.

Every publish gets one ack or error; acks come in publishing order because the log answers in
that order. What one read of the socket brought goes to the log as one publication.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from hub.auth import Principal
from hub.protocol import codec, drafts
from hub.protocol.drafts import Draft, Origin
from hub.protocol.errors import (
    FieldError,
    Forbidden,
    HubError,
    InvalidParams,
    RateLimited,
    Unavailable,
    invalid,
)
from hub.protocol.frames import Ack, Batch, Entry, Publish
from hub.protocol.limits import IN_FLIGHT_BYTES, IN_FLIGHT_EVENTS
from hub.quotas import Quotas
from hub.stream.append import Outcome, RefusedWithBatch
from hub.stream.log import EventLog
from hub.stream.waiting import Lane, Publication

_GATHERED = 256
_PRESSED_EVENTS = 64
_PRESSED_BYTES = 64 * 1024
GIVEN_UP_SECONDS = 5.0
"""How long a client that chose its ids may take to send the first refused event again, from when
it may."""


class Connection(Protocol):
    """What publishing needs of its connection."""

    def send(self, payloads: list[bytes]) -> None:
        """Send text messages in one write."""

    def hold(self) -> None:
        """Read no further until `resume`: too many events wait for their commit."""

    def resume(self) -> None:
        """Read on."""

    def barrier(self) -> None:
        """Send a ping; when its pong arrives, everything sent before the refusal has been read."""


class Publisher:
    """One connection's events.

    Args:
        merchants: the ids of all merchants.
        narrowed: the one merchant for which an admin's connection acts, or None.
        buckets: how many events a key may publish, or None for as many as it can.

    Attributes:
        taken: events handed to the log.
    """

    __slots__ = (
        "_bytes", "_connection", "_drafts", "_in_flight", "_lane", "_log", "_merchants",
        "_narrowed", "_origins", "_principal", "_quotas", "_refs", "_refusal", "taken",
    )  # fmt: skip

    def __init__(
        self,
        event_log: EventLog,
        connection: Connection,
        principal: Principal,
        merchants: set[str],
        narrowed: str | None,
        quotas: Quotas,
    ) -> None:
        self.taken = 0
        self._quotas = quotas
        self._bytes = 0
        self._log = event_log
        self._connection = connection
        self._principal = principal
        self._merchants = merchants
        self._narrowed = narrowed
        self._origins: dict[str, Origin] = {}
        self._drafts: list[Draft] = []
        self._refs: list[str | None] = []
        self._in_flight = 0
        self._refusal: _Refusal | None = None
        # It stays when the connection brings another key: a lane is what keeps its order.
        self._lane = lane_of(principal)

    @property
    def in_flight(self) -> int:
        """Events that wait for their commit."""
        return self._in_flight + len(self._drafts)

    @property
    def _allowed(self) -> tuple[int, int]:
        """Events and bytes that may be in flight: fewer while much waits for the log."""
        if self._log.waiting.pressed:
            return _PRESSED_EVENTS, _PRESSED_BYTES
        return IN_FLIGHT_EVENTS, IN_FLIGHT_BYTES

    def _bound(self) -> None:
        """Have no more read while too much waits for its commit."""
        events, size = self._allowed
        if self.in_flight >= events or self._bytes >= size:
            self._connection.hold()

    def publish(self, frame: Publish) -> None:
        """Take one event; it goes out with the next `flush`.

        Raises:
            HubError: it is refused here.
        """
        draft = self._draft(frame)
        self._charge(draft, 1)
        self._bytes += draft.size
        self._drafts.append(draft)
        self._refs.append(frame.ref)
        if len(self._drafts) >= _GATHERED:
            self.flush()
        self._bound()

    def batch(self, frame: Batch) -> None:
        """Take a batch: each event on its own, or all of them when it is atomic.

        Raises:
            HubError: the batch is atomic and one of its events is refused here, or all of it is
                more than its key may publish.
        """
        self.flush()
        if self._principal.role == "viewer":
            raise read_only()  # before its events cost anything
        entries: list[Entry | None] = []
        drafts: list[Draft] = []
        refused: list[HubError] = []
        for index, value in enumerate(frame.events):
            try:
                draft = self._draft(codec.to_publish(value))
            except HubError as error:
                if frame.atomic:
                    refused.append(error.below(f"/events/{index}"))
                id_ = value.get("id") if isinstance(value, dict) else None
                entries.append(
                    Entry(id_ if isinstance(id_, str) else None, error=codec.entry_error(error))
                )
            else:
                drafts.append(draft)
                entries.append(None)
        if frame.atomic and refused:
            raise _joined(refused)
        if drafts:
            self._charge(drafts[0], len(drafts))

        def answer(outcomes: list[Outcome]) -> None:
            causes = [
                outcome.below(f"/events/{index}")
                for index, outcome in enumerate(outcomes)
                if isinstance(outcome, HubError) and not isinstance(outcome, RefusedWithBatch)
            ]
            if frame.atomic and causes:
                reply = codec.encode(codec.error_frame(_joined(causes), frame.ref))
            else:
                settled = iter(zip(drafts, outcomes, strict=True))
                lines = [entry or entry_of(*next(settled)) for entry in entries]
                reply = codec.encode(Ack(ref=frame.ref, events=lines))
            self._connection.send([reply])
            self._in_flight -= refusals
            self._settled(drafts, outcomes)

        # Refused events wait for their place among the answers like the others.
        refusals = max(1, len(entries)) - len(drafts)
        self._in_flight += refusals + len(drafts)
        self.taken += len(drafts)
        self._bytes += sum(draft.size for draft in drafts)
        self._log.publish(Publication(drafts, answer, self, atomic=frame.atomic, lane=self._lane))
        self._bound()

    def flush(self) -> None:
        """Send what was gathered to the log."""
        if not self._drafts:
            return
        drafts, refs = self._drafts, self._refs
        self._drafts, self._refs = [], []
        self._in_flight += len(drafts)
        self.taken += len(drafts)
        self._log.publish(Publication(drafts, self._answerer(drafts, refs), self, lane=self._lane))

    def act_as(self, principal: Principal) -> None:
        """Sign what follows with a new key of the same merchant and role."""
        self._principal = principal
        self._origins.clear()

    def barrier_passed(self) -> None:
        """The pong is here: the client's library has read the refusals, if not yet the client."""
        if self._refusal is not None and self._refusal.pinged:
            self._refusal.ponged = True

    # ── on the way in ────────────────────────────────────────────────────────────────────────

    def _draft(self, frame: Publish) -> Draft:
        if self._refusal is not None:
            if not self._refusal.ends_with(frame.id):
                raise self._refusal.behind()
            self._refusal = None
        return drafts.draft(frame, self._origin(frame.merchant_id))

    def _charge(self, first: Draft, count: int) -> None:
        """Count events against their key's rate.

        Raises:
            RateLimited: there were too many. What comes behind is refused as well, until the first
                comes again: an event that overtook it would break the publisher's order.
        """
        buckets = self._quotas.publish
        if buckets is None:
            return
        wait = buckets.take(self._principal.key_id, count)
        if wait > 0:
            self._quotas.refused["publish"] += 1
            self.flush()
            self._begin_refusal(_Refusal(first.id if first.chosen else None, _over_rate, wait))
            raise _over_rate(wait)

    def _origin(self, asked: str | None) -> Origin:
        principal = self._principal
        own = principal.merchant_id or self._narrowed
        merchant_id = asked or own
        if merchant_id is None:
            raise invalid(
                InvalidParams, "/merchant_id",
                "an admin says whose event it is: here, or by ?merchant_id= on connecting",
            )  # fmt: skip
        origin = self._origins.get(merchant_id)
        if origin is None:
            check_may_publish(principal, merchant_id, own, self._merchants)
            origin = self._origins[merchant_id] = principal.origin(merchant_id)
        return origin

    # ── on the way back ──────────────────────────────────────────────────────────────────────

    def _answerer(
        self, drafts: list[Draft], refs: list[str | None]
    ) -> Callable[[list[Outcome]], None]:
        def answer(outcomes: list[Outcome]) -> None:
            self._connection.send(
                [
                    codec.encode(codec.error_frame(outcome, ref, draft.id))
                    if isinstance(outcome, HubError)
                    else codec.encode_ack(ref, draft.id, outcome.offset, outcome.duplicate)
                    for draft, ref, outcome in zip(drafts, refs, outcomes, strict=True)
                ]
            )
            self._settled(drafts, outcomes)

        return answer

    def _settled(self, drafts: list[Draft], outcomes: list[Outcome]) -> None:
        self._in_flight -= len(outcomes)
        self._bytes -= sum(draft.size for draft in drafts)
        # What is over its rate was sent after all that was in flight, and so comes again after it.
        begins = self._refusal is None or self._refusal.error is _over_rate
        if begins and outcomes and isinstance(outcomes[0], Unavailable):
            first = drafts[0].id if drafts[0].chosen else None
            self._refuse_behind(_Refusal(first, _behind))
        events, size = self._allowed
        if self.in_flight < events // 2 and self._bytes < size // 2:
            self._connection.resume()

    def _refuse_behind(self, refusal: "_Refusal") -> None:
        """Refuse what the client sent before it could know of a failed commit."""
        self._begin_refusal(refusal)
        drafts, refs = self._drafts, self._refs
        self._drafts, self._refs = [], []
        if drafts:
            self._in_flight += len(drafts)
            self._answerer(drafts, refs)([refusal.behind()] * len(drafts))

    def _begin_refusal(self, refusal: "_Refusal") -> None:
        """Take nothing until it ends. The ping goes out behind all refusals of this turn."""

        def ping() -> None:
            if self._refusal is refusal:
                refusal.pinged = True
                self._connection.barrier()

        self._refusal = refusal
        asyncio.get_running_loop().call_soon(ping)


class _Refusal:
    """After a refusal that passes: nothing is taken until the client begins again where it was.

    An event that was accepted behind a refused one, which is then sent again, would break the
    publisher's order. A client that chose its ids begins again with the first refused one. One
    that did not cannot repeat an event; there the pong of its library has to do, and so it does
    after some seconds for one that has given the event up.
    """

    __slots__ = ("_first", "_gives_up", "_until", "error", "pinged", "ponged")

    def __init__(
        self, first: str | None, error: Callable[[float], HubError], wait: float = 0.0
    ) -> None:
        self._first = first
        self.error = error
        self._until = time.monotonic() + wait
        self._gives_up = self._until + GIVEN_UP_SECONDS
        self.pinged = self.ponged = False

    def behind(self) -> HubError:
        """The refusal of what comes behind."""
        return self.error(max(0.0, self._until - time.monotonic()))

    def ends_with(self, id_: str | None) -> bool:
        """Whether an event with this id is taken again."""
        if self._first is None:
            return self.ponged and time.monotonic() >= self._until
        return id_ == self._first or (self.ponged and time.monotonic() >= self._gives_up)


def lane_of(principal: Principal) -> Lane:
    """Whose turn a principal's events take at the log."""
    return principal.merchant_id or principal.key_id, principal.key_id


def check_may_publish(
    principal: Principal, merchant_id: str, own: str | None, merchants: set[str]
) -> None:
    """Check that a principal may write events of a merchant.

    Args:
        own: the only merchant for which it may, or None.

    Raises:
        Forbidden: it reads only, or the merchant is another's.
        InvalidParams: there is no such merchant.
    """
    if principal.role == "viewer":
        raise read_only()
    if own is not None and merchant_id != own:
        raise Forbidden(
            f"/merchant_id: this connection publishes for {own} alone; leave merchant_id out",
            (FieldError("/merchant_id", f"must be absent or {own}"),),
        )
    if merchant_id not in merchants:
        raise invalid(InvalidParams, "/merchant_id", f"no merchant has the id {merchant_id[:64]!r}")


def read_only() -> Forbidden:
    """The refusal of a viewer's events."""
    return Forbidden("a viewer's key reads only; publish with a merchant, bot or admin key")


def entry_of(draft: Draft, outcome: Outcome) -> Entry:
    """One event's line in the answer to several."""
    if isinstance(outcome, HubError):
        return Entry(draft.id, error=codec.entry_error(outcome))
    return Entry(draft.id, offset=outcome.offset, duplicate=outcome.duplicate)


def _over_rate(wait: float) -> RateLimited:
    return RateLimited(
        f"more events than this key may publish; send this one again in {wait:.2f} s, and what "
        "came behind it after it",
        retry_after=max(0.01, wait),
    )


def _behind(wait: float) -> Unavailable:
    return Unavailable("refused behind an event whose commit failed; send both again, in order")


def _joined(errors: list[HubError]) -> HubError:
    """One refusal for an atomic batch, naming every event that is in its way."""
    fields = tuple(field for error in errors for field in error.errors)
    return type(errors[0])(errors[0].message, fields, errors[0].retry_after)
