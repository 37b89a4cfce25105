"""The layer over arq: one worker for each queue, in the loop of its process."""

import asyncio
from typing import Any

import msgspec
from arq import ArqRedis
from arq.worker import Worker as ArqWorker
from arq.worker import func

from storage import jobs
from storage.merchant_records import Job, Queue
from storage.scope import HUB

from .context import Context, WriteScope
from .execution import Execution
from .queues import RULES, RUN, job_key, redis_key

_POLL_SECONDS = 0.05
_MOST_SECONDS = 24 * 3600
"""Of an attempt, as far as arq is concerned; `execution` holds the real limit."""

encode = msgspec.json.Encoder(enc_hook=repr).encode
decode = msgspec.json.Decoder().decode


class QueueWorker:
    """Takes the jobs of one queue from arq, claims their rows, and has them performed."""

    def __init__(
        self, queue: Queue, context: Context, execution: Execution, redis: ArqRedis
    ) -> None:
        self.queue = queue
        self._context = context
        self._execution = execution
        self._slots = asyncio.Semaphore(RULES[queue].concurrency)
        self._arq = ArqWorker(
            functions=[
                func(self._run, name=RUN, keep_result=0, timeout=_MOST_SECONDS, max_tries=1)
            ],
            queue_name=redis_key(queue),
            redis_pool=redis,
            handle_signals=False,
            max_jobs=RULES[queue].concurrency * 2,
            poll_delay=_POLL_SECONDS,
            job_serializer=encode,
            job_deserializer=decode,
            log_results=False,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self._arq.main()

    async def _run(self, ctx: dict[str, Any], arq_id: str) -> None:
        async with self._slots:
            for job in await self._claim(arq_id):
                await self._execution.carry_out(job)

    async def _claim(self, arq_id: str) -> list[Job]:
        context = self._context

        async def claim(scope: WriteScope) -> list[Job]:
            return await jobs.claim(scope.tx, [job_key(arq_id)], context.worker, context.now)

        return (await context.log.commit(claim, HUB)).result
