"""One good record of every table, and a merchant that has them."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import Struct

from hub.protocol.ids import Uuid7Source
from storage import (
    deliveries,
    idempotency,
    jobs,
    media,
    merchants,
    messages,
    orders,
    payments,
    product_media,
    products,
    recurring,
    templates,
    webhook_logs,
    webhooks,
    work,
)
from storage.database import Database, Transaction
from storage.merchant_records import (
    Button,
    DeliveryTask,
    IdempotencyKey,
    Job,
    JobAttempt,
    MediaFile,
    Message,
    Order,
    OrderItem,
    Payment,
    Product,
    ProductMedia,
    RecurringJob,
    Template,
    Webhook,
    WebhookLog,
)
from storage.messages import NewMessage
from storage.scope import HUB, Scope

T = TypeVar("T")
NOW = "2026-11-22T10:00:00.000Z"
LATER = "2026-11-22T11:30:00.250Z"
OURS, THEIRS = Scope("m1", "k1", "merchant"), Scope("m2", "k2", "merchant")

new_id = Uuid7Source()


async def write(
    database: Database, work: Callable[[Transaction], Awaitable[T]], scope: Scope = OURS
) -> T:
    """One unit of work of a merchant."""
    return await database.write(work, scope)


async def read(
    database: Database, work: Callable[[Transaction], Awaitable[T]], scope: Scope = OURS
) -> T:
    """One look of a merchant."""
    return await database.read(work, scope)


async def add_merchants(database: Database) -> None:
    """The merchants `m1` and `m2`."""

    async def work(tx: Transaction) -> None:
        for id_ in ("m1", "m2"):
            await merchants.insert(tx, id_, "name", NOW, new_id)

    await database.write(work, HUB)


def _common(changes: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id(), "merchant_id": "m1", "created_at": NOW, "updated_at": NOW, **changes,
    }  # fmt: skip


def template(**changes: Any) -> Template:
    given = {"name": "hello", "type": "text", "body": "Hello {{name}}", "variables": ["name"]}
    return Template(**_common(given | changes))


def buttons_template(**changes: Any) -> Template:
    given = {"type": "buttons", "buttons": [Button("yes", "Yes"), Button("no", "No", "n")]}
    return template(**(given | changes))


def file(**changes: Any) -> MediaFile:
    given = {
        "hash": "0" * 64, "original_name": "a cake.jpg", "file_name": "a.jpg", "size": 1000,
        "mime_type": "image/jpeg", "metadata": {},
    }  # fmt: skip
    return MediaFile(**_common(given | changes))


def product(**changes: Any) -> Product:
    return Product(**_common({"name": "cake", "price": 1250, "currency": "EUR"} | changes))


def picture(product_id: str, media_id: str, **changes: Any) -> ProductMedia:
    given = {"product_id": product_id, "media_id": media_id, "sequence": 0}
    return ProductMedia(**_common(given | changes))


def order(**changes: Any) -> Order:
    items = [OrderItem(new_id(), "cake", 2, 1250)]
    given = {"customer_phone": "+4917000", "items": items, "total": 2500, "currency": "EUR"}
    return Order(**_common(given | changes))


def payment(order_id: str, **changes: Any) -> Payment:
    given: dict[str, Any] = {
        "id": new_id(), "merchant_id": "m1", "order_id": order_id, "amount": 500,
        "currency": "EUR", "method": "cash", "transaction_id": "t1", "created_at": NOW,
    }  # fmt: skip
    return Payment(**(given | changes))


def task(order_id: str, **changes: Any) -> DeliveryTask:
    return DeliveryTask(**_common({"order_id": order_id} | changes))


def message(**changes: Any) -> Message:
    given = {"direction": "inbound", "phone": "+4917000", "text": "hi", "status": "received"}
    return Message(**_common(given | changes))


def new_message(**changes: Any) -> NewMessage:
    """A message as an event brings it."""
    id_ = new_id()
    given = {
        "id": id_, "merchant_id": "m1", "direction": "inbound", "phone": "+4917000", "chat": None,
        "text": "hi", "type": "text", "template_id": None, "provider_id": f"p-{id_}",
        "status": "received", "error": None, "event_id": id_, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return NewMessage(**(given | changes))


def webhook(**changes: Any) -> Webhook:
    given = {"event_types": ["order_*"], "url": "https://example.com/hook", "secret": "whsec_a"}
    return Webhook(**_common(given | changes))


def attempt(webhook_id: str, **changes: Any) -> WebhookLog:
    given = {
        "webhook_id": webhook_id, "delivery_id": new_id(), "event_id": new_id(), "attempt": 1,
        "payload": {"type": "order_created"},
    }  # fmt: skip
    return WebhookLog(**_common(given | changes))


def job(**changes: Any) -> Job:
    given = {"queue": "message_sending", "name": "send", "args": {"to": "+49"}, "run_at": NOW}
    return Job(**_common(given | changes))


def call(**changes: Any) -> IdempotencyKey:
    given = {
        "merchant_id": "m1", "method": "orders.create", "key": "k", "request_hash": "a" * 64,
        "created_at": NOW, "expires_at": LATER,
    }  # fmt: skip
    return IdempotencyKey(**(given | changes))


def recurring_job(**changes: Any) -> RecurringJob:
    given = {
        "name": "Weekly", "queue": "message_sending", "task": "bulk", "args": {"template_id": "t"},
        "schedule": "0 9 * * 1", "next_run_at": NOW,
    }  # fmt: skip
    return RecurringJob(**_common(given | changes))


def job_attempt(job_id: str) -> JobAttempt:
    return JobAttempt(
        merchant_id="m1", job_id=job_id, attempt=1, outcome="failed", error="no", ended_at=NOW
    )


def worker() -> work.Worker:
    return work.Worker("w1", "i1", "worker", ["message_sending"], "here", 1, NOW, NOW)


class Everything(Struct, frozen=True):
    """One row of every table, all of merchant `m1`."""

    template: Template
    file: MediaFile
    product: Product
    picture: ProductMedia
    order: Order
    payment: Payment
    task: DeliveryTask
    message: Message
    webhook: Webhook
    attempt: WebhookLog
    job: Job
    call: IdempotencyKey
    recurring: RecurringJob


async def add_everything(database: Database) -> Everything:
    """A merchant that has something of everything; the merchants are there."""
    shown, sold, ordered, hook = file(), product(), order(), webhook()
    made = Everything(
        template(), shown, sold, picture(sold.id, shown.id), ordered, payment(ordered.id),
        task(ordered.id), message(provider_id="p1"), hook, attempt(hook.id),
        job(unique_key="u1"), call(), recurring_job(),
    )  # fmt: skip

    async def add(tx: Transaction) -> None:
        await templates.insert(tx, made.template, new_id)
        await media.insert(tx, made.file)
        await products.insert(tx, made.product)
        await product_media.insert(tx, made.picture)
        await orders.insert(tx, made.order)
        await payments.insert(tx, made.payment)
        await deliveries.insert(tx, made.task)
        await messages.insert(tx, made.message)
        await webhooks.insert(tx, made.webhook)
        await webhook_logs.insert(tx, made.attempt)
        await jobs.insert(tx, made.job)
        await idempotency.put(tx, made.call)
        await recurring.insert(tx, made.recurring)

    await write(database, add)
    return made
