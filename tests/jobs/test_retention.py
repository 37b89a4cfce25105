"""How long jobs are kept that have ended."""

import asyncio
from typing import Any

from hub.housekeeping import forget_jobs
from hub.protocol.times import format_ms
from tests.jobs.factory import MERCHANT, Factory

DAY = 86_400_000


async def end(factory: Factory, state: str, days_ago: float, **more: Any) -> str:
    """A job that has ended some days ago."""
    [job] = await factory.add(**more)
    at = format_ms(factory.now_ms() - int(days_ago * DAY))
    await factory.change(
        "UPDATE jobs SET state = ?, finished_at = ?, version = version + 1"
        " WHERE merchant_id = ? AND id = ?",
        state, at, MERCHANT, job.id,
    )  # fmt: skip
    return job.id


async def kept(factory: Factory, ids: list[str]) -> list[bool]:
    found = await factory.ids()
    return [id_ in found for id_ in ids]


async def test_a_week_and_a_month_for_the_dead(factory: Factory) -> None:
    old = [
        await end(factory, "succeeded", 7.1), await end(factory, "cancelled", 7.1),
        await end(factory, "dead", 30.1),
    ]  # fmt: skip
    young = [
        await end(factory, "succeeded", 6.9), await end(factory, "cancelled", 6.9),
        await end(factory, "dead", 29.9), (await factory.add())[0].id,
    ]  # fmt: skip
    removing = asyncio.create_task(forget_jobs(factory.log))
    async with asyncio.timeout(15):
        while any(await kept(factory, old)):
            await asyncio.sleep(0.01)
    removing.cancel()
    assert all(await kept(factory, young))


async def test_one_with_parts_stays_as_long_as_they_do(factory: Factory) -> None:
    whole = await end(factory, "succeeded", 8)
    part = await end(factory, "dead", 8, parent_id=whole)
    other = await end(factory, "succeeded", 8)
    removing = asyncio.create_task(forget_jobs(factory.log))
    async with asyncio.timeout(15):
        while any(await kept(factory, [other])):
            await asyncio.sleep(0.01)
    removing.cancel()
    assert all(await kept(factory, [whole, part]))
