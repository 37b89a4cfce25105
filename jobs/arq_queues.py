"""The queues as arq keeps them in Redis: the ids that wait, and what each is to run.

arq keeps a queue as a sorted set of ids and a job's definition under a key of its own. Both are
written and read here as arq does it, but in batches: a script is one step and one round trip.
Redis holds nothing that the database does not know better, and may lose everything at any time:
the reconciler puts back what is missing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import structlog
from arq.connections import ArqRedis, RedisSettings
from arq.constants import job_key_prefix, retry_key_prefix
from arq.jobs import serialize_job
from redis.exceptions import RedisError

from .address import be_cancelled
from .queues import RUN

T = TypeVar("T")
log = structlog.get_logger("jobs.arq_queues")

DEFINITION_SECONDS = 30 * 86_400
"""How long a definition is kept. One that has expired is put back by the reconciler: this bounds
what a lost id leaves behind, and is no limit on how long a job may wait."""
TAKEN_SECONDS = 10
"""How long after a job was taken its definition may be read."""
PRIORITY_MS = 1_000
"""What a step of priority is worth in milliseconds of waiting. Merchants choose it themselves, and
all of them share a queue: with a hundred steps a job goes before what came in the last 100 s, and
whatever has waited longer goes first all the same."""
PRIORITIES = range(-100, 101)
SOCKET_SECONDS = 5.0
"""How long Redis may take to answer; a stopped or black-holed one counts as gone after that."""
_LISTEN_SECONDS = 60.0
"""Who only listens would take a quiet Redis for one that does not answer."""

_PUT = """
local before = redis.call('ZCARD', KEYS[1])
local added = 0
for i = 3, #ARGV, 3 do
    if redis.call('ZADD', KEYS[1], 'NX', ARGV[i + 1], ARGV[i]) == 1 then
        redis.call('SET', '{job}' .. ARGV[i], ARGV[i + 2], 'EX', ARGV[2])
        added = added + 1
    end
end
if before == 0 and added > 0 then
    redis.call('PUBLISH', ARGV[1], added)
end
return added
""".replace("{job}", job_key_prefix)
"""A worker that has room takes ids until there are none, so it needs to hear only of the first."""

_TAKE = """
local taken = redis.call('ZPOPMIN', KEYS[1], ARGV[1])
for i = 1, #taken, 2 do
    redis.call('EXPIRE', '{job}' .. taken[i], ARGV[2])
end
return taken
""".replace("{job}", job_key_prefix)
"""A definition is read right after this, and then left to expire: who removed it when its job has
ended could remove that of a job that waits again meanwhile."""


class BrokerGone(Exception):
    """Redis does not answer, or not as it should; the message says what it said."""


class Waiting(NamedTuple):
    """A job that waits for a worker.

    Attributes:
        id: its id in arq.
        priority: higher first; what is beyond `PRIORITIES` counts as their end.
    """

    id: str
    priority: int = 0


def encode(definition: dict[str, Any]) -> bytes:
    """A job's definition, or a result, as arq stores it: JSON, since whoever may write a pickle to
    Redis would run code here."""
    return msgspec.json.encode(definition, enc_hook=_encode_other)


def _encode_other(value: object) -> str:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    raise NotImplementedError(f"{type(value).__name__} has no place in a job's definition")


_DECODER = msgspec.json.Decoder(dict[str, Any])


def decode(stored: bytes) -> dict[str, Any]:
    """What `encode` made.

    Raises:
        msgspec.DecodeError: it is no JSON object.
    """
    return _DECODER.decode(stored)


def connect(settings: RedisSettings) -> ArqRedis:
    """A client of the broker that reads and writes JSON; it connects when it is first used.

    arq's own `create_pool` asks at once, and knows no time limit for an answer.
    """
    return ArqRedis(
        job_serializer=encode,
        job_deserializer=decode,
        expires_extra_ms=DEFINITION_SECONDS * 1000,
        host=settings.host,
        port=settings.port,
        unix_socket_path=settings.unix_socket_path,
        db=settings.database,
        username=settings.username,
        password=settings.password,
        ssl=settings.ssl,
        ssl_ca_certs=settings.ssl_ca_certs,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
        ssl_check_hostname=settings.ssl_check_hostname,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
    )


class ArqQueues:
    """What is done to the queues, each a round trip.

    Attributes:
        redis: the client that arq's own code uses too.
        reachable: whether Redis answered when it was last asked.
        returned: called when it answers again after it did not; it may have lost everything.
    """

    def __init__(self, redis: ArqRedis) -> None:
        self.redis = redis
        self.reachable = True
        self.returned: list[Callable[[], None]] = []
        self._put = redis.register_script(_PUT)
        self._take = redis.register_script(_TAKE)

    async def put(self, queue: str, jobs: Sequence[Waiting], bell: str) -> int:
        """Let jobs wait; one that waits already stays as it is.

        Args:
            bell: the channel on which workers without work listen.

        Returns:
            How many did not wait already.

        Raises:
            BrokerGone: it is not known which of them wait now.
        """
        now_ms = time.time_ns() // 1_000_000
        args: list[str | bytes | int] = [bell, DEFINITION_SECONDS]
        for job in jobs:
            definition = serialize_job(RUN, (job.id,), {}, None, now_ms, serializer=encode)
            args += (job.id, score(job.priority, now_ms), definition)
        with self._asking():
            return int(await self._put(keys=[queue], args=args))

    async def take(self, queue: str, limit: int) -> list[tuple[str, int]]:
        """Take ids off a queue, the most urgent first, each with its score. Nobody else gets them:
        those that their taker loses are put back by the reconciler.

        Raises:
            BrokerGone: some may have been taken; see above.
        """
        with self._asking():
            taken = await self._take(keys=[queue], args=[limit, TAKEN_SECONDS])
        return [(taken[at].decode(), int(float(taken[at + 1]))) for at in range(0, len(taken), 2)]

    async def forget(self, ids: Sequence[str]) -> None:
        """Remove arq's count of attempts of jobs that have been run; the database has ours.

        Raises:
            BrokerGone: what is left expires in a day.
        """
        with self._asking():
            await self.redis.delete(*(retry_key_prefix + id_ for id_ in ids))

    async def missing(self, queue: str, ids: Sequence[str]) -> set[str]:
        """Those of these ids that do not wait in a queue.

        Raises:
            BrokerGone: it did not say.
        """
        with self._asking():
            scores = await self.redis.zmscore(queue, list(ids))
        return {id_ for id_, scored in zip(ids, scores, strict=True) if scored is None}

    async def waiting(self, queue: str) -> int:
        """How many wait.

        Raises:
            BrokerGone: it did not say.
        """
        with self._asking():
            return int(await self.redis.zcard(queue))

    async def say(self, channel: str, what: str) -> None:
        """Say something to who listens.

        Raises:
            BrokerGone: nobody may have heard it.
        """
        with self._asking():
            await self.redis.publish(channel, what)

    async def listen(self, channels: Sequence[str], heard: Callable[[str, str], None]) -> None:
        """Call `heard` with the channel and the text of what is said, until Redis is gone; first
        with every channel and no text, since something may have been missed.

        Raises:
            BrokerGone: call it again after a while.
        """
        with self._asking():
            async with self.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe(*channels)
                be_cancelled()
                for channel in channels:
                    heard(channel, "")
                while True:
                    message = await pubsub.get_message(timeout=_LISTEN_SECONDS)
                    if message is not None:
                        heard(message["channel"].decode(), message["data"].decode())

    async def close(self) -> None:
        """End the connections."""
        await self.redis.aclose(close_connection_pool=True)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Note whether Redis answers, and say so once each time that it changes."""
        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            if self.reachable:
                self.reachable = False
                log.debug("the broker does not answer", error=str(error))  # `Broker` says it
            be_cancelled()
            raise BrokerGone(f"{type(error).__name__}: {error}") from error
        if not self.reachable:
            self.reachable = True
            log.debug("the broker answers again")
            for returned in self.returned:
                returned()
        be_cancelled()


def score(priority: int, now_ms: int) -> int:
    """A job's place in its queue: the least is taken first."""
    bounded = min(max(priority, PRIORITIES[0]), PRIORITIES[-1])
    return now_ms - bounded * PRIORITY_MS


class Gathering(Generic[T]):
    """Joins what is told at about the same time into one request.

    What is told while a request is under way goes with the next; there is no delay for gathering.

    Args:
        send: sends what was gathered.
    """

    def __init__(self, send: Callable[[list[T]], Awaitable[None]]) -> None:
        self._send = send
        self._gathered: list[T] = []
        self._sending: asyncio.Task[None] | None = None

    def add(self, *items: T) -> None:
        """Have them sent soon."""
        self._gathered += items
        if self._sending is None and self._gathered:
            self._sending = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._gathered:
                gathered, self._gathered = self._gathered, []
                # That the broker is gone is said by `ArqQueues`; the reconciler sees to the rest.
                with suppress(BrokerGone):
                    await self._send(gathered)
        finally:
            self._sending = None

    async def drained(self, seconds: float = 1.0) -> None:
        """Return when what was told is sent, or could not be in this time."""
        if self._sending is not None:
            await asyncio.wait((self._sending,), timeout=seconds)
