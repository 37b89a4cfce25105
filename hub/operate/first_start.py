"""The first start: the data directory, a merchant `demo`, an admin key and a bot key.

The keys are kept in the data directory, mode 0600, because the hub itself stores only hashes.
"""

import os
import time
from pathlib import Path

from hub.protocol.ids import Uuid7Source, uuid7
from hub.protocol.times import format_ms, parse_ms
from hub.tokens import Role, new_token, token_hash, visible_prefix
from storage import instances, keys, merchants, seeds
from storage.backup import sync_directory
from storage.database import Database, Transaction
from storage.records import ApiKey
from storage.scope import HUB, Scope

ADMIN_KEY = "admin.key"
BOT_KEY = "bot.key"
INSTANCE = "instance.id"
_SEEDED_AT_ONCE = 100
"""How many merchants without templates are looked up together."""
_LATELY_MS = 15_000
"""How long ago a hub that lives was seen at most; it says so every 5 s."""


def prepare_data_dir(data_dir: Path) -> None:
    """Make the data directory, for this user alone.

    Raises:
        OSError: it cannot be made or written.
    """
    # The directory may have been there, open to others; what the hub makes in it is not.
    os.umask(0o077)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


def instance_id(data_dir: Path) -> str:
    """The id of the hub with this data directory, made at its first start."""
    file = data_dir / INSTANCE
    try:
        return file.read_text(encoding="ascii").strip() or _make_instance(file)
    except FileNotFoundError:
        return _make_instance(file)


def _make_instance(file: Path) -> str:
    made = uuid7()
    file.write_text(f"{made}\n", encoding="ascii")
    return made


async def ensure_keys(
    database: Database, data_dir: Path, admin_key: str | None, instance: str | None = None
) -> tuple[str, bool]:
    """Make what a first start needs, and let the admin key be the one that is wanted.

    The bootstrap key is `HUB_ADMIN_KEY` where it is set, else the one in the data directory, else
    a new one. Another bootstrap key than before revokes its predecessor. A bot key is made with
    the first merchant only: deleting the file does not make another.

    Args:
        instance: the hub that starts, which from now on is seen by others that start.

    Returns:
        The id of the admin key, and whether this was the first start.

    Raises:
        ValueError: the admin key was revoked, it is somebody else's key, or another hub on the
            same database has one that this one does not know.
    """
    token = admin_key or _read_key(data_dir / ADMIN_KEY) or new_token("admin")
    bot_token = new_token("bot")
    now_ms = time.time_ns() // 1_000_000
    now = format_ms(now_ms)
    new_id = Uuid7Source()  # for the database's thread

    def record(role: Role, name: str, merchant_id: str | None, secret: str) -> ApiKey:
        return ApiKey(
            id=uuid7(), merchant_id=merchant_id, role=role, name=name,
            prefix=visible_prefix(secret) if secret.startswith("hub_") else "",
            version=1, created_at=now, expires_at=None, revoked_at=None,
        )  # fmt: skip

    async def work(tx: Transaction) -> tuple[str, bool]:
        await refuse_beside_another(tx)
        digest = token_hash(token)
        known = (await keys.by_token_hashes(tx, [digest])).get(digest)
        if known is not None and known.role != "admin":
            raise ValueError(
                f"the admin key in use is the key of a {known.role} ({known.name}): "
                "set HUB_ADMIN_KEY to one of its own"
            )
        if known is None or known.revoked_at is not None:
            if known is not None:
                raise ValueError(
                    "the admin key in use was revoked: set another HUB_ADMIN_KEY, or delete "
                    f"{data_dir / ADMIN_KEY} to have one made"
                )
            for id_ in await keys.bootstrap_keys(tx):
                await keys.revoke(tx, id_, now)
            known = record("admin", "bootstrap", None, token)
            await keys.insert(tx, known, token_hash(token), bootstrap=True)
        first = not await merchants.page(tx, "", 1)
        if first:
            demo, _ = await merchants.insert(tx, uuid7(), "demo", now, new_id)
            bot = record("bot", "demo-bot", demo.id, bot_token)
            await keys.insert(tx, bot, token_hash(bot_token))
        if instance is not None:
            await instances.beat(tx, instance, await tx.now())
        return known.id, first

    async def refuse_beside_another(tx: Transaction) -> None:
        digest = token_hash(token)
        known = await keys.by_token_hashes(tx, [digest])
        unknown = admin_key is None and not known and database.shared
        lately = format_ms(parse_ms(await tx.now()) - _LATELY_MS)
        if unknown and await instances.any_other(tx, instance or "", lately):
            raise ValueError(
                "another hub runs on this database with an admin key of its own: set the same "
                f"HUB_ADMIN_KEY on both, or copy its admin.key to {data_dir / ADMIN_KEY}"
            )

    async def look(tx: Transaction) -> bool:
        await refuse_beside_another(tx)
        return not await merchants.page(tx, "", 1)

    first = await database.read(look, HUB)
    # The files come first: a crash between the two leaves a key that nobody has, never a
    # database whose keys are lost.
    made_key = admin_key is None and _read_key(data_dir / ADMIN_KEY) is None
    if admin_key is None:
        _write_key(data_dir / ADMIN_KEY, token)
    if first:
        _write_key(data_dir / BOT_KEY, bot_token)
    # As maintenance, because two hubs may start at once on an empty database: one after the other.
    try:
        admin_id, made = await database.maintain(work)
    except ValueError:  # the other one was sooner
        if made_key:
            (data_dir / ADMIN_KEY).unlink(missing_ok=True)
        if first:
            (data_dir / BOT_KEY).unlink(missing_ok=True)
        raise
    if first and not made:  # the other one was sooner, and its bot's key is elsewhere
        (data_dir / BOT_KEY).unlink(missing_ok=True)
    return admin_id, made


async def seed_merchants(database: Database) -> int:
    """Give the merchants of an older version their default templates; how many they were.

    Each has a transaction of its own, so that a start with thousands of them holds nobody up. There
    is no log yet, so nobody hears of it.
    """
    new_id = Uuid7Source()  # for the database's thread
    now = format_ms(time.time_ns() // 1_000_000)
    count = 0
    while ids := await database.read(lambda tx: seeds.unseeded(tx, _SEEDED_AT_ONCE), HUB):
        for id_ in ids:

            async def work(tx: Transaction, id_: str = id_) -> None:
                await seeds.seed(tx, id_, now, new_id)

            await database.write(work, Scope(id_))
            count += 1
    return count


def _read_key(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def _write_key(path: Path, token: str) -> None:
    """Write a secret whole or not at all, readable by this user alone."""
    if _read_key(path) == token:
        return
    partial = path.with_suffix(".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, f"{token}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(path)
    sync_directory(path.parent)
