"""A database with rows in every table, and all that stands in a database, to compare two."""

import json
from typing import Any

from storage import events, instances, work
from storage.database import Database, Transaction, Value
from storage.scope import HUB, Scope
from storage.work import Worker

NOW = "2026-11-22T10:00:00.123Z"
LATER = "2027-01-01T00:00:00.000Z"
NEW_EPOCH = ("epoch", "fingerprint")
RETIRED = 2
"""How many of the events were removed; their ids stay known."""


def _id(number: int) -> str:
    return f"01931b2c-0000-7000-8000-{number:012x}"


async def fill(database: Database, merchant: str = "shop", *, stored: int = 5) -> None:
    """Put rows into every table, as the hub would: sealed, audited, with what is optional too.

    Args:
        merchant: its id.
        stored: events that are stored in the end.
    """

    async def log(tx: Transaction) -> None:
        await events.ensure_log(tx, f"of-{merchant}", await identity(tx))
        await tx.execute(
            "INSERT INTO merchants (id, name, created_at, updated_at, seeded_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (merchant, "Tuck shop — №1 'quoted'", NOW, NOW, None),
        )
        head, ms, _ = await events.advance_head(tx, stored + RETIRED, 1000)
        rows = [
            (n, merchant, f"e-{n}", "custom_tick", None if n % 2 else "chat/1", ms,
             json.dumps({"id": f"e-{n}", "offset": n, "text": "grüße \u0000 \U0001f600"}))
            for n in range(head - stored - RETIRED + 1, head + 1)
        ]  # fmt: skip
        await events.insert_events(tx, rows)
        await events.retire(tx, 1001, RETIRED)

    async def identity(tx: Transaction) -> str | None:
        return known

    async def rows(tx: Transaction) -> None:
        for table, row in _rows(merchant).items():
            for values in row:
                await _insert(tx, table, values)
        await tx.execute(
            "UPDATE products SET price = 250, version = 2, updated_at = ?"
            " WHERE merchant_id = ? AND id = ?",
            (LATER, merchant, _id(4)),
        )
        await tx.execute("DELETE FROM orders WHERE merchant_id = ? AND id = ?", (merchant, _id(99)))

    async def moment(tx: Transaction) -> None:
        await _insert(
            tx, "browser_sessions",
            {"token_hash": "c" * 64, "key_id": _id(1), "created_at": NOW, "expires_at": LATER,
             "merchant_id": merchant},
        )  # fmt: skip
        await instances.beat(tx, "some-hub", NOW)
        await instances.connect_bot(tx, _id(1), "some-hub")
        worker = Worker("w-1", "some-hub", "worker", ["message_sending"], "here", 7, NOW, NOW)
        await work.enter(tx, worker)
        await work.move_cursor(tx, "webhooks", None, 3, NOW)

    known = await database.identity()
    await database.write(log, HUB)
    await database.write(rows, Scope(merchant, _id(1), "bot", "203.0.113.9", "till/1.0"))
    await database.write(moment, HUB)


async def _insert(tx: Transaction, table: str, values: dict[str, Value]) -> None:
    marks = ", ".join("?" * len(values))
    await tx.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",  # noqa: S608
        list(values.values()),
    )


def _rows(merchant: str) -> dict[str, list[dict[str, Value]]]:
    of: dict[str, Value] = {"merchant_id": merchant}
    stamps: dict[str, Value] = {"created_at": NOW, "updated_at": NOW}
    order: dict[str, Value] = {
        "customer_phone": "+263771234567", "items": '[{"name": "bread", "price": 100}]',
        "total": 100, "currency": "USD", **of, **stamps,
    }  # fmt: skip
    job: dict[str, Value] = {
        "queue": "order_processing",
        "name": "confirm",
        "run_at": NOW,
        **of,
        **stamps,
    }
    template: dict[str, Value] = {
        "name": "welcome", "type": "buttons", "body": "hi {{name}}", "variables": '["name"]',
        "buttons": '[{"id": "a", "label": "A", "callback_data": "x"}]', **of,
    }  # fmt: skip
    return {
        "api_keys": [
            {"id": _id(1), "role": "bot", "name": "till", "prefix": "hub_b_aa", "created_at": NOW,
             "token_hash": (merchant.encode().hex() + "a" * 64)[:64], "expires_at": LATER, **of},
        ],
        "message_templates": [
            {"id": _id(2), "example_payload": '{"name": "Jo"}', **template, **stamps}
        ],
        "template_versions": [
            {"id": _id(3), "template_id": _id(2), "version": 1, "status": "draft",
             "changed_at": NOW, **template}
        ],
        "media_files": [
            {"id": _id(5), "hash": "b" * 64, "original_name": "ü.png", "file_name": "b.png",
             "mime_type": "image/png", "size": 5242880, "metadata": '{"a": [1, 2.5, null, "x"]}',
             **of, **stamps}
        ],
        "products": [
            {"id": _id(4), "name": "bread", "price": 2**53 + 1, "currency": "USD",
             "is_active": False, **of, **stamps}
        ],
        "product_media": [
            {"id": _id(6), "product_id": _id(4), "media_id": _id(5), "sequence": 0,
             "is_primary": True, **of, **stamps}
        ],
        "orders": [{"id": _id(7), **order}, {"id": _id(99), "notes": "", **order}],
        "payments": [
            {"id": _id(15), "order_id": _id(7), "amount": 60, "currency": "USD",
             "method": "EcoCash", "transaction_id": "MP-1", "created_by": _id(1),
             "created_at": NOW, **of}
        ],
        "delivery_tasks": [
            {"id": _id(8), "order_id": _id(7), "pickup_lat": -17.829222222222223,
             "pickup_lng": 31.0, "distance_km": 0.1, **of, **stamps}
        ],
        "messages": [
            {"id": _id(9), "direction": "inbound", "phone": "+1", "status": "received",
             "text": "line\nline", "payload": '"a string"', **of, **stamps}
        ],
        "conversations": [
            {"phone": "+1", "last_message_id": _id(9), "messages": 1, **of}
        ],
        "webhooks": [
            {"id": _id(10), "event_types": '["order_*"]', "url": "https://example.com/h",
             "secret": "whsec_x", "last_triggered_at": LATER, **of, **stamps}
        ],
        "webhook_logs": [
            {"id": _id(11), "webhook_id": _id(10), "delivery_id": "d-1", "event_id": "e-1",
             "attempt": 1, "payload": "{}", "next_retry_at": LATER, **of, **stamps}
        ],
        # Of a parent and its children the names are in no order.
        "jobs": [
            {"id": "m", **job},
            {"id": "z", "parent_id": "m", **job},
            {"id": "a", "parent_id": "z", "result": '{"ok": true}', **job},
        ],
        "job_attempts": [
            {"job_id": "a", "attempt": 1, "outcome": "lost", "error": "its worker died",
             "traceback": "line\nline", "ended_at": NOW, **of}
        ],
        "job_inputs": [{"job_id": "m", "input": '[{"to": "+1", "variables": {"a": 1}}]', **of}],
        "paused_queues": [{"queue": "message_sending", "paused_at": NOW, **of}],
        "recurring_jobs": [
            {"id": _id(16), "name": "Monday", "queue": "message_sending", "task": "bulk",
             "schedule": "0 9 * * 1", "time_zone": "Africa/Harare", "next_run_at": LATER,
             **of, **stamps}
        ],
        "send_slots": [{"phone": "+1", "free_at": LATER, **of}],
        "idempotency_keys": [
            {"method": "orders.create", "key": "k", "request_hash": "d" * 64,
             "response": '{"n": 1}', "created_at": NOW, "expires_at": LATER, **of}
        ],
    }  # fmt: skip


Rows = list[dict[str, Any]]


async def everything(database: Database) -> dict[str, Rows]:
    """All rows of all tables that both engines have, in the order of their columns' texts.

    JSON is compared by its meaning: Postgres keeps it in a form of its own.
    """

    async def read(tx: Transaction) -> dict[str, Rows]:
        found: dict[str, Rows] = {}
        for table in sorted(await tx.tables()):
            if table in ("schema_migrations", "scope", "scope_secret") or table.startswith(
                "sqlite"
            ):
                continue
            names = await _columns(tx, database, table)
            rows = await tx.fetch(f"SELECT {', '.join(names)} FROM {table}")  # noqa: S608
            found[table] = sorted(
                (
                    {name: _meaning(name, value) for name, value in zip(names, row, strict=True)}
                    for row in rows
                ),
                key=lambda row: json.dumps(row, sort_keys=True),
            )
        return found

    return await database.maintain(read)


async def _columns(tx: Transaction, database: Database, table: str) -> list[str]:
    query = "SELECT name FROM pragma_table_info(?)"
    if database.engine == "postgres":
        query = (
            "SELECT column_name::text FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = ?"
        )
    return sorted(name for (name,) in await tx.fetch(query, (table,)))


def _meaning(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if name != "frame" and isinstance(value, str) and value[:1] in ("{", "[", '"'):
        return json.loads(value)
    return value
