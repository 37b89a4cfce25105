"""One commit group of many merchants: each write is refused or kept alone, and the audit knows who
did what."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from hub.protocol.drafts import Origin
from hub.protocol.ids import uuid7
from hub.stream.log import EventLog
from hub.stream.waiting import Committed, WriteScope
from storage import keys, merchants
from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound, Sealed, StorageError
from storage.records import ApiKey
from storage.scope import HUB, Scope
from tests.stream.support import draft, offsets, publish, running_log, stored
from tests.support.databases import FaultyDatabase, until

NOW = "2026-11-22T10:00:00.000Z"
LATER = "2026-11-22T11:00:00.123Z"
MERCHANTS = [f"m{number}" for number in range(8)]
WRITES = 64
KINDS = ("CREATE", "UPDATE", "DELETE")
ROLES = ("merchant", "bot", "viewer", "admin")

Work = Callable[[WriteScope], Awaitable[str]]


def digest(text: str) -> str:
    return text.rjust(64, "0")


def old_key(number: int) -> ApiKey:
    """The key that is there before, for the write with this number."""
    merchant_id = MERCHANTS[number % 8]
    return ApiKey(f"old-{number:02}", merchant_id, "bot", "öld", "hub_b_1234", 1, NOW, None, None)


def new_key(number: int, merchant_id: str) -> ApiKey:
    return ApiKey(
        f"new-{number:02}", merchant_id, "viewer", "new'", "hub_v_1234", 1, NOW, LATER, None
    )


def scope_of(number: int) -> Scope:
    """Who writes: an actor of its own for each, whose address and agent are told apart too."""
    role = ROLES[number // 8 % 4]
    return Scope(
        MERCHANTS[number % 8],
        f"actor-{number:02}",
        role,
        f"192.0.2.{number}",
        None if number % 5 == 0 else f"agent/{number} 'ü' \"",
    )


def state(key: ApiKey, **changes: Any) -> dict[str, Any]:
    """A key as the audit shows it: all but its hash."""
    shown: dict[str, Any] = msgspec.to_builtins(key)
    return shown | {"connected": False, "bootstrap": False} | changes


class Audited(NamedTuple):
    """One row of the audit, without its own id and time."""

    merchant_id: str | None
    actor_id: str | None
    actor_role: str
    address: str | None
    agent: str | None
    action: str
    target_type: str
    target_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def write(number: int) -> Work:
    """A write that makes, revokes or removes a key of its merchant, and records an event."""
    merchant_id = MERCHANTS[number % 8]

    async def work(scope: WriteScope) -> str:
        match KINDS[number % 3]:
            case "CREATE":
                made = new_key(number, merchant_id)
                await keys.insert(scope.tx, made, digest(made.id))
            case "UPDATE":
                assert await keys.revoke(scope.tx, old_key(number).id, LATER)
            case _:
                deleted = await scope.tx.execute(
                    "DELETE FROM api_keys WHERE merchant_id = ? AND id = ?",
                    (merchant_id, old_key(number).id),
                )
                assert deleted == 1
        scope.record(Origin(merchant_id, f"test:{number}"), "custom_done", {"n": number})
        return f"done {number}"

    return work


def audited(number: int) -> Audited:
    """What the audit has to say about `write(number)`."""
    scope, old = scope_of(number), old_key(number)
    kind = KINDS[number % 3]
    before, after = state(old), state(old, revoked_at=LATER, version=2)
    if kind == "CREATE":
        made = new_key(number, MERCHANTS[number % 8])
        before, after = None, state(made)  # type: ignore[assignment]
    return Audited(
        scope.merchant_id, scope.actor_id, scope.actor_role, scope.address, scope.agent, kind,
        "key", f"new-{number:02}" if kind == "CREATE" else old.id, before,
        None if kind == "DELETE" else after,
    )  # fmt: skip


async def audit(database: Database) -> list[Audited]:
    """The audit of what an actor did, in order, as it stands in the table."""
    rows = await database.read(
        lambda tx: tx.fetch(
            "SELECT merchant_id, actor_id, actor_role, ip_address, user_agent, action,"
            " target_type, target_id, before_state, after_state, id FROM audit_logs"
            " WHERE actor_id IS NOT NULL ORDER BY id"
        ),
        HUB,
    )
    assert len({row[10] for row in rows}) == len(rows)
    return [Audited(*row[:8], *(text and json.loads(text) for text in row[8:10])) for row in rows]


async def refused_by_a_constraint(scope: WriteScope) -> str:
    await write(10)(scope)
    made = new_key(98, MERCHANTS[10 % 8])
    await keys.insert(scope.tx, msgspec.structs.replace(made, name=""), digest("98"))
    return "never"


async def refused_by_itself(scope: WriteScope) -> str:
    await write(27)(scope)
    scope.record(Origin("m3", "test:27"), "custom_never", {})
    raise LookupError("mine")


async def of_another_merchant(scope: WriteScope) -> str:
    await write(41)(scope)
    await keys.insert(scope.tx, new_key(99, "m7"), digest("99"))
    return "never"


INVALID: dict[int, tuple[Work, type[Exception]]] = {
    10: (refused_by_a_constraint, Conflict),
    27: (refused_by_itself, LookupError),
    41: (of_another_merchant, Sealed),
}


@pytest.fixture
async def filled(database: Database) -> Database:
    """Eight merchants with eight keys each."""

    async def work(tx: Transaction) -> None:
        for id_ in MERCHANTS:
            await merchants.insert(tx, id_, "name", NOW, uuid7)
        for number in range(WRITES):
            key = old_key(number)
            await keys.insert(tx, key, digest(key.id))

    await database.write(work, HUB)
    return database


async def together(
    faulty: FaultyDatabase, log: EventLog, works: list[tuple[Work, Scope]]
) -> list[Committed[str] | BaseException]:
    """Commit all of these in one group, between two events; what became of each."""
    opened = faulty.writes
    faulty.writing.clear()
    before = publish(log, [draft("before")])
    await until(lambda: faulty.writes == opened + 1)
    committing = [asyncio.ensure_future(log.commit(work, scope)) for work, scope in works]
    await until(lambda: log.waiting.events == len(works))
    after = publish(log, [draft("after")])
    assert faulty.writes == opened + 1, "they wait for the one that is being written"
    faulty.writing.set()
    outcomes = await asyncio.gather(*committing, return_exceptions=True)
    [first], [last] = offsets(await before), offsets(await after)
    assert first is not None
    assert last is not None
    kept = sum(isinstance(outcome, Committed) for outcome in outcomes)
    assert first < last <= first + kept + 1, "and the event behind them is of the same group"
    assert faulty.writes == opened + 2, "one group"
    return outcomes


async def test_of_64_writes_of_8_merchants_3_are_refused_alone(
    filled: Database, raw_sql: None
) -> None:
    faulty = FaultyDatabase(filled)
    async with running_log(faulty) as log:
        heard: list[int] = []
        log.listener = lambda entries: heard.extend(entry.offset for entry in entries)
        works = [
            (INVALID[number][0] if number in INVALID else write(number), scope_of(number))
            for number in range(WRITES)
        ]
        outcomes = await together(faulty, log, works)
        for number, outcome in enumerate(outcomes):
            if number in INVALID:
                assert type(outcome) is INVALID[number][1], (number, outcome)
            else:
                assert isinstance(outcome, Committed), (number, outcome)
                assert outcome.result == f"done {number}"
        assert str(outcomes[27]) == "mine"
        assert log.end == 63
        assert heard == list(range(1, 64))
        good = [number for number in range(WRITES) if number not in INVALID]
        assert len(good) == 61
    events = await stored(filled)
    assert [offset for offset, _ in events] == list(range(1, 64)), "no holes"
    assert events[0][1]["id"] == "before"
    written = [frame for _, frame in events if frame["id"] not in ("before", "after")]
    assert [(frame["merchant_id"], frame["source"], frame["data"]) for frame in written] == [
        (MERCHANTS[number % 8], f"test:{number}", {"n": number}) for number in good
    ]
    assert await audit(filled) == [audited(number) for number in good]
    left = await filled.read(lambda tx: keys.page(tx, "", 1000), HUB)
    revoked = {key.id: key.revoked_at for key in left}
    expected = {f"old-{number:02}": None for number in range(WRITES)}
    for number in good:
        match KINDS[number % 3]:
            case "CREATE":
                expected[f"new-{number:02}"] = None
            case "UPDATE":
                expected[f"old-{number:02}"] = LATER  # type: ignore[assignment]
            case _:
                del expected[f"old-{number:02}"]
    assert revoked == expected


async def test_a_write_sees_its_own_merchant_alone_whoever_was_before_it(
    filled: Database,
) -> None:
    """In one transaction, one after the other, and after a refusal as well."""

    def look(number: int) -> Work:
        async def work(scope: WriteScope) -> str:
            found = await keys.page(scope.tx, "", 1000)
            with pytest.raises(NotFound):
                await keys.get(scope.tx, old_key(number + 1).id)
            with pytest.raises(NotFound):
                await merchants.get(scope.tx, MERCHANTS[(number + 1) % 8])
            assert not await keys.revoke(scope.tx, old_key(number + 1).id, LATER)
            if number % 3 == 2:
                raise LookupError(f"{number}")
            return ",".join(sorted({key.merchant_id or "" for key in found})) + f" {len(found)}"

        return work

    faulty = FaultyDatabase(filled)
    async with running_log(faulty) as log:
        opened = faulty.writes
        faulty.writing.clear()
        holding = publish(log, [draft()])
        await until(lambda: faulty.writes == opened + 1)
        looking = [asyncio.ensure_future(log.commit(look(n), scope_of(n))) for n in range(32)]
        everything = asyncio.ensure_future(log.commit(page_size, HUB))
        await until(lambda: log.waiting.events == 33)
        faulty.writing.set()
        outcomes = await asyncio.gather(*looking, return_exceptions=True)
        assert (await everything).result == "64"
        await holding
        assert faulty.writes == opened + 2
    for number, outcome in enumerate(outcomes):
        if number % 3 == 2:
            assert isinstance(outcome, LookupError), outcome
        else:
            assert isinstance(outcome, Committed), outcome
            assert outcome.result == f"m{number % 8} 8"
    assert await audit(filled) == []


async def page_size(scope: WriteScope) -> str:
    return str(len(await keys.page(scope.tx, "", 1000)))


async def test_a_group_whose_every_write_fails_is_a_group_all_the_same(
    filled: Database, raw_sql: None
) -> None:
    faulty = FaultyDatabase(filled)
    async with running_log(faulty) as log:
        works = [INVALID[10], INVALID[27], INVALID[41]]
        scopes = [scope_of(10), scope_of(27), scope_of(41)]
        outcomes = await together(
            faulty, log, [(work, scope) for (work, _), scope in zip(works, scopes, strict=True)]
        )
        assert [type(outcome) for outcome in outcomes] == [error for _, error in works]
        assert all(isinstance(o, StorageError | LookupError) for o in outcomes)
    assert [frame["id"] for _, frame in await stored(filled)] == ["before", "after"]
    assert await audit(filled) == []
