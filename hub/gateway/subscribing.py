"""Putting a subscription into force: the same for the socket and for HTTP streams."""

from typing import TYPE_CHECKING

from hub.protocol.filters import ALL
from hub.protocol.frames import Gap, Subscribed
from hub.stream.reader import Reader

from .handshake import Wanted

if TYPE_CHECKING:
    from .gateway import Gateway


def is_known(gateway: "Gateway", wanted: Wanted) -> bool:
    """Whether it is known at once where a subscription begins."""
    return wanted.last is None and (
        wanted.since is None
        or wanted.since <= gateway.log.end
        or not gateway.log.database.shared
        or wanted.epoch not in (None, gateway.log.epoch)
    )


async def find_start(gateway: "Gateway", reader: Reader, wanted: Wanted) -> int | None:
    """Find out where a subscription begins, which may need the database.

    Returns:
        The cursor from which the last matching events follow, or None when they were not asked
        for.

    Raises:
        storage.errors.Unavailable: the database did not answer.
    """
    if wanted.last is not None:
        return await gateway.replay.last_matching(
            reader.merchant_id, wanted.filter, wanted.last, lambda: not reader.closed
        )
    if wanted.since is not None and not is_known(gateway, wanted):
        if not reader.subscribed:
            reader.cursor = wanted.since  # a heartbeat meanwhile must not send the client back
        await gateway.log.reach(wanted.since)
    return None


def follow(
    gateway: "Gateway", reader: Reader, wanted: Wanted, ref: str | None, last_cursor: int | None
) -> None:
    """Let a reader follow the log: subscribed, gap?, replay, live.

    Args:
        last_cursor: where `last` begins, or None when it was not asked for.
    """
    event_log = gateway.log
    gateway.fanout.detach(reader)
    end, oldest = event_log.end, event_log.oldest
    gap: Gap | None = None
    if last_cursor is not None:
        cursor = last_cursor
    elif wanted.since is not None:
        cursor = wanted.since
        if wanted.epoch not in (None, event_log.epoch) or cursor > end:
            gap = Gap(None, None, "epoch", end)
    else:
        cursor = reader.cursor if reader.subscribed else end
    if gap is None and cursor < oldest - 1:
        gap = Gap(cursor + 1, oldest - 1, "retention", oldest - 1)
    reader.filter = wanted.filter
    reader.cursor = cursor if gap is None else gap.resume
    reader.generation += 1
    reader.subscribed = True
    reader.announce = True
    reader.send(
        Subscribed(
            ref=ref,
            epoch=event_log.epoch,
            offset=reader.cursor,
            recovered=gap is None,
            types=wanted.filter.types,
            subjects=wanted.filter.subjects,
        )
    )
    if gap is not None:
        reader.send(gap)
    gateway.replay.catch_up(reader)


def unfollow(gateway: "Gateway", reader: Reader) -> None:
    """Give a reader no more events."""
    gateway.fanout.detach(reader)
    reader.generation += 1
    reader.subscribed = reader.announce = False
    reader.filter = ALL
