"""The queues: how much work each has, and to let one stand still.

A merchant lets its own jobs of a queue wait; an administrator who works for no merchant alone,
everybody's. What runs goes on to its end, and what waits stays where it is.
"""

from typing import Literal

from msgspec import Struct

from hub.stream.waiting import WriteScope
from hub.workload import QueueWork
from jobs.broker import State
from storage import work
from storage.merchant_records import Queue
from storage.scope import HUB, Scope

from .command import OPERATORS, WATCHERS, Command, Invocation, Result
from .params import Word

Whose = Literal["one", "everybody"]


class QueuesOf(Struct, forbid_unknown_fields=True):
    """The work of one merchant; without it, an admin has that of all of them."""

    merchant_id: Word | None = None


class QueueOf(Struct, forbid_unknown_fields=True):
    """A queue, as far as it is one merchant's; without it, an admin means everybody's."""

    name: Queue
    merchant_id: Word | None = None


class BrokerView(Struct, frozen=True):
    """What carries the ids of jobs; `reason` says what is wrong while it is down."""

    state: State
    reason: str


class PausedQueue(Struct, frozen=True):
    """Whether a queue stands still for whom the call was: as `one` merchant's, or `everybody`'s."""

    name: Queue
    paused: bool
    paused_for: Whose | None


async def stats(call: Invocation, params: QueuesOf) -> Result:
    """The work of each queue, and how the broker is."""
    broker = call.services.broker
    return {
        "queues": await call.services.workload.of(call.scope),
        "broker": BrokerView(broker.state, broker.reason),
    }


async def pause(call: Invocation, params: QueueOf) -> Result:
    """Let a queue stand still; nothing changes where it does already."""

    async def work_(scope: WriteScope) -> Result:
        await work.pause(scope.tx, params.name, call.actor.key_id, call.now)
        return {"queue": PausedQueue(params.name, True, _whose(scope.tx.scope))}

    result = await call.commit(work_)
    _look_again(call)
    return result


async def resume(call: Invocation, params: QueueOf) -> Result:
    """Let a queue go on; a merchant's stands still as long as everybody's does."""
    # Which a merchant's own transaction does not see.
    for_all = params.name in await call.services.database.read(work.paused_for_all, HUB)
    stays: Whose | None = "everybody" if for_all and call.scope.merchant_id is not None else None

    async def work_(scope: WriteScope) -> Result:
        await work.resume(scope.tx, params.name)
        return {"queue": PausedQueue(params.name, stays is not None, stays)}

    result = await call.commit(work_)
    _look_again(call)
    return result


def _whose(scope: Scope) -> Whose:
    return "everybody" if scope.merchant_id is None else "one"


def _look_again(call: Invocation) -> None:
    call.services.workload.forget()
    call.services.queues.look_again()


COMMANDS = (
    Command(
        name="queues.stats", http="GET /api/queues", roles=WATCHERS,
        summary="The work of each queue: how much is in which state, since when, how fast it ends, "
        "who does it, and whether the broker answers",
        params=QueuesOf, run=stats, answer={"queues": list[QueueWork], "broker": BrokerView},
    ),
    Command(
        name="queues.pause", http="POST /api/queues/{name}/pause", roles=OPERATORS,
        summary="Let a queue stand still for one merchant; an admin that names none, for everybody",
        params=QueueOf, run=pause, answer={"queue": PausedQueue}, message="The queue stands still.",
    ),
    Command(
        name="queues.resume", http="POST /api/queues/{name}/resume", roles=OPERATORS,
        summary="Let a queue go on that stands still",
        params=QueueOf, run=resume, answer={"queue": PausedQueue},
        message="The queue goes on, unless it stands still for everybody.",
    ),
)  # fmt: skip
