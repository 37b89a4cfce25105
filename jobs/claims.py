"""Which jobs are begun here: the database says so, in one transaction for all that come at once.

arq gives ids, which may be of jobs that were cancelled, put back twice, or claimed elsewhere: of
each attempt there is one claim that changes its row, and only who made it performs the job.
"""

import asyncio

from hub.protocol.errors import HubError
from storage import jobs
from storage.errors import StorageError
from storage.merchant_records import Job
from storage.scope import HUB

from .context import Context, WriteScope
from .queues import job_key

_MOST = 200
"""Jobs that one transaction claims."""

Unclaimed = (HubError, StorageError)
"""What `Claims.claim` raises where it is not known whether a job is ours."""


class Claims:
    """Claims jobs for this process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked: list[tuple[str, asyncio.Future[Job | None]]] = []
        self._expected: dict[str, asyncio.Future[Job | None]] = {}
        self._claiming: asyncio.Task[None] | None = None

    def expect(self, arq_id: str) -> None:
        """Begin to claim a job; `claim` or `drop` follows."""
        if arq_id not in self._expected:
            self._expected[arq_id] = self._ask(arq_id)

    def drop(self, arq_id: str) -> "asyncio.Future[Job | None] | None":
        """What comes of a claim that was expected and that nobody has asked for; None: there is
        no such claim."""
        return self._expected.pop(arq_id, None)

    async def claim(self, arq_id: str) -> Job | None:
        """Begin an attempt of a job.

        Returns:
            The job as it is from now on; None where it is not to be begun, or was elsewhere.

        Raises:
            HubError, StorageError: it is not known whether it was begun. If it was, `Holder` finds
                that nobody performs it.
        """
        asked = self.drop(arq_id)
        return await (self._ask(arq_id) if asked is None else asked)

    def _ask(self, arq_id: str) -> "asyncio.Future[Job | None]":
        asked: asyncio.Future[Job | None] = asyncio.get_running_loop().create_future()
        self._asked.append((arq_id, asked))
        if self._claiming is None:
            self._claiming = asyncio.create_task(self._claim_all())
        return asked

    async def _claim_all(self) -> None:
        """Claim what is asked for; what comes meanwhile goes with the next transaction."""
        try:
            while self._asked:
                asked, self._asked = self._asked[:_MOST], self._asked[_MOST:]
                try:
                    claimed = await self._claim([id_ for id_, _ in asked])
                except Exception as error:  # each of those who asked gets it
                    for _, future in asked:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for id_, future in asked:
                        if not future.done():
                            # An id that came twice is of one job, which one of them gets.
                            future.set_result(claimed.pop(id_, None))
        finally:
            self._claiming = None

    async def _claim(self, ids: list[str]) -> dict[str, Job]:
        context = self._context

        async def claim(scope: WriteScope) -> list[Job]:
            keys = [job_key(id_) for id_ in dict.fromkeys(ids)]
            return await jobs.claim(scope.tx, keys, context.worker, context.now)

        claimed = (await context.log.commit(claim, HUB)).result
        return {f"{job.merchant_id}:{job.id}": job for job in claimed}
