"""`hub tail`: follow the events."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hub.client.hub import Hub
from hub.client.narrator import Narrator
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
        on_state=Narrator(),
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


def _gap(gap: Gap) -> None:
    if gap.reason == "epoch":
        notice(f"the log was reset or restored; going on at {gap.resume}")
    else:
        notice(f"events {gap.from_} to {gap.to} are gone ({gap.reason}); going on at {gap.resume}")
