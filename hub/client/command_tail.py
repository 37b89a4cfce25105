"""`hub tail`: follow the events."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hub.client.hub import Hub
from hub.client.status import State, Status
from hub.client.terminal import Output, event_json, event_line, notice
from hub.protocol.frames import Gap


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to show, as for `Hub.events`."""

    types: Sequence[str] | None = None
    subjects: Sequence[str] | None = None
    since: int | None = None
    epoch: str | None = None
    last: int | None = None


async def tail(hub: Hub, wanted: Wanted, output: Output) -> int:
    """Print events until interrupted or until nobody reads any more; the exit code.

    Raises:
        HubError: the hub refused.
    """
    stream = hub.events(
        wanted.types,
        wanted.subjects,
        since=wanted.since,
        epoch=wanted.epoch,
        last=wanted.last,
        on_gap=_gap,
        on_state=_Narrator(),
    )
    task = asyncio.current_task()
    assert task is not None
    output.when_broken(task.cancel)
    try:
        async for event in stream:
            if output.readable:
                output.text(event_line(event, output.colour))
            else:
                output.json(event_json(event))
            if output.broken:
                break
    except asyncio.CancelledError:
        if not output.broken:
            raise
        task.uncancel()
    return 0


class _Narrator:
    """Tells of connections that are lost and found; says nothing while all is well."""

    def __init__(self) -> None:
        self._away = False

    def __call__(self, status: Status) -> None:
        if status.state is State.WAITING:
            self._away = True
            notice(f"{status.reason}; trying again in {status.delay:.1f} s")
        elif status.state is State.LIVE and self._away:
            self._away = False
            notice("connected again")


def _gap(gap: Gap) -> None:
    if gap.reason == "epoch":
        notice(f"the log was reset or restored; going on at {gap.resume}")
    else:
        notice(f"events {gap.from_} to {gap.to} are gone ({gap.reason}); going on at {gap.resume}")
