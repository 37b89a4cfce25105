"""Rows of what merchants work with, as frozen Structs whose fields are the columns of their table.

A field of another type than text, number and bool is JSON in the database. Times are RFC 3339 text,
UTC, milliseconds.
"""

from typing import Any, Literal

from msgspec import Struct


class Button(Struct, frozen=True, omit_defaults=True):
    """A reply button of a template."""

    id: str
    label: str
    callback_data: str | None = None


class SectionRow(Struct, frozen=True, omit_defaults=True):
    """A choice in a list."""

    id: str
    title: str
    description: str | None = None


class Section(Struct, frozen=True, omit_defaults=True):
    """Choices of a list under one title."""

    rows: list[SectionRow]
    title: str | None = None


class TemplateMedia(Struct, frozen=True, omit_defaults=True):
    """What a media template shows; it has a `url` or a `media_id`."""

    type: Literal["image", "document"]
    url: str | None = None
    media_id: str | None = None
    caption: str | None = None


TemplateType = Literal["text", "buttons", "list", "media"]
TemplateStatus = Literal["draft", "active", "archived"]


class Template(Struct, frozen=True, kw_only=True):
    id: str
    merchant_id: str
    name: str
    description: str = ""
    type: TemplateType
    language: str = "en"
    header: str | None = None
    body: str | None = None
    footer: str | None = None
    button_text: str | None = None
    buttons: list[Button] | None = None
    sections: list[Section] | None = None
    media: TemplateMedia | None = None
    variables: list[str]
    example_payload: dict[str, Any] | None = None
    version: int = 1
    status: TemplateStatus = "draft"
    created_by: str | None = None
    created_at: str
    updated_at: str


class TemplateVersion(Struct, frozen=True, kw_only=True):
    """The content of a template in one of its versions."""

    id: str
    merchant_id: str
    template_id: str
    version: int
    name: str
    description: str
    type: TemplateType
    language: str
    header: str | None
    body: str | None
    footer: str | None
    button_text: str | None
    buttons: list[Button] | None
    sections: list[Section] | None
    media: TemplateMedia | None
    variables: list[str]
    example_payload: dict[str, Any] | None
    status: TemplateStatus
    changed_by: str | None
    changed_at: str


MediaStatus = Literal["uploading", "processing", "ready", "failed"]


class MediaFile(Struct, frozen=True, kw_only=True):
    """An uploaded picture; `size` in bytes, `width` and `height` in pixels."""

    id: str
    merchant_id: str
    owner_id: str | None = None
    hash: str
    original_name: str
    file_name: str
    mime_type: Literal["image/jpeg", "image/png", "image/webp"]
    size: int
    width: int | None = None
    height: int | None = None
    placeholder: str | None = None
    url: str | None = None
    thumbnail_url: str | None = None
    storage_path: str | None = None
    status: MediaStatus = "uploading"
    metadata: dict[str, Any]
    version: int = 1
    created_at: str
    updated_at: str
    expires_at: str | None = None


class Product(Struct, frozen=True, kw_only=True):
    """What is sold; `price` in minor units of `currency`."""

    id: str
    merchant_id: str
    name: str
    description: str = ""
    category: str | None = None
    price: int
    currency: str
    stock: int = 0
    is_active: bool = True
    version: int = 1
    created_at: str
    updated_at: str


class ProductMedia(Struct, frozen=True, kw_only=True):
    """A picture of a product; pictures are shown by `sequence`."""

    id: str
    merchant_id: str
    product_id: str
    media_id: str
    sequence: int
    is_primary: bool = False
    version: int = 1
    created_at: str
    updated_at: str


class OrderItem(Struct, frozen=True):
    """A product as it was ordered; `price` of one, in minor units."""

    product_id: str
    name: str
    quantity: int
    price: int


OrderStatus = Literal["pending", "confirmed", "preparing", "dispatched", "delivered", "cancelled"]
PaymentStatus = Literal["unpaid", "partial", "paid", "refunded"]


class Order(Struct, frozen=True, kw_only=True):
    """What a customer ordered; `total` in minor units of `currency`.

    Attributes:
        stock_taken: whether its goods have left the stock.
    """

    id: str
    merchant_id: str
    customer_phone: str
    customer_id: str | None = None
    items: list[OrderItem]
    total: int
    currency: str
    status: OrderStatus = "pending"
    payment_status: PaymentStatus = "unpaid"
    notes: str | None = None
    stock_taken: bool = True
    version: int = 1
    created_at: str
    updated_at: str


class Payment(Struct, frozen=True, kw_only=True):
    """What a customer paid for an order; `amount` in minor units of `currency`."""

    id: str
    merchant_id: str
    order_id: str
    amount: int
    currency: str
    method: str
    transaction_id: str
    created_by: str | None = None
    created_at: str


DeliveryStatus = Literal[
    "pending", "accepted", "arrived", "in_transit", "delivered", "failed", "cancelled"
]


class DeliveryTask(Struct, frozen=True, kw_only=True):
    """An order on its way; places in degrees, `fee` in minor units of the order's currency."""

    id: str
    merchant_id: str
    order_id: str
    driver_id: str | None = None
    status: DeliveryStatus = "pending"
    pickup_lat: float | None = None
    pickup_lng: float | None = None
    dropoff_lat: float | None = None
    dropoff_lng: float | None = None
    estimated_time_minutes: int | None = None
    distance_km: float | None = None
    fee: int = 0
    notes: str | None = None
    version: int = 1
    created_at: str
    updated_at: str
    completed_at: str | None = None


MessageStatus = Literal["queued", "sent", "delivered", "read", "failed", "received"]


class Message(Struct, frozen=True, kw_only=True):
    """A message from a customer or to them; `payload` is the gateway's own form of it, any JSON."""

    id: str
    merchant_id: str
    direction: Literal["inbound", "outbound"]
    phone: str
    chat: str | None = None
    text: str | None = None
    type: str = "text"
    template_id: str | None = None
    payload: Any = None
    provider_id: str | None = None
    status: MessageStatus
    error: str | None = None
    event_id: str | None = None
    version: int = 1
    created_at: str
    updated_at: str


class Conversation(Struct, frozen=True, kw_only=True):
    """Whom a merchant writes with, and what was said last.

    Attributes:
        phone: the customer's number, or the gateway's name of a group.
        text: of the last message, its beginning.
        at: when the last message was made.
        count: how many messages there are.
        last_message_id: the place of the conversation among the others.
    """

    phone: str
    chat: str | None
    text: str | None
    direction: Literal["inbound", "outbound"]
    status: MessageStatus
    at: str
    count: int
    last_message_id: str


class Webhook(Struct, frozen=True, kw_only=True):
    """Where a merchant hears of events.

    Until `previous_until`, calls are signed with the `previous_secret` too. It hears of events
    behind the offset `heard_from`. `retry_count` (failed attempts since the last success) and what
    says when and how it was called are the hub's own notes: they change without the version.
    """

    id: str
    merchant_id: str
    event_types: list[str]
    url: str
    is_active: bool = True
    secret: str
    retry_count: int = 0
    last_triggered_at: str | None = None
    disabled_reason: str | None = None
    version: int = 1
    created_at: str
    updated_at: str
    previous_secret: str | None = None
    previous_until: str | None = None
    failing_since: str | None = None
    last_success_at: str | None = None
    last_failure_at: str | None = None
    last_error: str | None = None
    heard_from: int = 0

    def __repr__(self) -> str:
        """Without the secrets, so that no log has it."""
        return f"Webhook(id={self.id!r}, merchant_id={self.merchant_id!r}, url={self.url!r}, …)"


WebhookLogStatus = Literal["pending", "success", "failed", "dead"]


class WebhookLog(Struct, frozen=True, kw_only=True):
    """One attempt to call a webhook."""

    id: str
    merchant_id: str
    webhook_id: str
    delivery_id: str
    event_id: str
    attempt: int
    status: WebhookLogStatus = "pending"
    payload: dict[str, Any]
    response_status: int | None = None
    response_body: str | None = None
    duration_ms: int | None = None
    error_message: str | None = None
    next_retry_at: str | None = None
    version: int = 1
    created_at: str
    updated_at: str


Queue = Literal["media_processing", "message_sending", "order_processing", "webhook_delivery"]
JobState = Literal["scheduled", "queued", "running", "succeeded", "retrying", "dead", "cancelled"]


Awaits = Literal["bot", "children"]


class Job(Struct, frozen=True, kw_only=True):
    """A piece of work; `progress` in percent, `timeout` in seconds, `result` any JSON.

    Attributes:
        worker: who holds it while it runs, an id of `workers`.
        cancelling: it runs, and is to end.
        awaits: what it waits for, that no worker has: a bot that takes it, or its parts. A job
            that a bot holds is `running` and still awaits one: its answer.
        recipient: the phone that a message goes to.
        expires_at: after which it is not worth while.
    """

    id: str
    merchant_id: str
    queue: Queue
    name: str
    args: dict[str, Any]
    state: JobState = "queued"
    priority: int = 0
    attempt: int = 0
    max_attempts: int = 3
    run_at: str
    progress: int = 0
    note: str | None = None
    result: Any = None
    error: str | None = None
    parent_id: str | None = None
    unique_key: str | None = None
    timeout: int | None = None
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    updated_at: str
    version: int = 1
    worker: str | None = None
    cancelling: bool = False
    awaits: Awaits | None = None
    recipient: str | None = None
    expires_at: str | None = None


AttemptOutcome = Literal["failed", "lost", "uncertain"]


class JobAttempt(Struct, frozen=True, kw_only=True):
    """An attempt of a job that did not succeed."""

    merchant_id: str
    job_id: str
    attempt: int
    worker: str | None = None
    outcome: AttemptOutcome
    error: str
    traceback: str | None = None
    started_at: str | None = None
    ended_at: str


MissedRuns = Literal["skip", "once", "all"]


class RecurringJob(Struct, frozen=True, kw_only=True):
    """A job that comes again; `schedule` as cron(5) writes it, on the clock of `time_zone`.

    `next_run_at` and `last_run_at` are the hub's own notes.
    """

    id: str
    merchant_id: str
    name: str
    queue: Queue
    task: str
    args: dict[str, Any]
    schedule: str
    time_zone: str = "UTC"
    missed: MissedRuns = "once"
    is_active: bool = True
    next_run_at: str | None = None
    last_run_at: str | None = None
    created_by: str | None = None
    version: int = 1
    created_at: str
    updated_at: str


class IdempotencyKey(Struct, frozen=True, kw_only=True):
    """A call that may come again; `response` is None until it has been answered."""

    merchant_id: str
    method: str
    key: str
    request_hash: str
    response: dict[str, Any] | None = None
    created_at: str
    expires_at: str
