"""`run.py key`: keys from the command line.

Where a hub runs on the data directory it is asked over HTTP with the bootstrap key, so that it
closes the connections of a key that is revoked; else the database is opened.
"""

import asyncio
import json
import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

import msgspec

from hub.auth import Principal
from hub.commands.invoke import by_name
from hub.commands.params import Name
from hub.origins import Origins
from hub.protocol.errors import HubError
from hub.services import Services, open_services
from hub.settings import Settings
from hub.tokens import Role
from storage import merchants
from storage.connect import sqlite_path
from storage.database import Transaction
from storage.migrate import migrate
from storage.scope import HUB

from . import lock
from .database import open_database
from .first_start import ADMIN_KEY, ensure_keys, prepare_data_dir

_ACTOR = Principal("run.py", "admin", None, "run.py", None)
_TIMEOUT_SECONDS = 10
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


class CommandError(Exception):
    """A command could not be carried out; the message is for the person who typed it."""


def create(
    settings: Settings, role: Role, name: str, merchant: str | None, expires_at: str | None
) -> str:
    """Make a key; a text with the key in it, which is shown this once."""
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise CommandError(
            f"the name does not fit: {str(error)[:1].lower()}{str(error)[1:]}"
        ) from None
    if role == "admin" and merchant is not None:
        raise CommandError("an admin key belongs to no merchant; leave --merchant out")
    if (running := lock.running(settings.data_dir)) is not None:
        body = {"role": role, "name": name, "expires_at": expires_at}
        if role != "admin":
            body["merchant_id"] = _pick(
                _ask(settings, running, "GET", "/api/merchants?limit=1000")["merchants"], merchant
            )
        answer = _ask(settings, running, "POST", "/api/keys", body)
        return f"{answer['token']}\nid {answer['key']['id']}; shown once, keep it safe"

    async def work(services: Services) -> str:
        merchant_id = None
        if role != "admin":
            found = await services.database.read(_all_merchants, HUB)
            merchant_id = _pick(found, merchant)
        said = {"role": role, "name": name, "merchant_id": merchant_id, "expires_at": expires_at}
        made, _ = await by_name(services, _ACTOR, "keys.create", said)
        return f"{made['token']}\nid {made['key'].id}; shown once, keep it safe"

    return _offline(settings, work)


def list_(settings: Settings) -> str:
    """All keys as a table."""
    if (running := lock.running(settings.data_dir)) is not None:
        rows: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            answer = _ask(settings, running, "GET", f"/api/keys?limit=1000&after={after}")
            rows += answer["keys"]
            after = answer["next"]
        return _table(rows)

    async def work(services: Services) -> str:
        rows: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            page, _ = await by_name(services, _ACTOR, "keys.list", {"after": after, "limit": 1000})
            rows += msgspec.to_builtins(page["keys"])
            after = page["next"]
        return _table(rows)

    return _offline(settings, work)


def revoke(settings: Settings, id_: str) -> str:
    """Revoke a key by its id."""
    if _ID.fullmatch(id_) is None:
        raise CommandError("no key has this id; `run.py key list` shows them")
    if (running := lock.running(settings.data_dir)) is not None:
        _ask(settings, running, "DELETE", f"/api/keys/{quote(id_, safe='')}")
        return f"{id_} is revoked and its connections are closed"

    async def work(services: Services) -> str:
        await by_name(services, _ACTOR, "keys.revoke", {"id": id_})
        return f"{id_} is revoked"

    return _offline(settings, work)


async def _all_merchants(tx: Transaction) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(row) for row in await merchants.page(tx, "", 1000)]


def _pick(found: list[dict[str, Any]], asked: str | None) -> str:
    """The merchant that was meant, by id or name; the only one where none was named."""
    if asked is None:
        if len(found) == 1:
            return str(found[0]["id"])
        names = ", ".join(str(row["name"]) for row in found)
        raise CommandError(f"say which merchant with --merchant: {names}")
    matching = [row for row in found if asked in (row["id"], row["name"])]
    if len(matching) != 1:
        raise CommandError(f"{len(matching)} merchants have the id or name {asked!r}")
    return str(matching[0]["id"])


def _offline(settings: Settings, work: Any) -> str:
    prepare_data_dir(settings.data_dir)

    async def run() -> str:
        database = await open_database(settings)
        try:
            await migrate(database)
            await ensure_keys(database, settings.data_dir, settings.admin_key)
            async with open_services(settings, database, Origins(None, 0, ())) as services:
                return str(await work(services))
        except HubError as error:
            raise CommandError(error.message) from None
        finally:
            await database.close()

    with lock.hold(settings.data_dir, sqlite_path(settings.effective_database_url)):
        return asyncio.run(run())


def _ask(
    settings: Settings, running: lock.Running, method: str, path: str, body: Any = None
) -> dict[str, Any]:
    token = settings.admin_key
    if token is None:
        file = settings.data_dir / ADMIN_KEY
        try:
            token = file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise CommandError(
                f"the running hub's admin key is not in {file}; set HUB_ADMIN_KEY to it"
            ) from None
    request = urllib.request.Request(  # noqa: S310  # the address is the lock file's own
        running.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        # A proxy of the environment must not see the key.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        raise CommandError(json.load(error).get("error", str(error))) from None
    except (urllib.error.URLError, TimeoutError) as error:
        raise CommandError(f"the hub at {running.url} does not answer: {error}") from None


def _table(rows: list[dict[str, Any]]) -> str:
    head = ("ID", "ROLE", "NAME", "MERCHANT", "PREFIX", "CREATED", "STATE")
    lines = [
        (
            row["id"], row["role"], row["name"], row["merchant_id"] or "(all)", row["prefix"],
            row["created_at"][:10], _state(row),
        )
        for row in rows
    ]  # fmt: skip
    widths = [max(len(line[n]) for line in (head, *lines)) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *lines)
    )


def _state(row: dict[str, Any]) -> str:
    if row["revoked_at"]:
        return f"revoked {row['revoked_at'][:10]}"
    return f"until {row['expires_at']}" if row["expires_at"] else "active"
