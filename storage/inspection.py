"""What an operator should know about the database, and what to do about it."""

import asyncio
import time
from typing import Literal, NamedTuple

from .database import Database, Transaction
from .errors import StorageError
from .migrate import pending
from .scope import HUB

OLDEST_POSTGRES = 150_000
"""`server_version_num` of the oldest that the tests run on."""
_CONNECTIONS = 8
"""What one hub holds: a writer, four readers, one that listens, and the owner's for a moment."""
_SLOW_MS = 20.0


class Finding(NamedTuple):
    """One line of a report; `advice` says what to do where `state` is not ok."""

    state: Literal["ok", "warn", "fail"]
    what: str
    advice: str = ""


async def inspect(database: Database, address: str) -> list[Finding]:
    """Look at a database.

    Args:
        address: what it is called in the report, without a password.
    """
    try:
        missing = await pending(database)
    except StorageError as error:
        return [
            Finding("fail", f"database: {error}", "correct HUB_DATABASE_URL or start the server")
        ]
    findings = [
        Finding("warn", f"database {address}: {len(missing)} migrations wait", "run.py migrate")
        if missing
        else Finding("ok", f"database {address}, schema up to date")
    ]
    look = _postgres if database.engine == "postgres" else _sqlite
    try:
        return findings + await look(database, ready=not missing)
    except StorageError as error:
        return [*findings, Finding("fail", f"database: {error}", "see the server's own log")]


async def _sqlite(database: Database, *, ready: bool) -> list[Finding]:
    async def work(tx: Transaction) -> list[Finding]:
        [(journal,)] = await tx.fetch("PRAGMA journal_mode")
        problems = [row[0] for row in await tx.fetch("PRAGMA quick_check(3)")]
        broken = await tx.fetch("PRAGMA foreign_key_check")
        found = [
            Finding("ok", "the file is whole")
            if problems == ["ok"] and not broken
            else Finding(
                "fail",
                f"the file is damaged: {'; '.join(map(str, problems))}"
                + (f", {len(broken)} rows refer to none" if broken else ""),
                "stop the hub and restore a backup (run.py restore)",
            )
        ]
        if journal != "wal":
            found.append(
                Finding("warn", f"its journal is {journal}, not WAL", "start the hub once")
            )
        return found

    return await database.read(work, HUB)


async def _postgres(database: Database, *, ready: bool) -> list[Finding]:
    async def work(tx: Transaction) -> list[Finding]:
        [(number, version, name, superuser, bypass)] = await tx.fetch(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
            " rolname::text, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user"
        )
        found = [
            Finding("ok", f"Postgres {version}")
            if number >= OLDEST_POSTGRES
            else Finding("fail", f"Postgres {version}", "15 or newer is needed")
        ]
        if superuser or bypass:
            found.append(_mighty(name, superuser=superuser))
        settings: dict[str, str] = dict(
            await tx.fetch(
                "SELECT name::text, setting FROM pg_settings"
                " WHERE name IN ('fsync', 'full_page_writes', 'max_connections')"
            )
        )
        for setting in ("fsync", "full_page_writes"):
            if settings[setting] != "on":
                found.append(
                    Finding(
                        "fail",
                        f"{setting} is off: a power cut takes what was acknowledged",
                        f"set {setting} = on in postgresql.conf",
                    )
                )
        [(used,)] = await tx.fetch("SELECT count(*) FROM pg_stat_activity")
        left = int(settings["max_connections"]) - used
        found.append(
            Finding("ok", f"{left} of {settings['max_connections']} connections are free")
            if left >= _CONNECTIONS
            else Finding(
                "warn",
                f"{left} of {settings['max_connections']} connections are free; "
                f"a hub needs {_CONNECTIONS}",
                "raise max_connections",
            )
        )
        if ready:
            found.append(await _seals(tx))
        return found

    findings = await database.maintain(work)
    if ready:
        findings += [finding for finding in await _login(database) if finding not in findings]
        findings.append(await _round_trip(database))
    return findings


def _mighty(name: str, *, superuser: bool) -> Finding:
    what = "a superuser" if superuser else "allowed to bypass row-level security"
    return Finding(
        "warn",
        f"the role {name} is {what}",
        "let an ordinary role own the database (docs/deploy/README.md)",
    )


async def _login(database: Database) -> list[Finding]:
    """What is wrong with the role that the hub itself logs in as."""

    async def work(tx: Transaction) -> list[Finding]:
        [(name, superuser, bypass, owns)] = await tx.fetch(
            "SELECT rolname::text, rolsuper, rolbypassrls, EXISTS (SELECT 1 FROM pg_class c"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
            " AND pg_has_role(session_user, c.relowner, 'MEMBER'))"
            " FROM pg_roles WHERE rolname = session_user"
        )
        if superuser or bypass:
            return [_mighty(name, superuser=superuser)]
        if owns:
            return [
                Finding(
                    "warn",
                    "the hub logs in as the owner of its tables: SQL that got into the hub could "
                    "become the owner",
                    "see the strict way in docs/deploy/README.md",
                )
            ]
        return []

    return await database.read(work, HUB)


_ROLES = "(VALUES ('hub_app'), ('hub_tenant')) AS r (role)"
_UNSEALED = f"""
    SELECT c.relname::text, c.relrowsecurity AND c.relforcerowsecurity AS forced,
        (SELECT count(*) FROM pg_policies p WHERE p.schemaname = 'public'
            AND p.tablename = c.relname) AS policies,
        (SELECT string_agg(p.policyname, ', ' ORDER BY p.policyname) FROM pg_policies p
            WHERE p.schemaname = 'public' AND p.tablename = c.relname
            AND p.permissive = 'PERMISSIVE' -- the others only take rows away
            AND p.roles && '{{hub_app,hub_tenant,public}}'::name[]
            AND (COALESCE(p.qual, p.with_check) IS NULL
                OR position('hub_merchant()' IN p.qual) = 0
                OR position('hub_merchant()' IN p.with_check) = 0)) AS loose
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND c.relname <> 'schema_migrations'
        AND EXISTS (SELECT 1 FROM {_ROLES} WHERE
            has_table_privilege(role, c.oid,
                'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
            OR has_any_column_privilege(role, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
    ORDER BY c.relname
"""  # noqa: S608


async def _seals(tx: Transaction) -> Finding:
    """Whether every table on which the hub's roles have a right is sealed."""
    rows = await tx.fetch(_UNSEALED)
    off = [name for name, forced, policies, _ in rows if not (forced and policies)]
    if off:
        return Finding(
            "fail",
            f"row-level security is off on {', '.join(off)}, or no policy stands there",
            "ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY on each, with the "
            "policies of storage/migrations/postgres; or restore a backup into an empty database",
        )
    if loose := [f"{named} on {name}" for name, _, _, named in rows if named]:
        return Finding(
            "fail",
            f"policies do not ask which merchant is bound: {'; '.join(loose)}",
            "DROP POLICY … ON … for each that storage/migrations/postgres does not make",
        )
    mighty = await tx.fetch(
        "SELECT rolname::text FROM pg_roles WHERE rolname IN ('hub_app', 'hub_tenant')"
        " AND (rolsuper OR rolbypassrls OR rolcanlogin)"
    )
    for (name,) in mighty:
        return Finding(
            "fail",
            f"the role {name} may do more than it should",
            f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS NOLOGIN",
        )
    [(temporary,)] = await tx.fetch(
        "SELECT has_database_privilege('hub_tenant', current_database(), 'TEMPORARY')"
    )
    if temporary:
        return Finding(
            "warn",
            "the hub's roles may make temporary tables, which the hub never does",
            "REVOKE TEMPORARY ON DATABASE … FROM PUBLIC (a copied database has it again)",
        )
    return Finding("ok", "every merchant's rows are sealed by row-level security")


async def _round_trip(database: Database) -> Finding:
    """How far away the server is: a commit takes five round trips."""

    async def nothing(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")

    await database.read(nothing, HUB)
    took: list[float] = []
    for _ in range(5):
        begun = time.perf_counter()
        await database.read(nothing, HUB)
        took.append((time.perf_counter() - begun) * 1000 / 3)
        await asyncio.sleep(0)
    fastest = min(took)
    if fastest < _SLOW_MS:
        return Finding("ok", f"a round trip takes {fastest:.1f} ms")
    return Finding("warn", f"a round trip takes {fastest:.1f} ms", "run the hub near its database")
