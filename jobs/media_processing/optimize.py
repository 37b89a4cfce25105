"""The task `optimize`: an upload becomes the sizes that are served.

    decoded in a process ─▶ files in the store, marked ─▶ row, event and job's end in one commit
                                                      ─▶ marks settled, the upload removed

A picture that cannot be decoded has come to its end: its row says so, and the job has done its
work. What is nobody's fault, such as a full disk or a process that was killed, is tried again.
"""

import asyncio
import signal
from collections.abc import Sequence
from typing import Any

from msgspec import structs, to_builtins

from jobs.context import WriteScope
from jobs.errors import Again
from jobs.outcome import Done
from jobs.pictures.processes import Answer, Died, NotTaken, Processes
from jobs.pictures.store import PictureStore, disk_errors
from jobs.pictures.variants import (
    ENDINGS,
    METADATA,
    StoredVariant,
    Variant,
    name_of,
    upload_of,
)
from jobs.run import Run
from jobs.tasks import Optimize
from storage import media
from storage.blobs import Blob, Mark
from storage.merchant_records import MediaFile

from .failing import find, mark_failed, record

_GONE = {"processed": False, "reason": "the picture was removed"}


class Optimizer:
    """What makes the sizes of pictures in one process.

    Args:
        processes: decode.
    """

    def __init__(self, store: PictureStore, processes: Processes) -> None:
        self._store = store
        self._processes = processes
        self._prepared = False
        self._preparing = asyncio.Lock()

    async def optimize(self, run: Run, args: Optimize) -> Done:
        """Make the sizes of a picture.

        Raises:
            Again: its process was killed, by a person or for want of memory, or its file was not
                there for a moment.
            Unavailable: the disk is full, or there is no process.
        """
        file = await run.context.database.read(lambda tx: find(tx, args.media_id), run.scope)
        if file is None:
            return Done(_GONE)
        if file.status == "ready":
            return Done({"processed": True})
        await self._prepare()
        source = await self._store.run(self._source, file)
        if source is None:
            return self._failed(run, file, "its file is missing in the media folder")
        await run.progress(10, "decoding")
        try:
            answer = await self._processes.ask("shrink", self._store.file(source))
        except FileNotFoundError:
            if await run.context.database.read(lambda tx: find(tx, file.id), run.scope) is None:
                return Done(_GONE)
            raise Again("its file went away for a moment") from None
        except NotTaken as refusal:
            return self._failed(run, file, str(refusal))
        except Died as death:
            if death.status == -signal.SIGKILL and run.job.attempt < run.job.max_attempts:
                raise Again("the process that decoded it was killed") from None
            return self._failed(run, file, str(death))
        return await self._made(run, file, answer)

    async def _prepare(self) -> None:
        """Finish what a former life has left, before the first picture: a folder that cannot be
        used is no reason for the other queues to stand still."""
        async with self._preparing:
            if not self._prepared:
                with disk_errors():
                    await self._store.prepare()
                self._prepared = True

    def _source(self, file: MediaFile) -> Blob | None:
        """The upload, or the largest size where that alone was brought back from a backup."""
        names = [name_of(file, "original", type_) for type_ in ENDINGS]
        blobs = [upload_of(file), *(Blob(file.merchant_id, name) for name in names)]
        return next((blob for blob in blobs if self._store.file(blob).exists()), None)

    async def _made(self, run: Run, file: MediaFile, answer: Answer) -> Done:
        made: dict[Variant, StoredVariant] = {
            said["variant"]: StoredVariant(
                name_of(file, said["variant"], said["type"]), said["type"], said["width"],
                said["height"], said["size"],
            )
            for said in answer.said["made"]
        }  # fmt: skip
        names = [Blob(file.merchant_id, variant.file) for variant in made.values()]
        await run.progress(70, "storing")
        marks = await self._store.put(list(zip(names, answer.files, strict=True)))
        marks += await self._store.mark([upload_of(file)])

        async def write(scope: WriteScope) -> dict[str, Any]:
            before = await find(scope.tx, file.id)
            if before is None:
                return _GONE
            original = made["original"]
            after = await media.update(
                scope.tx,
                structs.replace(
                    before, status="ready", file_name=original.file, size=original.size,
                    width=original.width, height=original.height,
                    storage_path=Blob(file.merchant_id, original.file).path,
                    placeholder=answer.said["placeholder"],
                    thumbnail_url=thumbnail_path(file.id), updated_at=run.context.now,
                    metadata=_without_error(before) | {METADATA: to_builtins(made)},
                ),
            )  # fmt: skip
            shown = {"url": after.url, "thumbnailUrl": after.thumbnail_url}
            record(scope, "media_processed", after, **shown, placeholder=after.placeholder)
            sizes = {name: [variant.width, variant.height] for name, variant in made.items()}
            return {"processed": True, "bytes": original.size, "sizes": sizes}

        return Done(write=write, afterwards=self._tidying(marks))

    def _failed(self, run: Run, file: MediaFile, reason: str) -> Done:
        async def write(scope: WriteScope) -> dict[str, Any]:
            if not await mark_failed(scope, file.id, reason, run.context.now):
                return _GONE
            return {"processed": False, "reason": reason}

        return Done(write=write)

    def _tidying(self, marks: Sequence[Mark]) -> Any:
        async def tidy() -> None:
            await self._store.tidy(marks)

        return tidy


def thumbnail_path(media_id: str) -> str:
    """Where the thumbnail of a picture is served, unsigned."""
    return f"/api/media/{media_id}/thumbnail"


def _without_error(file: MediaFile) -> dict[str, Any]:
    """What is known of a picture but why an earlier job of it has failed."""
    return {name: value for name, value in file.metadata.items() if name != "error"}
