"""What a process tells of its jobs that has no place in the log, where the others hear it too.

That a job has begun and how far it is is told to those who watch, who are connected to hubs: a
worker has nobody. It goes through the broker, and is lost while that is down.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct

from hub.protocol.drafts import Origin
from storage.database import Database
from storage.scope import Scope

from .address import redis_settings
from .arq_queues import ArqQueues, BrokerGone, Gathering, connect
from .context import SOURCE, Committed, Log
from .queues import TELL_CHANNEL

T = TypeVar("T")
log = structlog.get_logger("jobs.telling")

_AT_ONCE = 200
_RETRY_SECONDS = 1.0


class Told(Struct, frozen=True):
    """Something told; see `Log.tell`.

    Attributes:
        by: the process that did, an id of `workers`.
    """

    by: str
    merchant_id: str
    type: str
    data: dict[str, Any]
    subject: str | None


_decode = msgspec.json.Decoder(list[Told]).decode


class Telling:
    """A log whose `tell` is heard by the other processes on the same broker.

    Args:
        here: the log of this process.
        own: the id under which this process holds jobs.
        has_readers: whether somebody may be connected to this process.
    """

    def __init__(self, here: Log, own: str, *, has_readers: bool) -> None:
        self._here = here
        self._own = own
        self._has_readers = has_readers
        self._broker: ArqQueues | None = None
        self._gathered = Gathering(self._say)

    @property
    def database(self) -> Database:
        return self._here.database

    @property
    def end(self) -> int:
        return self._here.end

    def commit(self, work: Callable[[Any], Awaitable[T]], scope: Scope) -> Awaitable[Committed[T]]:
        """See `Log.commit`."""
        return self._here.commit(work, scope)

    def tell(
        self, origin: Origin, type_: str, data: dict[str, Any], subject: str | None = None
    ) -> None:
        """See `Log.tell`."""
        if self._has_readers:
            self._here.tell(origin, type_, data, subject)
        if self._broker is not None:
            self._gathered.add(Told(self._own, origin.merchant_id, type_, data, subject))

    async def run(self, redis_url: str) -> None:
        """Carry what is told, and hear the others, until cancelled."""
        broker = self._broker = ArqQueues(connect(redis_settings(redis_url)))
        try:
            while True:
                try:
                    if self._has_readers:
                        await broker.listen([TELL_CHANNEL], self._heard)
                    else:
                        await asyncio.Event().wait()
                except BrokerGone:
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            self._broker = None
            await broker.close()

    async def _say(self, told: list[Told]) -> None:
        if self._broker is None:
            return
        for at in range(0, len(told), _AT_ONCE):
            said = msgspec.json.encode(told[at : at + _AT_ONCE]).decode()
            await self._broker.say(TELL_CHANNEL, said)

    def _heard(self, channel: str, said: str) -> None:
        if not said:  # `listen` begins
            return
        try:
            told = _decode(said)
        except msgspec.DecodeError as error:
            log.warning("another version tells what is not understood", error=str(error))
            return
        for event in told:
            if event.by != self._own:
                origin = Origin(event.merchant_id, SOURCE)
                self._here.tell(origin, event.type, event.data, event.subject)
