"""From `HUB_DATABASE_URL` to an open database."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from .database import Database
from .errors import SchemaError
from .postgres import open_postgres
from .sqlite import Durability, open_sqlite

_POSTGRES = ("postgres", "postgresql")


def sqlite_path(url: str) -> Path | None:
    """The file that `sqlite:///relative.db` or `sqlite:////absolute.db` names; None for a server.

    Raises:
        SchemaError: another scheme, or no path.
    """
    parts = urlsplit(url)
    if parts.scheme in _POSTGRES:
        return None
    if parts.scheme != "sqlite" or parts.netloc or len(parts.path) < 2:
        raise SchemaError(
            f"HUB_DATABASE_URL: {parts.scheme or url!r} is not supported; use postgres://…, "
            "sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    return Path(unquote(parts.path[1:]))


async def connect(
    url: str, durability: Durability = "full", owner_url: str | None = None
) -> Database:
    """Open the database that a URL names; the schema is left as it is.

    Args:
        durability: of SQLite; Postgres is always asked for a durable commit.
        owner_url: the owner of a Postgres schema, where that is another role than the hub's.

    Raises:
        SchemaError: the URL names no engine that is known.
        Unavailable: the database cannot be opened.
    """
    path = sqlite_path(url)
    if path is None:
        return await open_postgres(url, owner_url)
    path.parent.mkdir(parents=True, exist_ok=True)
    return await open_sqlite(path, durability)
