"""The hub in this process, on a free port, over any database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from hub.app import make_app
from hub.origins import Origins
from hub.protocol.ids import Uuid7Source, uuid7
from hub.server import HubServer, listen
from hub.services import Services, open_services
from hub.settings import Settings
from hub.tokens import Role, new_token, token_hash, visible_prefix
from storage import keys, merchants
from storage.database import Database, Transaction
from storage.records import ApiKey
from storage.scope import HUB
from tests.support.databases import FaultyDatabase

NOW = "2026-11-22T10:00:00.000Z"
ROLES: tuple[Role, ...] = ("admin", "merchant", "viewer", "bot")


@dataclass
class LocalHub:
    """A hub with two merchants, and for the first of them a key of each role, named after it.

    Attributes:
        keys, key_ids: the secrets and the ids of the keys, by name.
    """

    database: Database
    merchant_id: str
    other_merchant: str
    keys: dict[str, str] = field(default_factory=dict)
    key_ids: dict[str, str] = field(default_factory=dict)
    port: int = 0
    running: Services | None = None

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def services(self) -> Services:
        assert self.running is not None, "the hub does not run"
        return self.running

    async def add_key(
        self, role: Role, name: str, *, merchant_id: str | None = None, expires: str | None = None
    ) -> str:
        """A further key; its secret."""
        token = new_token(role)
        owner = None if role == "admin" else merchant_id or self.merchant_id
        key = ApiKey(uuid7(), owner, role, name, visible_prefix(token), 1, NOW, expires, None)

        async def work(tx: Transaction) -> None:
            await keys.insert(tx, key, token_hash(token))

        await self.database.write(work, HUB)
        self.keys[name], self.key_ids[name] = token, key.id
        return token


async def prepared(database: Database) -> LocalHub:
    """The merchants and keys of a hub that does not run yet."""
    hub = LocalHub(database, uuid7(), uuid7())

    async def work(tx: Transaction) -> None:
        await merchants.insert(tx, hub.merchant_id, "ours", NOW, Uuid7Source())
        await merchants.insert(tx, hub.other_merchant, "theirs", NOW, Uuid7Source())

    await database.write(work, HUB)
    for role in ROLES:
        await hub.add_key(role, role)
    return hub


async def connected_bots(database: Database) -> list[str]:
    """The names of the bot keys that the database notes as connected."""

    async def read(tx: Transaction) -> list[str]:
        found = await tx.fetch("SELECT name FROM api_keys WHERE connected = TRUE ORDER BY id")
        return [name for (name,) in found]

    return await database.read(read, HUB)


@asynccontextmanager
async def running(
    hub: LocalHub,
    settings: Settings | None = None,
    *,
    database: Database | None = None,
    instance: str | None = None,
) -> AsyncIterator[LocalHub]:
    """Run a prepared hub until the block ends.

    Args:
        database: what it runs on, where that is not its own: one that can be made to fail.
        instance: by which its next life knows what it held; another one each time without it.
    """
    folder = TemporaryDirectory(prefix="hub-")
    settings = replace(settings or Settings(), data_dir=Path(folder.name))
    listener = listen("127.0.0.1", 0)
    hub.port = listener.getsockname()[1]
    origins = Origins(settings.public_url, hub.port, settings.allowed_origins)
    opened = open_services(settings, database or hub.database, origins, instance=instance)
    async with opened as services:
        hub.running = services
        await services.media.open()
        server = HubServer(make_app(services, "an example"), services)
        # What `serve` does, without its signal handlers and its ticks of 0.1 s.
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets=[listener])
        try:
            yield hub
        finally:
            if isinstance(database, FaultyDatabase):
                database.heal()  # a test that failed would wait for ever
            await server.shutdown(sockets=[listener])
            listener.close()
            folder.cleanup()
            hub.running = None
