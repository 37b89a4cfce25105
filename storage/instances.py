"""The tables `hub_instances` and `bot_connections`: which hubs run, and which bots each holds."""

from .database import Transaction
from .keys import OF_K
from .records import ApiKey


async def beat(tx: Transaction, instance: str, now: str) -> bool:
    """Say that a hub runs; whether it was not known to run.

    Args:
        now: by the database's clock, see `Transaction.now`.
    """
    known = await tx.execute("UPDATE hub_instances SET seen_at = ? WHERE id = ?", (now, instance))
    if not known:
        await tx.execute(
            "INSERT INTO hub_instances (id, started_at, seen_at) VALUES (?, ?, ?)",
            (instance, now, now),
        )
    return not known


async def remove_silent(tx: Transaction, instance: str, since: str) -> int:
    """Remove the hubs other than this one that were not seen since a moment, with what they held;
    how many they were."""
    silent = await tx.fetch(
        "SELECT id FROM hub_instances WHERE id <> ? AND seen_at < ?", (instance, since)
    )
    removed = 0
    for (id_,) in silent:
        await tx.execute("DELETE FROM bot_connections WHERE instance_id = ?", (id_,))
        removed += await tx.execute(
            "DELETE FROM hub_instances WHERE id = ? AND seen_at < ?", (id_, since)
        )
    return removed


async def let_go(tx: Transaction, instance: str) -> None:
    """Note that a hub holds no bots."""
    await tx.execute("DELETE FROM bot_connections WHERE instance_id = ?", (instance,))


async def leave(tx: Transaction, instance: str) -> None:
    """Note that a hub has ended."""
    await let_go(tx, instance)
    await tx.execute("DELETE FROM hub_instances WHERE id = ?", (instance,))


async def any_other(tx: Transaction, instance: str, since: str) -> bool:
    """Whether a hub other than this one was seen since a moment."""
    rows = await tx.fetch(
        "SELECT 1 FROM hub_instances WHERE id <> ? AND seen_at >= ? LIMIT 1", (instance, since)
    )
    return bool(rows)


async def living(tx: Transaction, since: str) -> list[str]:
    """The hubs that were seen since a moment."""
    rows = await tx.fetch("SELECT id FROM hub_instances WHERE seen_at >= ?", (since,))
    return [str(id_) for (id_,) in rows]


async def connect_bot(tx: Transaction, key_id: str, instance: str) -> bool:
    """Note that a hub holds a bot; False when one held it before."""
    await tx.execute(
        "INSERT INTO bot_connections (key_id, instance_id) VALUES (?, ?)"
        " ON CONFLICT (key_id, instance_id) DO NOTHING",
        (key_id, instance),
    )
    return await _set_connected(tx, key_id, True)


async def disconnect_bot(tx: Transaction, key_id: str, instance: str) -> bool:
    """Note that a hub holds a bot no longer; False when another one does, or none did."""
    await tx.execute(
        "DELETE FROM bot_connections WHERE key_id = ? AND instance_id = ?", (key_id, instance)
    )
    held = await tx.fetch("SELECT 1 FROM bot_connections WHERE key_id = ? LIMIT 1", (key_id,))
    return not held and await _set_connected(tx, key_id, False)


async def _set_connected(tx: Transaction, key_id: str, connected: bool) -> bool:
    changed = await tx.execute(
        "UPDATE api_keys SET connected = ? WHERE id = ? AND connected <> ?",
        (connected, key_id, connected),
    )
    return changed == 1


async def lost_bots(tx: Transaction) -> list[ApiKey]:
    """The bot keys that are noted as connected and are held by no hub."""
    rows = await tx.fetch(
        f"SELECT {OF_K} FROM api_keys k WHERE k.connected = TRUE"  # noqa: S608
        " AND NOT EXISTS (SELECT 1 FROM bot_connections b WHERE b.key_id = k.id)"
    )
    return [ApiKey(*row) for row in rows]
