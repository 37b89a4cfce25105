"""The calls of one connection: commands by name, answered in any order."""

from typing import TYPE_CHECKING

import structlog
from msgspec import structs

from hub.limits import TokenBucket
from hub.protocol.errors import HubError, RateLimited, Unavailable
from hub.protocol.frames import Call, Reply
from hub.protocol.limits import CALLS_AT_ONCE
from storage.errors import StorageError

from .line import SocketLine

if TYPE_CHECKING:
    from .gateway import Gateway
    from .session import Session

log = structlog.get_logger("hub.gateway")


class Caller:
    """Carries out what one session calls, so many at a time."""

    __slots__ = ("_bucket", "_gateway", "_line", "_session", "_under_way")

    def __init__(self, gateway: "Gateway", session: "Session", line: SocketLine) -> None:
        rate = gateway.quotas.call
        self._gateway = gateway
        self._session = session
        self._line = line
        self._bucket = None if rate is None else TokenBucket(rate)
        self._under_way = 0

    def take(self, frame: Call) -> None:
        """Begin a call.

        Raises:
            RateLimited: there were too many.
        """
        if self._bucket is not None:
            wait = self._bucket.take()
            if wait > 0:
                quotas = self._gateway.quotas
                quotas.refused["call"] += 1
                raise RateLimited(
                    f"more than {quotas.call} calls on this connection", retry_after=wait
                )
        self._under_way += 1
        if self._under_way >= CALLS_AT_ONCE:
            self._line.hold_calls()
        self._gateway.spawn(self._run(frame))

    async def _run(self, frame: Call) -> None:
        session = self._session
        actor = session.principal
        if session.reader.merchant_id is not None:
            # An admin that is narrowed to one merchant acts for this one.
            actor = structs.replace(actor, merchant_id=session.reader.merchant_id)
        try:
            await self._gateway.turns.turn()
            result, offset = await self._gateway.commands(actor, frame)
        except HubError as error:
            session.refuse(error, frame.ref)
        except StorageError:
            session.refuse(Unavailable("the database did not answer; call again"), frame.ref)
        except Exception:
            log.exception("call failed", session=session.id, method=frame.method[:64])
            session.refuse(HubError("the hub failed on this call; it was logged"), frame.ref)
        else:
            session.send(Reply(frame.ref, result, self._gateway.log.epoch, offset))
        finally:
            self._under_way -= 1
            self._line.resume_calls()
