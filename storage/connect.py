"""From `HUB_DATABASE_URL` to an open database."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from .database import Database
from .errors import SchemaError
from .sqlite import Durability, open_sqlite


def sqlite_path(url: str) -> Path:
    """The file that `sqlite:///relative.db` or `sqlite:////absolute.db` names.

    Raises:
        SchemaError: another scheme, or no path.
    """
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or len(parts.path) < 2:
        raise SchemaError(
            f"HUB_DATABASE_URL: {parts.scheme or url!r} is not supported; "
            "use sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    return Path(unquote(parts.path[1:]))


async def connect(url: str, durability: Durability = "full") -> Database:
    """Open the database that a URL names; the schema is left as it is.

    Raises:
        SchemaError: the URL names no engine that is known.
        Unavailable: the database cannot be opened.
    """
    path = sqlite_path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    return await open_sqlite(path, durability)
