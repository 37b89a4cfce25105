"""The tables `api_keys` and `browser_sessions`. Only hashes of secrets come here."""

from collections.abc import Sequence

from .database import Transaction
from .errors import NotFound
from .records import ApiKey
from .scope import scoped

COLUMNS = "id, merchant_id, role, name, prefix, version, created_at, expires_at, revoked_at"
OF_K = ", ".join(f"k.{name}" for name in COLUMNS.split(", "))
"""The same of a table that is called `k` in a query of several."""


async def insert(tx: Transaction, key: ApiKey, token_hash: str, *, bootstrap: bool = False) -> None:
    """Add a key.

    Raises:
        Conflict: the merchant does not exist, or the same secret is known already.
    """
    await tx.execute(
        f"INSERT INTO api_keys ({COLUMNS}, token_hash, bootstrap)"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key.id, key.merchant_id, key.role, key.name, key.prefix, key.version,
            key.created_at, key.expires_at, key.revoked_at, token_hash, bootstrap,
        ),
    )  # fmt: skip


async def get(tx: Transaction, id_: str) -> ApiKey:
    """Raises: NotFound."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM api_keys WHERE {where} AND id = ?",  # noqa: S608
        (*params, id_),
    )
    if not rows:
        raise NotFound("no key has this id")
    return ApiKey(*rows[0])


async def by_token_hashes(tx: Transaction, token_hashes: Sequence[str]) -> dict[str, ApiKey]:
    """The keys with these secrets by their hash, revoked and expired ones included."""
    where, params = scoped(tx)
    marks = ", ".join("?" * len(token_hashes))
    rows = await tx.fetch(
        f"SELECT token_hash, {COLUMNS} FROM api_keys"  # noqa: S608
        f" WHERE {where} AND token_hash IN ({marks})",
        (*params, *token_hashes),
    )
    return {row[0]: ApiKey(*row[1:]) for row in rows}


async def page(tx: Transaction, after: str, limit: int) -> list[ApiKey]:
    """Up to `limit` keys of the scope whose id sorts after `after`, by id."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM api_keys WHERE {where} AND id > ? ORDER BY id LIMIT ?",  # noqa: S608
        (*params, after, limit),
    )
    return [ApiKey(*row) for row in rows]


async def revoke(tx: Transaction, id_: str, now: str) -> bool:
    """Revoke a key and end the browsers signed in by it; False when it was revoked before."""
    where, params = scoped(tx)
    await tx.execute(
        f"DELETE FROM browser_sessions WHERE {where} AND key_id = ?",  # noqa: S608
        (*params, id_),
    )
    changed = await tx.execute(
        "UPDATE api_keys SET revoked_at = ?, version = version + 1"  # noqa: S608
        f" WHERE {where} AND id = ? AND revoked_at IS NULL",
        (now, *params, id_),
    )
    return changed == 1


async def bootstrap_keys(tx: Transaction) -> list[str]:
    """The ids of the bootstrap admin keys that are not revoked."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT id FROM api_keys WHERE {where}"  # noqa: S608
        " AND bootstrap = TRUE AND revoked_at IS NULL",
        params,
    )
    return [id_ for (id_,) in rows]


async def revoked_among(tx: Transaction, ids: Sequence[str]) -> list[str]:
    """Which of these keys are revoked or gone."""
    where, params = scoped(tx)
    marks = ", ".join("?" * len(ids))
    rows = await tx.fetch(
        f"SELECT id FROM api_keys WHERE {where} AND id IN ({marks}) AND revoked_at IS NULL",  # noqa: S608
        (*params, *ids),
    )
    alive = {id_ for (id_,) in rows}
    return [id_ for id_ in ids if id_ not in alive]


async def ended_among(tx: Transaction, token_hashes: Sequence[str]) -> list[str]:
    """Which of these browsers' sessions are gone."""
    where, params = scoped(tx)
    marks = ", ".join("?" * len(token_hashes))
    rows = await tx.fetch(
        "SELECT token_hash FROM browser_sessions"  # noqa: S608
        f" WHERE {where} AND token_hash IN ({marks})",
        (*params, *token_hashes),
    )
    alive = {token_hash for (token_hash,) in rows}
    return [token_hash for token_hash in token_hashes if token_hash not in alive]


# ── browsers ─────────────────────────────────────────────────────────────────────────────────


async def insert_session(
    tx: Transaction,
    token_hash: str,
    key_id: str,
    merchant_id: str | None,
    now: str,
    expires_at: str,
) -> None:
    """Add a browser's session, and forget those of the scope that have expired.

    Args:
        merchant_id: the key's merchant, None for an admin's.
    """
    where, params = scoped(tx)
    await tx.execute(
        f"DELETE FROM browser_sessions WHERE {where} AND expires_at <= ?",  # noqa: S608
        (*params, now),
    )
    await tx.execute(
        "INSERT INTO browser_sessions (token_hash, key_id, merchant_id, created_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (token_hash, key_id, merchant_id, now, expires_at),
    )


async def delete_session(tx: Transaction, token_hash: str) -> None:
    """End a browser's session; nothing happens when it has ended."""
    where, params = scoped(tx)
    await tx.execute(
        f"DELETE FROM browser_sessions WHERE {where} AND token_hash = ?",  # noqa: S608
        (*params, token_hash),
    )


async def by_session_hash(tx: Transaction, token_hash: str) -> tuple[ApiKey, str] | None:
    """The key behind a browser's session, and when the session ends."""
    where, params = scoped(tx, "s.")
    rows = await tx.fetch(
        f"SELECT {OF_K}, s.expires_at FROM browser_sessions s"  # noqa: S608
        f" JOIN api_keys k ON k.id = s.key_id WHERE {where} AND s.token_hash = ?",
        (*params, token_hash),
    )
    return (ApiKey(*rows[0][:-1]), rows[0][-1]) if rows else None
