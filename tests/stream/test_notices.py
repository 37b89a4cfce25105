"""A notice of the log's head is a hint: what is not there is not missed."""

import asyncio

from storage.database import Database
from tests.stream.support import draft, offsets, publish, running_log


async def test_a_notice_of_more_than_there_is_tears_nothing(database: Database) -> None:
    """Whoever takes offsets back in its transaction has told the higher end too."""
    torn: list[int] = []
    async with running_log(database) as log:
        log.torn = lambda: torn.append(1)
        assert offsets(await publish(log, [draft("a"), draft("b")])) == [1, 2]
        log.hear(7)
        await asyncio.sleep(0.05)
        assert offsets(await publish(log, [draft("a"), draft("c")])) == [1, 3]
        log.hear(4)
        await asyncio.sleep(0.05)
        assert (log.end, torn) == (3, [])


async def test_retention_removes_events_on_either_engine(database: Database) -> None:
    async with running_log(database) as log:
        await publish(log, [draft("a"), draft("b"), draft("c")])
        assert await log.retire(2**50, 2) == 2
        assert log.oldest == 3
        assert offsets(await publish(log, [draft("a")])) == [1]
