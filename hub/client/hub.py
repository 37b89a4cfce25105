"""`Hub`: the SDK's front."""

import asyncio
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hub.client.address import socket_url
from hub.client.backoff import Backoff
from hub.client.bot import Bot
from hub.client.calls import Resolve
from hub.client.connection import Connection
from hub.client.events import EventStream, OnGap, Request
from hub.client.outbox import Ack, Outbox
from hub.client.publisher import Publisher
from hub.client.status import OnState, ignore
from hub.client.wire import encode_event
from hub.protocol.errors import Unauthenticated
from hub.protocol.ids import uuid7

_OUTBOX_BYTES = 16 * 1024 * 1024


class Hub:
    """A hub, seen by one key.

        async with Hub("http://127.0.0.1:8000", key=KEY) as hub:
            await hub.publish("order_created", {…}, subject="order/ORD-1")
            async for event in hub.events(types=["order_*"]):
                …

    Publishing has one connection, opened with the first event; every `events()` and every `bot()`
    has its own.
    Leaving the block waits for the answers to what was published, then closes all of them.

    Args:
        url: `http://host:port`; https, ws and wss as well.
        key: an API key; None only where `url` carries a `token`.
        merchant_id: narrows an admin's key to one merchant.
        capacity: most events that may wait for their answer; beyond it publishing waits.
        window: most events sent ahead of their answers.
        backoff: how long to wait before coming back.
        open_timeout: seconds in which a connection must stand.
        drain_timeout: seconds that leaving the block waits for answers.
        on_state: told every change of the publishing connection.

    Raises:
        ValueError: `url` or `key` cannot be one.
        Unauthenticated: no key was given.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        merchant_id: str | None = None,
        capacity: int = 1000,
        window: int = 256,
        backoff: Backoff | None = None,
        open_timeout: float = 10.0,
        drain_timeout: float = 10.0,
        on_state: OnState = ignore,
    ) -> None:
        self._url = socket_url(url)
        if key is None and "token=" not in self._url:
            raise Unauthenticated("a key is needed: Hub(url, key=…)")
        if key is not None and not (key.isascii() and key.isprintable() and key.strip()):
            raise ValueError("a key consists of visible ASCII characters")
        self._key = None if key is None else key.strip()
        self._common = {} if merchant_id is None else {"merchant_id": merchant_id}
        self._backoff = backoff or Backoff()
        self._open_timeout = open_timeout
        self._drain_timeout = drain_timeout
        self._streams: set[EventStream] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._left = False
        self._publishing: asyncio.Task[None] | None = None
        outbox = Outbox(capacity, _OUTBOX_BYTES)
        self._publisher = Publisher(self._dial_plain, outbox, window, self._backoff, on_state)

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise RuntimeError("a Hub is entered once")
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._publishing = self._tasks.create_task(self._publisher.run(), name="hub publisher")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks, publishing = self._entered(), self._publishing
        assert publishing is not None
        self._left = True
        try:
            async with asyncio.TaskGroup() as closing:
                for stream in list(self._streams):
                    closing.create_task(stream.aclose())
            if kind is None:
                await self._drained()
        finally:
            publishing.cancel()
            # The group wraps every error that it is told in an ExceptionGroup; the block's own
            # error is to come out as it is. A cancellation it must know: it may have caused it.
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                await tasks.__aexit__(kind, error, trace)
            else:
                await tasks.__aexit__(None, None, None)

    async def publish(
        self,
        type: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        subject: str | None = None,
        timestamp: str | None = None,
        merchant_id: str | None = None,
        volatile: bool = False,
    ) -> Ack:
        """Publish an event and wait until it is durable.

        It is sent again, under the same id and in the same order, until the hub answers; a
        deadline is the caller's (`asyncio.timeout`), and leaves open whether it was stored.

        Args:
            type: a core event or `custom_…`.
            data: anything with a JSON form.
            id: unique per merchant for ever; chosen here if not given. A repeat with the same
                content is answered as a duplicate.
            subject: what it is about, e.g. `order/ORD-1`.
            timestamp: when it happened, RFC 3339; the hub's own time of arrival if not given.
            merchant_id: whose it is, from an admin whose Hub is not narrowed.
            volatile: only for those who look now; never stored.

        Raises:
            HubError: a subclass says how the hub refused it. `Closed`: it refuses everything.
        """
        answer = await self.submit(
            type,
            data,
            id=id,
            subject=subject,
            timestamp=timestamp,
            merchant_id=merchant_id,
            volatile=volatile,
        )
        return await answer

    async def submit(
        self,
        type: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        subject: str | None = None,
        timestamp: str | None = None,
        merchant_id: str | None = None,
        volatile: bool = False,
    ) -> asyncio.Future[Ack]:
        """As `publish`, but wait only for room in the outbox; the future gets the answer.

        Raises:
            HubError: it was refused before it was sent.
        """
        self._entered()
        number = self._publisher.number()
        event = encode_event(
            str(number),
            type,
            data or {},
            id or uuid7(),
            subject=subject,
            timestamp=timestamp,
            merchant_id=merchant_id,
            volatile=volatile,
        )
        return await self._publisher.submit(number, event)

    def events(
        self,
        types: Sequence[str] | None = None,
        subjects: Sequence[str] | None = None,
        *,
        since: int | None = None,
        epoch: str | None = None,
        last: int | None = None,
        reconnect: bool = True,
        on_gap: OnGap | None = None,
        on_state: OnState = ignore,
    ) -> EventStream:
        """The events that match, from now on or from a place in the log.

        Args:
            types: patterns, exact or with a `*` at the end; None for all.
            subjects: likewise; an event must match both.
            since: start after this offset.
            epoch: the epoch of `since`; the current one if not given.
            last: start with so many stored events instead, 1 to 1,000.
            reconnect: come back when the connection is lost; else the stream raises `Lost`.
            on_gap: told of events that cannot be replayed; without it a warning is logged.
            on_state: told every change of state.

        Raises:
            InvalidParams: a filter or a start that the hub would refuse.
        """
        tasks = self._entered()
        stream = EventStream(
            Request(types, subjects, since, epoch, last),
            self._dial,
            tasks,
            backoff=self._backoff,
            reconnect=reconnect,
            on_gap=on_gap,
            on_state=on_state,
            on_end=self._streams.discard,
        )
        self._streams.add(stream)
        return stream

    def bot(
        self,
        queues: Sequence[str] = ("message_sending",),
        *,
        credit: int = 10,
        format: str = "baileys",
        journal: str | PathLike[str] | None = None,
        resolve: Resolve | None = None,
        not_sent: Sequence[type[Exception]] = (),
        closing: float = 10.0,
        on_state: OnState = ignore,
    ) -> Bot:
        """Take tasks from the hub: the messages that are to be sent. The key is a bot's.

            async with hub.bot(credit=10, journal="bot.journal") as bot:
                async for task in bot:
                    await task.send(gateway.send, task.to, task.message)

        Args:
            queues: what to take.
            credit: how many tasks at once, 1 to 1,000.
            format: the form of the messages: `baileys`, `baileys_native`, `whatsapp-web.js`,
                `cloud` or `text`.
            journal: a file of this bot's own, where it writes down what it sends; without one
                nothing outlives the process, and a death between the gateway's answer and the
                hub's sends a message twice.
            resolve: asks the gateway whether a message was sent, after a call that ended without
                an answer; see `Resolve`.
            not_sent: exceptions of the gateway which prove that it sent nothing. After any other
                the message is uncertain, and not sent again by itself.
            closing: seconds that leaving may take for calls to end and answers to be settled.
            on_state: told every change of its connection.

        Raises:
            ValueError: `credit` is out of its range.
        """
        return Bot(
            self._dial_plain,
            self._entered(),
            queues=queues,
            credit=credit,
            format=format,
            journal=None if journal is None else Path(journal),
            resolve=resolve,
            not_sent=tuple(not_sent),
            closing=closing,
            backoff=self._backoff,
            on_state=on_state,
        )

    def _entered(self) -> asyncio.TaskGroup:
        if self._tasks is None or self._left:
            raise RuntimeError("a Hub is used inside `async with Hub(…) as hub:`")
        return self._tasks

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(self._drain_timeout):
                await self._publisher.drain()
        except TimeoutError:
            pass  # what is left is refused as `Unavailable` when the publisher ends

    async def _dial(self, params: Mapping[str, str]) -> Connection:
        return await Connection.open(
            self._url, self._key, {**self._common, **params}, self._open_timeout
        )

    async def _dial_plain(self) -> Connection:
        return await self._dial({})
