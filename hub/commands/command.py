"""What a command is: one verb, declared once and carried out alike at both doors.

A command takes one Struct with everything that the caller says, and gives the members of its
answer. Who may use it, what it is called at each door and which events it records stand beside it
in a table of its module, `COMMANDS`; `table` puts them together.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from hub.auth import Principal
from hub.protocol.drafts import Origin
from hub.protocol.errors import InvalidParams, PreconditionFailed, invalid
from hub.protocol.times import format_ms
from hub.services import Services
from hub.stream.waiting import WriteScope
from hub.tokens import Role
from storage.database import Transaction
from storage.scope import Scope

from .idempotency import KeyedCall, known_answer, remember

T = TypeVar("T")
Result = dict[str, Any]
"""The members of an answer, by name; the doors add the place in the log to them."""

FOR_WHICH = "an admin says for which merchant"

ADMINS: frozenset[Role] = frozenset({"admin"})
OPERATORS: frozenset[Role] = frozenset({"admin", "merchant"})
"""Who runs a merchant's business."""
SELLERS: frozenset[Role] = frozenset({"admin", "merchant", "bot"})
"""Who takes part in the business: a bot takes orders and payments."""
WATCHERS: frozenset[Role] = frozenset({"admin", "merchant", "viewer"})
"""Who watches the business: a bot sees its own work alone."""
EVERYBODY: frozenset[Role] = frozenset({"admin", "merchant", "viewer", "bot"})


class Command(Struct, frozen=True, kw_only=True):
    """One verb.

    Attributes:
        name: the method of `call`, `<plural>.<verb>`.
        http: method and path of REST; None where REST has no such verb.
        summary: what it does, a sentence.
        roles: who may.
        params: what it takes, wherever that stands in a request.
        run: carries it out.
        answer: the members of the answer with their types.
        events: the types of the events that it may record.
        status: of REST when it succeeds.
        message: a sentence for people that REST adds.
        versioned: whether it heeds `If-Match`.
        quota: the limit that a request of REST counts against.
        table: whose row `params.id` names, so that an admin who names no merchant works for the
            row's; None where an id alone says nothing of a merchant.
    """

    name: str
    http: str | None
    summary: str
    roles: frozenset[Role]
    params: type[Struct]
    run: "Callable[[Invocation, Any], Awaitable[Result]]"
    answer: dict[str, Any]
    events: tuple[str, ...] = ()
    status: int = 200
    message: str | None = None
    versioned: bool = False
    quota: Literal["rest", "entrance"] = "rest"
    table: str | None = None

    @property
    def writes(self) -> bool:
        """Whether it changes something: whatever REST does not answer to a GET."""
        return self.http is None or not self.http.startswith("GET ")

    @property
    def makes(self) -> bool:
        """Whether it makes a row, whose id the caller may give."""
        return self.status == 201 and self.http is not None and "{" not in self.http

    @property
    def queues(self) -> bool:
        """Whether its answer comes before its work is done, and names the job that does it; the
        caller may give the id of what that makes."""
        return self.status == 202 and self.http is not None and "{" not in self.http


class Invocation:
    """One command on its way: for whom, with what conditions, and its place in the log.

    Attributes:
        services: the hub's parts.
        actor: who acts; an admin that works for one merchant is bound to it.
        offset: of the log, from before the first read or after the commit.
        if_match: the versions of which the row must have one; None for any.
    """

    def __init__(
        self,
        services: Services,
        actor: Principal,
        command: Command,
        *,
        keyed: KeyedCall | None = None,
        if_match: frozenset[int] | None = None,
    ) -> None:
        self.services = services
        self.actor = actor
        self.offset = services.log.end
        self.if_match = if_match
        self._command = command
        self._keyed = keyed
        self._now_ms = time.time_ns() // 1_000_000

    @property
    def now(self) -> str:
        """When it began, RFC 3339."""
        return format_ms(self._now_ms)

    @property
    def now_ms(self) -> int:
        return self._now_ms

    @property
    def keyed(self) -> KeyedCall | None:
        """The call as it may come again; None without an idempotency key."""
        return self._keyed

    @property
    def merchant_id(self) -> str:
        """The merchant that it works for.

        Raises:
            InvalidParams: an admin did not say which.
        """
        if self.actor.merchant_id is None:
            raise invalid(InvalidParams, "/merchant_id", FOR_WHICH)
        return self.actor.merchant_id

    @property
    def scope(self) -> Scope:
        return self.actor.scope()

    @property
    def origin(self) -> Origin:
        """Of its events: the merchant that it works for, and the actor."""
        return Origin(self.merchant_id, self.actor.source)

    async def read(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Read on one snapshot, within the actor's scope.

        Raises:
            storage.errors.StorageError: what storage refuses.
        """
        return await self.services.database.read(work, self.scope)

    async def commit(self, work: Callable[[WriteScope], Awaitable[Result]]) -> Result:
        """Change rows and record their events in one transaction.

        Args:
            work: gives the members of the answer, without secrets: with an idempotency key they
                are kept in the same transaction.

        Returns:
            What `work` gave, or gave when this call came first.

        Raises:
            Conflict: the key was used for another request.
            storage.errors.StorageError: what storage refuses.
        """
        keyed = self._keyed
        begun_at = self.offset

        async def once(scope: WriteScope) -> tuple[Result, int | None]:
            if keyed is None:
                return await work(scope), None
            known = await known_answer(scope.tx, keyed, self.now)
            if known is not None:
                return self._members(known.members), known.offset
            result = await work(scope)
            await remember(scope.tx, keyed, result, begun_at, self._now_ms)
            return result, None

        committed = await self.services.log.commit(once, self.scope)
        result, first_offset = committed.result
        # What is shown again is as old as its first answer, and events after that are news to it.
        self.offset = committed.offset if first_offset is None else first_offset
        return result

    async def answered(self) -> Result | None:
        """What this call gave when it came first; None where it comes for the first time, or says
        nothing that tells. For work that takes more than one transaction.

        Raises:
            Conflict: the key was used for another request.
        """
        keyed = self._keyed
        if keyed is None:
            return None
        known = await self.read(lambda tx: known_answer(tx, keyed, self.now))
        if known is None:
            return None
        self.offset = known.offset
        return self._members(known.members)

    async def step(self, work: Callable[[WriteScope], Awaitable[T]]) -> T:
        """Change rows in a transaction that is one of several; `commit` comes first or last.

        Raises:
            storage.errors.StorageError: what storage refuses.
        """
        committed = await self.services.log.commit(work, self.scope)
        self.offset = committed.offset
        return committed.result

    def _members(self, known: dict[str, Any]) -> Result:
        # In the order of the command: of the engines, one sorts what it keeps.
        return {
            name: msgspec.convert(known[name], kind)
            for name, kind in self._command.answer.items()
            if name in known
        }

    def check_version(self, version: int) -> None:
        """Check the condition that the caller put on a row.

        Raises:
            PreconditionFailed: it has another version.
        """
        if self.if_match is not None and version not in self.if_match:
            raise PreconditionFailed(
                f"the row has version {version} by now; read it again and decide anew"
            )

    def record(
        self, scope: WriteScope, type_: str, data: dict[str, Any], subject: str | None = None
    ) -> None:
        """Append an event of the merchant that this works for, by the actor."""
        scope.record(self.origin, type_, data, subject)
