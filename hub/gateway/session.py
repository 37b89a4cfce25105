"""One authenticated connection: what its frames mean.

auth        a new credential for the same merchant and role
subscribe   replaces the filter; yields subscribed, gap?, replay, live
publish     an event or a batch, see `publishing`
call        a command by name, answered by reply
ready       a bot takes tasks; progress, done and failed are what it says of them
ping        answered by pong; any other byte proves life just as well
"""

from typing import TYPE_CHECKING

import structlog

from hub.auth import Principal
from hub.protocol import codec
from hub.protocol.codes import CloseCode
from hub.protocol.errors import Forbidden, HubError, RateLimited, Unauthenticated, Unavailable
from hub.protocol.filters import Filter
from hub.protocol.frames import (
    Ack,
    Auth,
    Batch,
    Call,
    ClientPing,
    Connected,
    Done,
    Error,
    Failed,
    Limits,
    Progress,
    Publish,
    Ready,
    ServerControl,
    ServerPing,
    ServerPong,
    Subscribe,
    Unsubscribe,
)
from hub.protocol.ids import uuid7
from hub.protocol.limits import (
    BATCH_EVENTS,
    DATA_BYTES,
    HEARTBEAT_SECONDS,
    ID_CHARS,
    IN_FLIGHT_EVENTS,
    MESSAGE_BYTES,
    PROTOCOL_VERSION,
    REF_CHARS,
    SUBJECT_CHARS,
)
from hub.protocol.times import format_ms
from hub.stream.reader import Reader
from storage.errors import StorageError

from .calling import Caller
from .connections import Door, Peer
from .handshake import Opening, Wanted, check_start
from .line import SocketLine
from .publishing import Publisher
from .subscribing import find_start, follow, is_known, unfollow

if TYPE_CHECKING:
    from .gateway import Gateway

log = structlog.get_logger("hub.gateway")

BAD_FRAMES = 64
"""Frames that are no JSON objects with a type, after which a connection is closed (4000)."""

_TELLING = frozenset(CloseCode) - {
    CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.ABNORMAL, CloseCode.SHUTTING_DOWN,
}  # fmt: skip
"""Ends that an operator may want to know of."""

_LIMITS = Limits(
    MESSAGE_BYTES, DATA_BYTES, BATCH_EVENTS, IN_FLIGHT_EVENTS, ID_CHARS, REF_CHARS, SUBJECT_CHARS
)


class Session:
    """A connection of one principal, from `connected` to its end.

    Attributes:
        id: the name under which the connection is known to operators and logs.
        reader: its place in the log.
    """

    __slots__ = (
        "_bad_frames", "_caller", "_gateway", "_line", "_publisher", "_takes_tasks", "id", "peer",
        "principal", "reader",
    )  # fmt: skip
    door: Door = "websocket"

    def __init__(
        self,
        gateway: "Gateway",
        line: SocketLine,
        principal: Principal,
        merchant_id: str | None,
        peer: Peer,
    ) -> None:
        self.id = uuid7()
        self.principal = principal
        self.peer = peer
        self.reader = Reader(merchant_id, line.sink, self.send)
        self._caller: Caller | None = None
        self._gateway = gateway
        self._line = line
        self._bad_frames = 0
        self._publisher: Publisher | None = None
        self._takes_tasks = False

    def _names(self) -> dict[str, object]:
        """What its log lines say of it."""
        return {
            "session": self.id, "key": self.principal.key_id, "role": self.principal.role,
            "address": self.peer.address,
        }  # fmt: skip

    def start(self, opening: Opening) -> None:
        """Greet the client and give it the subscription that its query or its role asks for."""
        log.debug("connected", agent=self.peer.agent, **self._names())
        event_log = self._gateway.log
        principal = self.principal
        self.reader.cursor = event_log.end
        self.send(
            Connected(
                protocol=PROTOCOL_VERSION,
                session=self.id,
                role=principal.role,
                merchant_id=self.reader.merchant_id,
                epoch=event_log.epoch,
                offset=event_log.end,
                oldest=event_log.oldest,
                heartbeat=HEARTBEAT_SECONDS,
                expires_at=principal.expires_at,
                limits=_LIMITS,
                message="Welcome. Events follow as they happen."
                if principal.role != "bot"
                else "Welcome. Send events; subscribe to receive them.",
            )
        )
        try:
            wanted = opening.wanted()
            if wanted.given or principal.role != "bot":
                self._subscribe(wanted, None)
        except HubError as error:
            self.refuse(error)

    def receive(self, payload: bytes) -> None:
        """Take one whole text message."""
        try:
            frame = codec.decode_client(payload)
        except codec.FrameError as refused:
            self._count_bad(refused.error)
            self.refuse(refused.error, refused.ref, refused.id)
            return
        try:
            # Fast path: nearly every frame is an event.
            if type(frame) is Publish:
                self._publishing().publish(frame)
                return
            match frame:
                case Batch():
                    self._publishing().batch(frame)
                case Call():
                    self._calling().take(frame)
                case Done() | Failed():
                    self._check_bot("done and failed")
                    self._gateway.tasks.answer(self, frame)
                case Progress():
                    self._check_bot("progress")
                    self._gateway.tasks.progress(self, frame)
                case _ if not self._line.spend():
                    pass
                case Subscribe():
                    self._subscribe(_wanted(frame), frame.ref)
                case Unsubscribe():
                    unfollow(self._gateway, self.reader)
                case Ready():
                    self._check_bot("ready")
                    self._gateway.tasks.ready(self, frame)
                    self._takes_tasks = True
                case ClientPing():
                    self.send(ServerPong(ref=frame.ref))
                case Auth():
                    self._line.wait()
                    self._gateway.spawn(self._refresh(frame))
                case _:
                    pass  # a pong, or a control type of a later protocol
        except HubError as error:
            # An event by its id, an answer by its job.
            id_ = getattr(frame, "id", None) or getattr(frame, "job", None)
            self.refuse(error, getattr(frame, "ref", None), id_)

    def flush(self) -> None:
        """The socket has no more bytes at hand: what was gathered goes to the log."""
        if self._publisher is not None:
            self._publisher.flush()

    def send(self, *frames: ServerControl) -> None:
        """Send control frames in one write."""
        self._line.send([codec.encode(frame) for frame in frames])

    def refuse(self, error: HubError, ref: str | None = None, id_: str | None = None) -> None:
        """Answer a frame with an error; the connection stays."""
        answer: Error = codec.error_frame(error, ref, id_)
        self.send(answer)

    def heartbeat(self, now_ms: int) -> bytes:
        """The JSON ping that also moves a quiet reader's cursor on."""
        offset = self._gateway.fanout.cursor_of(self.reader)
        return codec.encode(ServerPing(format_ms(now_ms), offset))

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and end the connection."""
        self._line.close(code, reason)

    def abort(self) -> None:
        """Cut the connection."""
        self._line.abort()

    @property
    def received(self) -> int:
        return self._line.received

    @property
    def sent(self) -> int:
        return self._line.sent + self.reader.sent

    @property
    def published(self) -> int:
        return 0 if self._publisher is None else self._publisher.taken

    def barrier_passed(self) -> None:
        """See `Publisher.barrier_passed`."""
        if self._publisher is not None:
            self._publisher.barrier_passed()

    def stall(self) -> None:
        """The socket's buffer is full: keep the cursor and nothing else."""
        self.reader.stalled = True
        self._gateway.fanout.detach(self.reader)

    def drained(self) -> None:
        """The socket's buffer has room again."""
        self.reader.stalled = False
        if self.reader.subscribed:
            self._gateway.replay.catch_up(self.reader)
        if self._takes_tasks:
            self._gateway.tasks.drained(self)

    def hold_answers(self) -> None:
        """Read no further until `resume_answers`: too many answers to tasks wait."""
        self._line.hold_answers()

    def resume_answers(self) -> None:
        """Read on."""
        self._line.resume_answers()

    def end(self, code: int) -> None:
        """The connection is gone or about to go; `code` is the reason, as a close code."""
        if not self.reader.closed:
            level = log.info if code in _TELLING else log.debug
            level("connection ended", code=code, **self._names())
        self.reader.closed = True
        self._gateway.fanout.detach(self.reader)
        self._gateway.connections.remove(self)
        if self._takes_tasks:
            self._takes_tasks = False
            self._gateway.tasks.left(self)

    # ── subscribing ──────────────────────────────────────────────────────────────────────────

    def _subscribe(self, wanted: Wanted, ref: str | None) -> None:
        if is_known(self._gateway, wanted):
            follow(self._gateway, self.reader, wanted, ref, None)
        else:
            self._line.wait()
            self._gateway.spawn(self._follow_from_start(wanted, ref))

    async def _follow_from_start(self, wanted: Wanted, ref: str | None) -> None:
        try:
            cursor = await find_start(self._gateway, self.reader, wanted)
        except StorageError:
            self.refuse(Unavailable("the database did not answer; subscribe again"), ref)
        else:
            if not self.reader.closed:
                follow(self._gateway, self.reader, wanted, ref, cursor)
        finally:
            self._line.proceed()

    # ── the rest ─────────────────────────────────────────────────────────────────────────────

    def _calling(self) -> Caller:
        """What carries out calls, made with the first one."""
        if self._caller is None:
            self._caller = Caller(self._gateway, self, self._line)
        return self._caller

    def _check_bot(self, what: str) -> None:
        if self.principal.role != "bot":
            raise Forbidden(f"{what}: tasks are for bots; this key is a {self.principal.role}'s")

    def _publishing(self) -> Publisher:
        """The publisher, made with the first event: most connections only read."""
        if self._publisher is None:
            self._publisher = Publisher(
                self._gateway.log,
                self._line,
                self.principal,
                self._gateway.merchants,
                self.reader.merchant_id,
                self._gateway.quotas,
            )
        return self._publisher

    async def _refresh(self, frame: Auth) -> None:
        """A new credential on a live connection: same merchant, same role, or the door."""
        try:
            found = await self._gateway.authenticator.by_token(frame.token)
            principal = found.at(self.peer.address, self.peer.agent)
        except Unauthenticated as error:
            self.refuse(error, frame.ref)
            self._line.close(CloseCode.NOT_AUTHENTICATED, error.message)
        except StorageError:
            self.refuse(Unavailable("the database did not answer; send auth again"), frame.ref)
        else:
            old = self.principal
            if self.reader.closed:
                return  # the connection ended while the key was looked up
            if (principal.role, principal.merchant_id) != (old.role, old.merchant_id):
                refusal = Forbidden("a refresh brings a key of the same merchant and role")
                self.refuse(refusal, frame.ref)
                self._line.close(CloseCode.FORBIDDEN, refusal.message)
            else:
                try:
                    self._gateway.connections.rename(self, principal)
                except RateLimited as error:
                    self.refuse(error, frame.ref)
                    return
                if self._publisher is not None:
                    self._publisher.act_as(principal)
                self.send(Ack(ref=frame.ref, expires_at=principal.expires_at))
        finally:
            self._line.proceed()

    def _count_bad(self, error: HubError) -> None:
        if error.code == "bad_frame":
            self._bad_frames += 1
            if self._bad_frames >= BAD_FRAMES:
                self._line.close(CloseCode.BAD_FRAMES, f"{BAD_FRAMES} bad frames")


def _wanted(frame: Subscribe) -> Wanted:
    """The subscription that a frame asks for. Raises: InvalidParams."""
    check_start(frame.since, frame.last)
    return Wanted(True, Filter(frame.types, frame.subjects), frame.since, frame.epoch, frame.last)
