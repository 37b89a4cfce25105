"""The tables `api_keys` and `browser_sessions`. Only hashes of secrets come here."""

from collections.abc import Sequence

from .database import Transaction
from .errors import NotFound
from .records import ApiKey

_COLUMNS = "id, merchant_id, role, name, prefix, version, created_at, expires_at, revoked_at"


async def insert(tx: Transaction, key: ApiKey, token_hash: str, *, bootstrap: bool = False) -> None:
    """Add a key.

    Raises:
        Conflict: the merchant does not exist, or the same secret is known already.
    """
    await tx.execute(
        f"INSERT INTO api_keys ({_COLUMNS}, token_hash, bootstrap)"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key.id, key.merchant_id, key.role, key.name, key.prefix, key.version,
            key.created_at, key.expires_at, key.revoked_at, token_hash, int(bootstrap),
        ),
    )  # fmt: skip


async def get(tx: Transaction, id_: str) -> ApiKey:
    """Raises: NotFound."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM api_keys WHERE id = ?", (id_,))  # noqa: S608
    if not rows:
        raise NotFound(f"no key has the id {id_!r}")
    return ApiKey(*rows[0])


async def by_token_hashes(tx: Transaction, token_hashes: Sequence[str]) -> dict[str, ApiKey]:
    """The keys with these secrets by their hash, revoked and expired ones included."""
    marks = ", ".join("?" * len(token_hashes))
    rows = await tx.fetch(
        f"SELECT token_hash, {_COLUMNS} FROM api_keys WHERE token_hash IN ({marks})",  # noqa: S608
        tuple(token_hashes),
    )
    return {row[0]: ApiKey(*row[1:]) for row in rows}


async def page(tx: Transaction, merchant_id: str | None, after: str, limit: int) -> list[ApiKey]:
    """Up to `limit` keys whose id sorts after `after`, by id; of one merchant, or of all."""
    where, params = ("", []) if merchant_id is None else ("merchant_id = ? AND", [merchant_id])
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM api_keys WHERE {where} id > ? ORDER BY id LIMIT ?",  # noqa: S608
        (*params, after, limit),
    )
    return [ApiKey(*row) for row in rows]


async def revoke(tx: Transaction, id_: str, now: str) -> bool:
    """Revoke a key and end the browsers signed in by it; False when it was revoked before."""
    await tx.execute("DELETE FROM browser_sessions WHERE key_id = ?", (id_,))
    changed = await tx.execute(
        "UPDATE api_keys SET revoked_at = ?, version = version + 1"
        " WHERE id = ? AND revoked_at IS NULL",
        (now, id_),
    )
    return changed == 1


async def bootstrap_keys(tx: Transaction) -> list[str]:
    """The ids of the bootstrap admin keys that are not revoked."""
    rows = await tx.fetch("SELECT id FROM api_keys WHERE bootstrap = 1 AND revoked_at IS NULL")
    return [id_ for (id_,) in rows]


# ── bots' presence ───────────────────────────────────────────────────────────────────────────


async def set_connected(tx: Transaction, id_: str, connected: bool) -> bool:
    """Note a bot key's first or last session; False when it was noted before."""
    changed = await tx.execute(
        "UPDATE api_keys SET connected = ? WHERE id = ? AND connected <> ?",
        (int(connected), id_, int(connected)),
    )
    return changed == 1


async def connected_bots(tx: Transaction) -> list[ApiKey]:
    """The bot keys noted as connected."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM api_keys WHERE connected = 1")  # noqa: S608
    return [ApiKey(*row) for row in rows]


# ── browsers ─────────────────────────────────────────────────────────────────────────────────


async def insert_session(
    tx: Transaction, token_hash: str, key_id: str, now: str, expires_at: str
) -> None:
    """Add a browser's session, and forget those that have expired."""
    await tx.execute("DELETE FROM browser_sessions WHERE expires_at <= ?", (now,))
    await tx.execute(
        "INSERT INTO browser_sessions (token_hash, key_id, created_at, expires_at)"
        " VALUES (?, ?, ?, ?)",
        (token_hash, key_id, now, expires_at),
    )


async def delete_session(tx: Transaction, token_hash: str) -> None:
    """End a browser's session; nothing happens when it has ended."""
    await tx.execute("DELETE FROM browser_sessions WHERE token_hash = ?", (token_hash,))


async def by_session_hash(tx: Transaction, token_hash: str) -> tuple[ApiKey, str] | None:
    """The key behind a browser's session, and when the session ends."""
    columns = ", ".join(f"k.{name}" for name in _COLUMNS.split(", "))
    rows = await tx.fetch(
        f"SELECT {columns}, s.expires_at FROM browser_sessions s"  # noqa: S608
        " JOIN api_keys k ON k.id = s.key_id WHERE s.token_hash = ?",
        (token_hash,),
    )
    return (ApiKey(*rows[0][:-1]), rows[0][-1]) if rows else None
