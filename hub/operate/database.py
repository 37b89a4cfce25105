"""The database that the settings name."""

from hub.settings import Settings
from storage.connect import connect
from storage.database import Database


async def open_database(settings: Settings) -> Database:
    """Open it; the schema is left as it is.

    Raises:
        SchemaError: the settings name no engine that is known.
        Unavailable: it cannot be opened.
    """
    return await connect(
        settings.effective_database_url, settings.durability, settings.database_owner_url
    )
