"""A good row of every table that a merchant has rows in, for any merchant."""

from typing import Any, get_args

from storage.merchant_records import Queue
from tests.storage.schema.engines import NOW, Side, insert, uid

_TIMES = {"created_at": NOW, "updated_at": NOW}
HASH = "ab" * 32


def key_id(merchant: str, number: int = 1) -> str:
    """The id of a merchant's key: on SQLite no two keys share one, whosever they are."""
    return uid(sum(merchant.encode()) * 1000 + number)


def good(table: str, merchant: str = "m1", number: int = 1) -> dict[str, Any]:
    """A row; `number` makes its id, and whatever else is unique, another one."""
    key = {"id": uid(number), "merchant_id": merchant}
    content = {"name": f"hello_{number}", "type": "text", "body": "Hello {{name}}"}
    rows: dict[str, dict[str, Any]] = {
        "merchants": {"id": merchant, "name": "Shop", **_TIMES},
        "api_keys": {
            "id": key_id(merchant, number), "merchant_id": merchant, "role": "bot",
            "name": "till", "prefix": "hub_ab",
            "token_hash": f"{merchant}-{number}".ljust(64, "0"), "created_at": NOW,
        },
        "browser_sessions": {
            "token_hash": f"b-{merchant}-{number}".ljust(64, "0"),
            "key_id": key_id(merchant, number),
            "merchant_id": merchant, "created_at": NOW, "expires_at": NOW,
        },
        "message_templates": {**key, **content, "variables": '["name"]', **_TIMES},
        "template_versions": {
            **key, "template_id": uid(1), "version": number, **content, "status": "draft",
            "changed_at": NOW,
        },
        "media_files": {
            **key, "hash": f"{number:064x}", "original_name": "a.png", "file_name": "a.webp",
            "mime_type": "image/png", "size": 10, "metadata": '{"a":[1,true]}', **_TIMES,
        },
        "products": {**key, "name": "Tea", "price": 250, "currency": "USD", **_TIMES},
        "product_media": {
            **key, "product_id": uid(1), "media_id": uid(number), "sequence": number, **_TIMES,
        },
        "orders": {
            **key, "customer_phone": "+263771", "items": '[{"quantity":1}]', "total": 250,
            "currency": "USD", **_TIMES,
        },
        "payments": {
            **key, "order_id": uid(1), "amount": 250, "currency": "USD", "method": "cash",
            "transaction_id": f"t{number}", "created_at": NOW,
        },
        "delivery_tasks": {**key, "order_id": uid(1), "pickup_lat": 1.5, **_TIMES},
        "messages": {
            **key, "direction": "outbound", "phone": "+263771", "status": "queued",
            "payload": '{"text":"hi"}', "provider_id": f"wamid.{number}", **_TIMES,
        },
        "conversations": {
            "merchant_id": merchant, "phone": f"+26377{number}", "last_message_id": uid(number),
            "messages": 1,
        },
        "webhooks": {
            **key, "event_types": '["order_*"]', "url": "https://example.com/hook",
            "secret": "whsec_hidden", **_TIMES,
        },
        "webhook_logs": {
            **key, "webhook_id": uid(1), "delivery_id": f"d{number}", "event_id": "e", "attempt": 1,
            "payload": "{}", **_TIMES,
        },
        "jobs": {**key, "queue": "message_sending", "name": "send", "run_at": NOW, **_TIMES},
        "job_attempts": {
            "merchant_id": merchant, "job_id": uid(1), "attempt": number, "outcome": "lost",
            "error": "its worker died", "ended_at": NOW,
        },
        "job_inputs": {"merchant_id": merchant, "job_id": uid(number), "input": '[{"to":"1"}]'},
        "paused_queues": {
            "merchant_id": merchant, "queue": get_args(Queue)[number % 4], "paused_at": NOW,
        },
        "recurring_jobs": {
            **key, "name": f"Weekly {number}", "queue": "message_sending", "task": "bulk",
            "schedule": "0 9 * * 1", **_TIMES,
        },
        "send_slots": {"merchant_id": merchant, "phone": f"26377{number}", "free_at": NOW},
        "idempotency_keys": {
            "merchant_id": merchant, "method": "orders.create", "key": f"k{number}",
            "request_hash": HASH, "created_at": NOW, "expires_at": NOW,
        },
    }  # fmt: skip
    return rows[table]


# In an order in which each finds what it refers to.
TENANT = (
    "api_keys", "browser_sessions", "message_templates", "template_versions", "media_files",
    "products", "product_media", "orders", "payments", "delivery_tasks", "messages",
    "conversations", "webhooks", "webhook_logs", "jobs", "job_attempts", "job_inputs",
    "paused_queues", "recurring_jobs", "send_slots", "idempotency_keys",
)  # fmt: skip
AUDITED = {
    "merchants": "merchant", "api_keys": "key", "message_templates": "template",
    "template_versions": "template_version", "media_files": "media", "products": "product",
    "product_media": "product_media", "orders": "order", "payments": "payment",
    "delivery_tasks": "delivery_task", "messages": "message", "webhooks": "webhook",
    "recurring_jobs": "recurring_job",
}  # fmt: skip


async def merchants(side: Side, *ids: str) -> None:
    """Merchants without rows; every merchant stays bound."""
    await side.bind("*")
    for id_ in ids:
        await insert(side, "merchants", good("merchants", id_))


async def populate(side: Side, merchant: str) -> None:
    """One row of each table for a merchant that exists."""
    for table in TENANT:
        await insert(side, table, good(table, merchant))
