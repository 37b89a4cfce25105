"""What a task is given: the log, the media store, and its job."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from hub.protocol.drafts import Origin
from hub.protocol.times import format_ms
from storage.database import Database, Transaction
from storage.merchant_records import Job
from storage.scope import Scope

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

HOUR = 3600.0
WEBHOOK_SCHEDULE = (5.0, 30.0, 120.0, 600.0, HOUR, 3 * HOUR, 8 * HOUR, 24 * HOUR)
"""Seconds between the attempts of a webhook's delivery, which has one attempt more than there are
waits. All of them together are a day and a half: time to notice and mend a receiver."""

SOURCE = "hub"
"""The source of events that are nobody's but the hub's."""


class WriteScope(Protocol):
    """What a row-changing write gets; see `hub.stream.waiting.WriteScope`.

    Attributes:
        jobs: those that have somewhere to go behind the commit: to a worker, to what they wait
            for, or to the clock.
    """

    tx: Transaction
    jobs: list[Job]

    @property
    def new_id(self) -> Callable[[], str]:
        """Gives the ids of the rows that it makes."""

    def record(
        self, origin: Origin, type_: str, data: dict[str, Any], subject: str | None = None
    ) -> None:
        """Append an event of the hub's own in this transaction."""


class Committed(Protocol[T_co]):
    """A write that is durable."""

    @property
    def result(self) -> T_co: ...
    @property
    def offset(self) -> int: ...


class Log(Protocol):
    """The log as far as work goes; see `hub.stream.log.EventLog`."""

    @property
    def database(self) -> Database: ...
    @property
    def end(self) -> int: ...

    def commit(self, work: Callable[[Any], Awaitable[T]], scope: Scope) -> Awaitable[Committed[T]]:
        """Change rows and record events in one transaction.

        Args:
            work: gets a `WriteScope` and awaits nothing but its transaction.
        """

    def tell(
        self, origin: Origin, type_: str, data: dict[str, Any], subject: str | None = None
    ) -> None:
        """Tell those who are there of something that has no place in the log."""


class Context(Struct, frozen=True, kw_only=True):
    """What all tasks of one process share.

    Attributes:
        log: where everything is written.
        worker: the id under which this process holds jobs.
        media_root: the folder of uploaded pictures.
        hub_id: the id of this process among those on the media folder.
        public_url: the address under which the hub is reached from outside, if it is known.
        webhook_allow: addresses and networks that webhooks may reach although they are private.
        webhook_schedule: seconds between the attempts of a webhook's delivery.
        attempted: called with what came of each attempt to call a webhook: `success` or `failed`.
        clock: milliseconds since 1970.
    """

    log: Log
    worker: str
    media_root: Path
    hub_id: str
    public_url: str | None = None
    webhook_allow: tuple[str, ...] = ()
    webhook_schedule: tuple[float, ...] = WEBHOOK_SCHEDULE
    attempted: Callable[[str], None] = lambda outcome: None
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    @property
    def database(self) -> Database:
        return self.log.database

    @property
    def now(self) -> str:
        """RFC 3339."""
        return format_ms(self.clock())
