"""Each change adds one to the version; what a row is and whose it is never changes."""

# ruff: noqa: S608 - the names of tables cannot be parameters

import pytest

from tests.storage.schema.engines import LATER, REFUSED, Side
from tests.storage.schema.rows import TENANT, merchants, populate

# A change of each versioned table that is no bookkeeping.
CHANGES = {
    "merchants": "name = 'Other'", "api_keys": "name = 'other'", "message_templates": "body = 'B'",
    "media_files": "status = 'ready'", "products": "price = 1", "product_media": "sequence = 7",
    "orders": "status = 'confirmed'", "delivery_tasks": "status = 'accepted'",
    "messages": "status = 'sent'", "webhooks": "is_active = FALSE",
    "webhook_logs": "status = 'success'", "jobs": "state = 'running'",
    "recurring_jobs": "is_active = FALSE",
}  # fmt: skip


async def update(side: Side, table: str, change: str) -> int:
    """Change every row of a table."""
    return await side.run(f"UPDATE {table} SET {change}")


async def test_every_table_with_a_version_is_tested(side: Side) -> None:
    found = {table for table, columns in (await side.columns()).items() if "version" in columns}
    assert found - {"template_versions"} == set(CHANGES)


@pytest.mark.parametrize("table", CHANGES)
async def test_a_change_adds_one_to_the_version(side: Side, table: str) -> None:
    await merchants(side, "m1")
    await populate(side, "m1")
    await side.bind("m1")
    change = CHANGES[table]
    for step in ("", ", version = version", ", version = version + 2", ", version = version - 1",
                 ", version = NULL"):  # fmt: skip
        with pytest.raises(REFUSED):
            await update(side, table, change + step)
    assert await update(side, table, "version = version") == 1, "nothing changes"
    assert await update(side, table, change + ", version = version + 1") == 1
    assert await side.rows(f"SELECT version FROM {table}") == [(2,)]


@pytest.mark.parametrize("table", CHANGES)
async def test_id_merchant_and_beginning_never_change(side: Side, table: str) -> None:
    await merchants(side, "m1", "m2")
    await populate(side, "m1")
    await side.bind("*")
    changes = [f"created_at = '{LATER}'", "id = id || 'x'"]
    if table != "merchants":
        changes.append("merchant_id = 'm2'")
    for change in changes:
        with pytest.raises(REFUSED, match="pinned"):
            await side.run(f"UPDATE {table} SET {change}, version = version + 1")
    await update(side, table, CHANGES[table] + ", version = version + 1")


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("conversations", "merchant_id = 'm2'"),
        ("conversations", "phone = phone || '1'"),
        ("messages", "phone = phone || '1', version = version + 1"),
        ("template_versions", "body = 'B'"),
        ("payments", "amount = 1"),
        ("idempotency_keys", "request_hash = key"),
        ("idempotency_keys", "merchant_id = 'm2'"),
        ("browser_sessions", "merchant_id = 'm2'"),
        ("audit_logs", "actor_id = 'x'"),
    ],
)
async def test_what_is_written_once_stays(side: Side, table: str, change: str) -> None:
    await merchants(side, "m1", "m2")
    await populate(side, "m1")
    await side.bind("*")
    with pytest.raises(REFUSED):
        await update(side, table, change)


async def test_an_answer_may_come_later(side: Side) -> None:
    await merchants(side, "m1")
    await populate(side, "m1")
    await side.bind("m1")
    await update(side, "idempotency_keys", "response = '{\"a\": 1}'")


async def test_bookkeeping_is_no_change(side: Side) -> None:
    """A bot's presence, the templates made, a webhook's last call: no version, no audit."""
    await merchants(side, "m1")
    await populate(side, "m1")
    await side.bind("*")
    [(before,)] = await side.rows("SELECT COUNT(*) FROM audit_logs")
    for table, change in [
        ("api_keys", "connected = TRUE"),
        ("merchants", f"seeded_at = '{LATER}'"),
        ("webhooks", f"retry_count = 1, last_triggered_at = '{LATER}'"),
    ]:
        assert await update(side, table, change) == 1
        assert await side.rows(f"SELECT version FROM {table}") == [(1,)]
        for other in ("version = version + 2", "version = 0"):
            with pytest.raises(REFUSED):
                await update(side, table, other)
    assert await side.rows("SELECT COUNT(*) FROM audit_logs") == [(before,)]


async def test_every_tenants_table_is_pinned(side: Side) -> None:
    """Even where every merchant is bound, no row goes from one merchant to another."""
    await merchants(side, "m1", "m2")
    await populate(side, "m1")
    await side.bind("*")
    for table in TENANT:
        with pytest.raises(REFUSED):
            await update(side, table, "merchant_id = 'm2'")
