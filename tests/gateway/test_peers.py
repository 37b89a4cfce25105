"""Hubs on one database: which bots they hold, and what one of them has done to the others' keys."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from hub.auth import Principal
from hub.commands import browsers
from hub.commands.invoke import by_name
from hub.credentials import COOKIE
from hub.gateway.presence import Presence
from hub.protocol.ids import Uuid7Source
from hub.protocol.times import format_ms
from hub.stream.log import EventLog
from hub.tokens import token_hash
from storage import instances, keys, merchants
from storage.database import Database, Transaction
from storage.records import ApiKey
from storage.scope import HUB
from tests.gateway.local_hub import LocalHub, connected_bots, prepared, running
from tests.storage.support import rows
from tests.stream.support import running_log, stored
from tests.support.databases import Store, until
from tests.support.postgres import PostgresServer, database_of
from tests.support.rest import call
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

NOW = "2026-11-22T10:00:00.000Z"
Pair = tuple[LocalHub, LocalHub]
postgres_only = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


async def presence(database: Database) -> list[tuple[str, str]]:
    """The events of bots that came and went: their types and the names of the keys."""
    return [
        (e["type"], e["data"]["name"]) for _, e in await stored(database) if "bot_" in e["type"]
    ]


# ── presence ─────────────────────────────────────────────────────────────────────────────────────


class Held(NamedTuple):
    """Hubs that share a log in this process, each with its notes of who is there."""

    database: Database
    log: EventLog
    hubs: list[Presence]


@asynccontextmanager
async def holding(database: Database, count: int) -> AsyncIterator[Held]:
    async def work(tx: Transaction) -> None:
        await merchants.insert(tx, "m1", "one", NOW, Uuid7Source())
        for name in ("a", "b"):
            key = ApiKey(f"key-{name}", "m1", "bot", name, "hub_b_1234", 1, NOW, None, None)
            await keys.insert(tx, key, name.rjust(64, "0"))
        for number in range(count):
            await instances.beat(tx, f"hub-{number}", NOW)

    await database.write(work, HUB)
    async with running_log(database) as log:
        hubs = [Presence(log, f"hub-{number}") for number in range(count)]
        telling = [asyncio.create_task(hub.run()) for hub in hubs]
        yield Held(database, log, hubs)
        for hub in hubs:
            hub.close()
        await asyncio.gather(*telling)


def bot(name: str) -> Principal:
    return Principal(f"key-{name}", "bot", "m1", name, None)


async def noted(held: Held, hub: int, name: str, there: bool) -> None:
    """Wait until the database says whether a hub holds a bot."""
    sql = "SELECT 1 FROM bot_connections WHERE key_id = ? AND instance_id = ?"
    async with asyncio.timeout(5):
        while bool(await rows(held.database, sql, (f"key-{name}", f"hub-{hub}"))) is not there:
            await asyncio.sleep(0.002)


async def test_a_bot_is_connected_until_its_last_hub_lets_go(database: Database) -> None:
    async with holding(database, 3) as held:
        steps = [
            (0, "a", True, [("bot_connected", "a")], ["a"]),
            (1, "a", True, [], ["a"]),
            (2, "b", True, [("bot_connected", "b")], ["a", "b"]),
            (0, "a", False, [], ["a", "b"]),
            (0, "b", True, [], ["a", "b"]),
            (2, "b", False, [], ["a", "b"]),
            (1, "a", False, [("bot_disconnected", "a")], ["b"]),
            (0, "b", False, [("bot_disconnected", "b")], []),
            (2, "a", True, [("bot_connected", "a")], ["a"]),
        ]
        told: list[tuple[str, str]] = []
        for hub, name, there, says, connected in steps:
            one = held.hubs[hub]
            (one.arrived if there else one.departed)(bot(name))
            await noted(held, hub, name, there)
            told += says
            assert await presence(database) == told
            assert await connected_bots(database) == connected


async def test_letting_go_twice_says_nothing(database: Database) -> None:
    async with holding(database, 2) as held:
        held.hubs[1].departed(bot("a"))
        held.hubs[0].arrived(bot("a"))
        await noted(held, 0, "a", True)
        held.hubs[1].departed(bot("a"))
        held.hubs[0].arrived(bot("a"))
        held.hubs[1].arrived(bot("b"))
        await noted(held, 1, "b", True)
        assert await presence(database) == [("bot_connected", "a"), ("bot_connected", "b")]


async def test_whoever_finds_lost_bots_says_it_once(database: Database) -> None:
    """Every hub looks, at about the same time."""
    async with holding(database, 3) as held:
        held.hubs[2].arrived(bot("a"))
        held.hubs[2].arrived(bot("b"))
        held.hubs[1].arrived(bot("b"))
        await noted(held, 2, "a", True)
        await noted(held, 1, "b", True)

        async def end(tx: Transaction) -> int:
            await instances.beat(tx, "hub-0", format_ms(2**41))
            await instances.beat(tx, "hub-1", format_ms(2**41))
            return await instances.remove_silent(tx, "hub-0", format_ms(2**41 - 1))

        await held.database.write(end, HUB)
        await asyncio.gather(*(hub.recover() for hub in held.hubs[:2] * 3))
        await until(lambda: held.log.idle)
        async with asyncio.timeout(5):
            while await connected_bots(database) != ["b"]:
                await asyncio.sleep(0.002)
        assert (await presence(database))[2:] == [("bot_disconnected", "a")]


# ── hubs that end ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(autouse=True)
def quiet() -> None:
    """These hubs look after each other, as those of other tests do not."""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs that look after each other 50 times a second."""
    monkeypatch.setattr("hub.peers._BEAT_SECONDS", 0.02)


@pytest.fixture
async def pair(store: Store) -> AsyncIterator[Pair]:
    """Two hubs on one database, each with connections of its own."""
    async with store.open() as one, store.open() as other:
        first = await prepared(one)
        second = dataclasses.replace(first, database=other)
        async with running(first), running(second):
            yield first, second


def seconds_ago(seconds: float) -> str:
    return format_ms(int((time.time() - seconds) * 1000))


async def leave_behind(hub: LocalHub, name: str, *bots: str, seen_at: str) -> None:
    """The rows of a hub that was here and said nothing when it ended."""

    async def work(tx: Transaction) -> None:
        await instances.beat(tx, name, seen_at)
        for bot_name in bots:
            await instances.connect_bot(tx, hub.key_ids[bot_name], name)

    await hub.database.write(work, HUB)


async def hubs(hub: LocalHub) -> set[str]:
    return {id_ for (id_,) in await rows(hub.database, "SELECT id FROM hub_instances")}


@postgres_only
async def test_a_hub_that_falls_silent_loses_its_bots(hasty: None, pair: Pair) -> None:
    first, second = pair
    for name in ("lost", "held", "young"):
        await first.add_key("bot", name)
    async with connect(first, first.keys["held"]) as held:
        await held.next(type="connected")
        await until(lambda: second.services.log.end == 1)
        await leave_behind(first, "silent", "lost", "held", "bot", seen_at=seconds_ago(60))
        await leave_behind(first, "alive", "young", seen_at=seconds_ago(10))
        await until(lambda: first.services.log.end == second.services.log.end == 3)
        async with asyncio.timeout(5):
            while "silent" in await hubs(first):
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.2)  # both have looked many times
        assert first.services.log.end == 3, "each bot is lost once, whoever found it"
        assert sorted((await presence(first.database))[1:]) == [
            ("bot_disconnected", "bot"), ("bot_disconnected", "lost"),
        ]  # fmt: skip
        assert await connected_bots(first.database) == ["held", "young"]
        assert "alive" in await hubs(first)
        assert len(await hubs(first)) == 3
    [(_, event), *_] = [(o, e) for o, e in await stored(first.database) if o == 2]
    assert event["data"]["reason"] == "hub restarted"


@postgres_only
async def test_a_bot_on_both_hubs_leaves_with_the_last(pair: Pair) -> None:
    first, second = pair
    async with connect(second, second.keys["bot"]) as one:
        await one.next(type="connected")
        await until(lambda: first.services.log.end == 1)
        async with connect(first, first.keys["bot"]) as other:
            await other.next(type="connected")
            sql = "SELECT 1 FROM bot_connections"
            async with asyncio.timeout(5):
                while len(await rows(first.database, sql)) < 2:
                    await asyncio.sleep(0.005)
        async with asyncio.timeout(5):
            while len(await rows(first.database, sql)) > 1:
                await asyncio.sleep(0.005)
        assert await presence(first.database) == [("bot_connected", "bot")]
    await until(lambda: first.services.log.end == second.services.log.end == 2)
    assert (await presence(first.database))[1:] == [("bot_disconnected", "bot")]


async def test_a_hub_alone_takes_every_other_for_ended(database: Database, store: Store) -> None:
    """On SQLite at once, where no other can be; on Postgres after 15 seconds of silence."""
    hub = await prepared(database)
    await leave_behind(hub, "before", "bot", seen_at=seconds_ago(1))
    async with running(hub):
        await until(lambda: hub.services.log.idle)
        alone = store.engine == "sqlite"
        if alone:
            await until(lambda: hub.services.log.end == 1)
        assert ("before" in await hubs(hub)) is not alone
        assert await connected_bots(database) == ([] if alone else ["bot"])


# ── what one hub does to the others ──────────────────────────────────────────────────────────────


def admin(hub: LocalHub) -> Principal:
    return Principal(hub.key_ids["admin"], "admin", None, "admin", None)


async def within_a_second(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(1):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.mark.alone
@postgres_only
async def test_a_key_revoked_on_one_is_revoked_on_both(pair: Pair) -> None:
    first, second = pair
    async with (
        connect(second, second.keys["viewer"]) as gone,
        connect(second, second.keys["merchant"]) as stays,
    ):
        for socket in (gone, stays):
            await socket.next(type="live")
        # A hub that begins to listen forgets what it knew before.
        viewer = second.keys["viewer"]
        while not second.services.authenticator.knows(viewer):
            assert (await call(second, "GET", "/api/events", key=viewer)).status == 200
        viewer_id = first.key_ids["viewer"]
        await by_name(first.services, admin(first), "keys.revoke", {"id": viewer_id})
        assert await gone.closed(deadline=1) == 4001
        assert not second.services.authenticator.knows(second.keys["viewer"])
        answer = await call(second, "GET", "/api/events", key=second.keys["viewer"])
        assert answer.status == 401
        await stays.send({"type": "ping", "ref": "here"})
        assert (await stays.next(type="pong"))["ref"] == "here"


@pytest.mark.alone
@postgres_only
async def test_a_browser_that_signs_out_on_one_is_signed_out_on_both(pair: Pair) -> None:
    first, second = pair
    merchant = await first.services.authenticator.by_key(first.keys["merchant"])
    cookie, signed_in = await browsers.sign_in(first.services, merchant)
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    origin = f"http://127.0.0.1:{second.port}"
    async with (
        connect(second, headers=headers, origin=origin) as gone,
        connect(second, second.keys["merchant"]) as stays,
    ):
        for socket in (gone, stays):
            await socket.next(type="live")
        await browsers.sign_out(first.services, signed_in)
        assert await gone.closed(deadline=1) == 4001
        await stays.send({"type": "ping", "ref": "here"})
        assert (await stays.next(type="pong"))["ref"] == "here"
    answer = await call(second, "GET", "/api/session", headers=headers | {"Origin": origin})
    assert answer.status == 401


@pytest.mark.alone
@postgres_only
async def test_a_merchant_made_on_one_is_known_on_both(pair: Pair) -> None:
    first, second = pair
    made, _ = await by_name(first.services, admin(first), "merchants.create", {"name": "new"})
    merchant_id = made["merchant"].id
    await within_a_second(lambda: merchant_id in second.services.merchants)
    said = {"role": "bot", "name": "new till", "merchant_id": merchant_id}
    key, _ = await by_name(second.services, admin(second), "keys.create", said)
    async with connect(first, key["token"]) as bot_there:
        assert (await bot_there.next(type="connected"))["merchant_id"] == merchant_id


@pytest.mark.alone
@postgres_only
async def test_what_was_missed_is_looked_for(
    pair: Pair, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """What nobody was told of is found when the connection that hears was cut."""
    first, second = pair
    merchant = await first.services.authenticator.by_key(first.keys["merchant"])
    cookies = [(await browsers.sign_in(first.services, merchant))[0] for _ in range(2)]
    origin = f"http://127.0.0.1:{second.port}"
    pages = [{"Cookie": f"{COOKIE}={cookie}"} for cookie in cookies]
    async with (
        connect(second, second.keys["viewer"]) as revoked,
        connect(second, headers=pages[0], origin=origin) as signed_out,
        connect(second, second.keys["merchant"]) as stays,
        connect(second, headers=pages[1], origin=origin) as stays_too,
    ):
        for socket in (revoked, signed_out, stays, stays_too):
            await socket.next(type="live")
        postgres_server.execute(
            # Without its triggers the database tells nobody.
            "SET session_replication_role = replica;"  # noqa: S608
            f" UPDATE api_keys SET revoked_at = now() WHERE id = '{first.key_ids['viewer']}';"
            f" DELETE FROM browser_sessions WHERE token_hash = '{token_hash(cookies[0])}';"
            " INSERT INTO merchants (id, name, created_at, updated_at)"
            " VALUES ('unheard', 'x', now(), now())",
            database=database_of(postgres_url),
        )
        assert await revoked.silent(0.3, type="bye")
        assert "unheard" not in second.services.merchants
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'smart-bot-hub'",
            database=database_of(postgres_url),
        )
        assert await revoked.closed(deadline=2) == 4001
        assert await signed_out.closed(deadline=1) == 4001
        await within_a_second(lambda: "unheard" in second.services.merchants)
        for socket in (stays, stays_too):
            await socket.send({"type": "ping", "ref": "here"})
            assert (await socket.next(type="pong"))["ref"] == "here"
        answer = await call(second, "GET", "/api/events", key=second.keys["viewer"])
        assert answer.status == 401


@postgres_only
async def test_a_hub_that_was_taken_for_dead_comes_back_with_its_bots(
    hasty: None, pair: Pair
) -> None:
    """After an outage that both had, the first that beats again may miss the other."""
    first, second = pair

    async def forget(tx: Transaction) -> None:
        await tx.execute("DELETE FROM bot_connections")
        await tx.execute("DELETE FROM hub_instances")

    async with connect(second, second.keys["bot"]) as held:
        await held.next(type="connected")
        await until(lambda: first.services.log.end == 1)
        await first.database.write(forget, HUB)
        async with asyncio.timeout(5):
            while not await rows(first.database, "SELECT 1 FROM bot_connections"):
                await asyncio.sleep(0.005)
        assert await connected_bots(first.database) == ["bot"]
    # Its end is told, which it would not be of a bot that nobody holds.
    async with asyncio.timeout(5):
        while (await presence(first.database))[-1] != ("bot_disconnected", "bot"):
            await asyncio.sleep(0.005)
    assert await connected_bots(first.database) == []


@postgres_only
async def test_a_flood_of_notices_is_looked_into_by_one_task(pair: Pair) -> None:
    """Whoever is connected to the database may send them."""
    first, second = pair
    await second.add_key("viewer", "watching")
    most = len(asyncio.all_tasks())

    async def flood(tx: Transaction) -> None:
        for word in ("key", "browser", "merchant"):
            await tx.fetch(
                "SELECT count(pg_notify('hub', ? || n)) FROM generate_series(1, 5000) AS n",
                (f"{word} ",),
            )
        await tx.fetch("SELECT pg_notify('hub_log', repeat('9', 5000))")

    async with connect(second, second.keys["watching"]) as held:
        await held.next(type="connected")
        flooding = asyncio.create_task(first.database.write(flood, HUB))
        seen = 0
        while not flooding.done():
            seen = max(seen, len(asyncio.all_tasks()))
            await asyncio.sleep(0.001)
        await flooding
        assert seen < most + 50
        key_id = second.key_ids["watching"]
        await first.database.write(lambda tx: keys.revoke(tx, key_id, NOW), HUB)
        assert await held.closed() == 4001
