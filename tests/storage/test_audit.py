"""The audit as it is read: whose rows, which of them, and page by page."""

from collections.abc import Sequence
from typing import Any

import pytest

from hub.protocol.ids import Uuid7Source, uuid7
from hub.protocol.times import parse_ms
from storage import audit, keys, merchants
from storage.audit import AuditFilter
from storage.database import Database, Transaction
from storage.records import ApiKey, AuditRow
from storage.scope import HUB, Scope
from tests.storage.support import NOW

ALL = AuditFilter()
ONE, TWO = uuid7(), uuid7()


def digest(text: str) -> str:
    return (text * 2).replace("-", "")[-64:].rjust(64, "0")


@pytest.fixture
async def sealed(database: Database) -> Database:
    """Two merchants; what was written down about them is not what a test is about."""

    async def work(tx: Transaction) -> None:
        await merchants.insert(tx, ONE, "one", NOW, Uuid7Source())
        await merchants.insert(tx, TWO, "two", NOW, Uuid7Source())

    await database.write(work, HUB)
    return database


async def add(
    database: Database, scope: Scope, *names: str, merchant_id: str | None = None, role: str = "bot"
) -> list[str]:
    """Keys of the scope's merchant, each in a transaction of its own; their ids."""
    made = []
    for name in names:
        owner = None if role == "admin" else merchant_id or scope.merchant_id
        key = ApiKey(uuid7(), owner, role, name, "hub_b_1234", 1, NOW, None, None)

        async def work(tx: Transaction, key: ApiKey = key) -> None:
            await keys.insert(tx, key, digest(key.id))

        await database.write(work, scope)
        made.append(key.id)
    return made


async def page(
    database: Database, scope: Scope, wanted: AuditFilter = ALL, before: str = "",
    limit: int = 100, characters: int = 1_000_000,
) -> list[AuditRow]:  # fmt: skip
    return await database.read(
        lambda tx: audit.page(tx, wanted, before, limit, characters=characters), scope
    )


def targets(rows: Sequence[AuditRow]) -> list[str]:
    return [row.target_id for row in rows]


KEYS = AuditFilter(target_type="key")


async def test_who_and_what_newest_first(sealed: Database) -> None:
    [anna] = await add(sealed, HUB, "anna", merchant_id=ONE, role="merchant")
    by_anna = Scope(ONE, anna, "merchant", "10.0.0.4", "browser/1")
    first, second = await add(sealed, by_anna, "first", "second")
    rows = await page(sealed, Scope(ONE), KEYS)
    assert targets(rows) == [second, first, anna]
    newest = rows[0]
    assert (newest.actor_id, newest.actor_role, newest.actor_name) == (anna, "merchant", "anna")
    assert (newest.ip_address, newest.user_agent) == ("10.0.0.4", "browser/1")
    assert (newest.merchant_id, newest.action) == (ONE, "CREATE")
    assert newest.before_state is None
    assert '"second"' in (newest.after_state or "")
    assert (rows[2].actor_id, rows[2].actor_role, rows[2].actor_name) == (None, "hub", None)
    assert rows[2].ip_address is None


async def test_a_merchant_sees_its_own_and_no_admins_name(sealed: Database) -> None:
    [root] = await add(sealed, HUB, "root", role="admin")
    by_root = Scope(None, root, "admin")
    [ours] = await add(sealed, by_root, "ours", merchant_id=ONE)
    [theirs] = await add(sealed, by_root, "theirs", merchant_id=TWO)
    assert targets(await page(sealed, Scope(ONE), KEYS)) == [ours]
    assert targets(await page(sealed, Scope(TWO), KEYS)) == [theirs]
    assert targets(await page(sealed, HUB, KEYS)) == [theirs, ours, root]
    [row] = await page(sealed, Scope(ONE), KEYS)
    assert (row.actor_id, row.actor_role, row.actor_name) == (root, "admin", None)
    assert [row.actor_name for row in await page(sealed, HUB, KEYS)] == ["root", "root", None]
    # Asking for what is another's finds nothing, whatever is asked.
    for wanted in (AuditFilter(target_id=theirs), AuditFilter(actor_id=theirs)):
        assert await page(sealed, Scope(ONE), wanted) == []


async def test_filters_and_all_of_them_together(sealed: Database) -> None:
    [anna, bella] = await add(sealed, HUB, "anna", "bella", merchant_id=ONE, role="merchant")
    [by_anna] = await add(sealed, Scope(ONE, anna, "merchant"), "a")
    [by_bella] = await add(sealed, Scope(ONE, bella, "merchant"), "b")
    await sealed.write(lambda tx: keys.revoke(tx, by_bella, NOW), Scope(ONE, anna, "merchant"))

    async def found(**wanted: Any) -> list[tuple[str, str]]:
        rows = await page(sealed, Scope(ONE), AuditFilter(**wanted))
        return [(row.action, row.target_id) for row in rows]

    assert await found(actor_id=anna) == [("UPDATE", by_bella), ("CREATE", by_anna)]
    assert await found(actor_id=bella) == [("CREATE", by_bella)]
    assert await found(action="UPDATE") == [("UPDATE", by_bella)]
    assert await found(action="DELETE") == []
    assert await found(target_id=by_bella) == [("UPDATE", by_bella), ("CREATE", by_bella)]
    assert await found(target_type="none") == []
    everything = {
        "actor_id": anna, "action": "UPDATE", "target_type": "key", "target_id": by_bella,
    }  # fmt: skip
    assert await found(**everything) == [("UPDATE", by_bella)]
    assert await found(**everything | {"action": "CREATE"}) == []


async def test_times_include_the_first_and_exclude_the_last(sealed: Database) -> None:
    await add(sealed, Scope(ONE), *(f"key {n}" for n in range(20)))
    rows = await page(sealed, Scope(ONE), KEYS)
    times = [parse_ms(row.created_at) for row in rows]
    assert times == sorted(times, reverse=True)
    for bound in {times[0], times[7], times[19]}:
        later = await page(sealed, Scope(ONE), AuditFilter(target_type="key", since_ms=bound))
        assert later == [row for row, ms in zip(rows, times, strict=True) if ms >= bound]
        earlier = await page(sealed, Scope(ONE), AuditFilter(target_type="key", until_ms=bound))
        assert earlier == [row for row, ms in zip(rows, times, strict=True) if ms < bound]
    nothing = AuditFilter(since_ms=times[0] + 1)
    assert await page(sealed, Scope(ONE), nothing) == []
    for far in (-(10**15), 10**17):
        assert await page(sealed, Scope(ONE), AuditFilter(since_ms=far, until_ms=far)) == []


async def test_pages_have_no_hole_while_rows_are_written(sealed: Database) -> None:
    ids = await add(sealed, Scope(ONE), *(f"key {n}" for n in range(23)))
    seen: list[str] = []
    before = ""
    while rows := await page(sealed, Scope(ONE), KEYS, before, limit=5):
        seen += targets(rows)
        before = rows[-1].id
        await add(sealed, Scope(ONE), "between")
        await add(sealed, Scope(TWO), "theirs")
    assert seen == ids[::-1]


async def test_a_transaction_of_many_rows_is_in_its_order(sealed: Database) -> None:
    made = [ApiKey(uuid7(), ONE, "bot", f"k{n}", "hub_b", 1, NOW, None, None) for n in range(50)]

    async def work(tx: Transaction) -> None:
        for key in made:
            await keys.insert(tx, key, digest(key.id))

    await sealed.write(work, Scope(ONE))
    rows = await page(sealed, Scope(ONE), KEYS)
    assert targets(rows) == [key.id for key in reversed(made)]


async def test_a_page_ends_early_where_rows_are_large(sealed: Database) -> None:
    await add(sealed, Scope(ONE), *(f"{n} {'x' * 100}" for n in range(10)))
    rows = await page(sealed, Scope(ONE), KEYS)
    size = len(rows[0].after_state or "")
    assert len(await page(sealed, Scope(ONE), KEYS, characters=1)) == 1
    assert len(await page(sealed, Scope(ONE), KEYS, characters=3 * size)) == 3
    assert await page(sealed, Scope(ONE), KEYS, characters=10**6) == rows
    # The one that stopped early has left nothing open.
    await add(sealed, Scope(ONE), "after")
