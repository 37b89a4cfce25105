"""Whether a media folder is the one that the hubs have: a worker elsewhere must see their files."""

import asyncio
from pathlib import Path

from hub.protocol.times import format_ms, parse_ms
from storage import instances, media
from storage.blobs import Blob, Blobs
from storage.database import Database, Transaction
from storage.merchant_records import MediaFile
from storage.scope import HUB

_LATELY_MS = 15_000
"""How long ago a hub that lives was seen at most; it says so every 5 s."""
_LOOKED_AT = 5
"""So many of the newest files are looked for: one of them may be on its way out."""


async def living_hubs(database: Database) -> list[str]:
    """The ids of the hubs that run on a database.

    Raises:
        StorageError: the database does not answer.
    """

    async def read(tx: Transaction) -> list[str]:
        return await instances.living(tx, format_ms(parse_ms(await tx.now()) - _LATELY_MS))

    return await database.read(read, HUB)


async def unseen(database: Database, root: Path) -> str | None:
    """Why a folder is not the hubs'; None where it is, or where there is nothing to tell it by.

    Each hub that runs has a folder with its id in it, and the newest rows have their files in it.

    Raises:
        StorageError: the database does not answer.
    """

    async def read(tx: Transaction) -> list[MediaFile]:
        return await media.page(tx, "", _LOOKED_AT, newest_first=True)

    hubs, newest = await living_hubs(database), await database.read(read, HUB)
    blobs = [Blob(file.merchant_id, file.file_name) for file in newest]
    return await asyncio.to_thread(_look, root, hubs, blobs)


def _look(root: Path, hubs: list[str], blobs: list[Blob]) -> str | None:
    if not root.is_dir() and (hubs or blobs):
        return f"{root} is not there"
    if hubs and not any(Blobs(root, hub).is_known for hub in hubs):
        return f"{root} is another folder than that of the hub that runs"
    if blobs and not any(Blobs(root, "").file(blob).exists() for blob in blobs):
        return f"{root} has none of the {len(blobs)} newest pictures"
    return None
