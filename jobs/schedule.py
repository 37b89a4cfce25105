"""What comes due: jobs whose time has come."""

from hub.protocol.times import format_ms
from storage import jobs
from storage.database import Transaction
from storage.merchant_records import Job
from storage.scope import HUB

from .context import Context, WriteScope
from .queues import NAMES

_BATCH = 200


async def make_due(context: Context) -> int:
    """Let the jobs wait for a worker whose time has come; how many they were."""
    now = format_ms(context.clock())

    async def read(tx: Transaction) -> list[Job]:
        found: list[Job] = []
        for queue in NAMES:
            for state in ("scheduled", "retrying"):
                found += await jobs.by_run_time(tx, queue, state, _BATCH, until=now)
        return found

    due = [(job.merchant_id, job.id) for job in await context.database.read(read, HUB)]
    if not due:
        return 0

    async def work(scope: WriteScope) -> int:
        moved = await jobs.make_due(scope.tx, due, now)
        scope.jobs += moved
        return len(moved)

    return (await context.log.commit(work, HUB)).result
