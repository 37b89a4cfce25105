"""Who changed what: the same rows on both engines, written by the database, without a secret."""

# ruff: noqa: S608 - the names of tables cannot be parameters

import json
import re
from typing import Any

import pytest

from tests.storage.schema.engines import (
    LATER,
    NOW,
    REFUSED,
    PostgresSide,
    Side,
    SqliteSide,
    insert,
    uid,
)
from tests.storage.schema.rows import AUDITED, good, key_id, merchants, populate
from tests.storage.schema.test_versions import CHANGES

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
UNTOLD = {
    "api_keys": {"token_hash"},
    "webhooks": {
        "secret", "previous_secret", "previous_until", "failing_since", "last_success_at",
        "last_failure_at", "last_error", "heard_from",
    },
}  # fmt: skip
"""Secrets, and the hub's own notes about them and about calls."""
TOLD = (
    "SELECT merchant_id, actor_id, actor_role, action, target_type, target_id, before_state,"
    " after_state, ip_address, user_agent FROM audit_logs ORDER BY id"
)


async def told(side: Side) -> list[tuple[Any, ...]]:
    """All rows, their states decoded."""
    found = []
    for row in await side.rows(TOLD):
        before, after = (None if text is None else json.loads(text) for text in row[6:8])
        found.append((*row[:6], before, after, *row[8:]))
    return found


async def _life(side: Side) -> list[tuple[Any, ...]]:
    """What the audit tells of a row of each table that is added, changed and removed."""
    await merchants(side, "m1")
    await side.bind("m1")
    await populate(side, "m1")
    await side.bind("m1", ("key-2", "viewer", None, None))
    for table, change in CHANGES.items():
        await side.run(f"UPDATE {table} SET {change}, version = version + 1")
    for statement in (
        "UPDATE products SET category = 'é\"\\', is_active = FALSE, version = version + 1",
        "UPDATE message_templates SET buttons = '[{\"a\": [1, 2.5, null, true]}]',"
        " type = 'buttons', version = version + 1",
        f"UPDATE media_files SET expires_at = '{LATER}', width = 3, version = version + 1",
        f"UPDATE delivery_tasks SET distance_km = 0.1, completed_at = '{NOW}',"
        " version = version + 1",
        "UPDATE messages SET payload = '\"plain\"', version = version + 1",
    ):
        await side.run(statement)
    await side.bind("*", (None, "hub", None, None))
    for table in (
        "delivery_tasks",
        "payments",
        "orders",
        "webhook_logs",
        "webhooks",
        "product_media",
        "products",
        "media_files",
        "message_templates",
        "messages",
        "conversations",
        "jobs",
        "paused_queues",
        "recurring_jobs",
        "send_slots",
        "idempotency_keys",
        "browser_sessions",
        "api_keys",
        "merchants",
    ):
        await side.run(f"DELETE FROM {table}")
    return await told(side)


async def test_both_engines_tell_the_same(sqlite: SqliteSide, postgres: PostgresSide) -> None:
    here = await _life(sqlite)
    assert here == await _life(postgres)
    kinds = {(row[3], row[4]) for row in here}
    for target in AUDITED.values():
        assert {("CREATE", target), ("DELETE", target)} <= kinds
        assert (("UPDATE", target) in kinds) is (target not in ("template_version", "payment"))
    assert {row[4] for row in here} == set(AUDITED.values()), "and nothing of any other table"
    added = next(row for row in here if row[3:5] == ("CREATE", "product"))
    assert added[:3] == ("m1", "key-1", "merchant")
    assert added[8:] == ("10.0.0.1", "curl/8")
    assert added[6] is None
    assert added[7] == {
        **good("products"),
        "description": "",
        "category": None,
        "stock": 0,
        "is_active": True,
        "version": 1,
    }
    changed = [row for row in here if row[3:5] == ("UPDATE", "product")]
    assert changed[0][1:3] == ("key-2", "viewer")
    assert changed[1][6]["is_active"] is True
    assert changed[1][7]["is_active"] is False
    removed = next(row for row in here if row[3:5] == ("DELETE", "product"))
    assert removed[1:3] == (None, "hub")
    assert (removed[6], removed[7]) == (changed[1][7], None)


@pytest.mark.parametrize("table", AUDITED)
async def test_a_state_is_the_whole_row_without_secrets(side: Side, table: str) -> None:
    await merchants(side, "m1")
    await populate(side, "m1")
    columns = set((await side.columns())[table]) - UNTOLD.get(table, set())
    states = [row[7] for row in await told(side) if row[4] == AUDITED[table]]
    assert [set(state) for state in states] == [columns]


async def test_no_secret_is_told(side: Side) -> None:
    rows = json.dumps(await _life(side))
    assert "whsec_hidden" not in rows
    assert good("api_keys")["token_hash"] not in rows
    assert good("browser_sessions")["token_hash"] not in rows


@pytest.mark.parametrize("table", CHANGES)
async def test_a_change_of_nothing_is_not_told(side: Side, table: str) -> None:
    await merchants(side, "m1")
    await populate(side, "m1")
    before = await told(side)
    await side.run(f"UPDATE {table} SET version = version")
    assert await told(side) == before


async def test_a_secret_that_changes_is_told_without_it(side: Side) -> None:
    await merchants(side, "m1")
    await populate(side, "m1")
    await side.run("UPDATE webhooks SET secret = 'whsec_2', version = 2")
    *_, last = await told(side)
    assert last[3:6] == ("UPDATE", "webhook", uid(1))
    assert {**last[6], "version": 2} == last[7]


async def test_ids_are_uuids_in_the_order_of_writing(side: Side) -> None:
    await merchants(side, "m1")
    for number in range(1, 301):
        await insert(side, "products", good("products", "m1", number))
    rows = await side.rows("SELECT id, target_id, created_at FROM audit_logs ORDER BY id")
    assert [target for _, target, _ in rows] == ["m1", *(uid(n) for n in range(1, 301))]
    assert all(_UUID7.fullmatch(id_) for id_, _, _ in rows)
    assert len({id_[19:] for id_, _, _ in rows}) == len(rows), "the rest is random"
    assert [created for _, _, created in rows] == sorted(created for _, _, created in rows)


async def test_one_statement_tells_each_of_its_rows(side: Side) -> None:
    """More rows than the counter of a millisecond has numbers."""
    await merchants(side, "m1")
    source = (
        "SELECT value AS n FROM json_each(?)"
        if side.name == "sqlite"
        else "SELECT value::bigint AS n FROM jsonb_array_elements_text(?) AS value"
    )
    pad = "printf('%036d', n)" if side.name == "sqlite" else "lpad(n::text, 36, '0')"
    await side.run(
        "INSERT INTO products (id, merchant_id, name, price, currency, created_at, updated_at)"
        f" SELECT {pad}, 'm1', 'Tea', 1, 'USD', '{NOW}', '{NOW}' FROM ({source}) AS n ORDER BY n",
        json.dumps(list(range(5000))),
    )
    rows = await side.rows("SELECT target_id FROM audit_logs WHERE action = 'CREATE' ORDER BY id")
    assert [int(target) for (target,) in rows[1:]] == list(range(5000))


async def test_what_is_refused_is_not_told(side: Side) -> None:
    await merchants(side, "m1")
    before = await told(side)
    with pytest.raises(REFUSED):
        await insert(side, "products", {**good("products"), "price": -1})
    assert await told(side) == before


async def test_an_admins_key_is_told_to_admins_alone(side: Side) -> None:
    await merchants(side, "m1")
    key = {**good("api_keys"), "merchant_id": None, "role": "admin"}
    await insert(side, "api_keys", key)
    *_, last = await told(side)
    assert last[0] == "*"
    assert last[5] == key_id("m1")
    if isinstance(side, PostgresSide):
        await side.bind("m1")
        assert {row[0] for row in await told(side)} == {"m1"}


async def test_actors_are_of_a_known_role(side: Side) -> None:
    await merchants(side, "m1")

    # SQLite refuses to bind it, Postgres to write for it.
    async def act() -> None:
        await side.bind("m1", ("k", "root", None, None))
        await insert(side, "products", good("products"))

    with pytest.raises(REFUSED):
        await act()
