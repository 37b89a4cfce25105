"""What holds for every table of records, on every engine."""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from msgspec import Struct, structs

from storage import (
    deliveries,
    jobs,
    media,
    messages,
    orders,
    product_media,
    products,
    templates,
    webhook_logs,
    webhooks,
)
from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound, Sealed, Stale
from storage.merchant_records import OrderItem, TemplateMedia
from tests.storage import samples
from tests.storage.samples import LATER, THEIRS, Everything, new_id, read, write


class Kind(NamedTuple):
    """A table under test.

    Attributes:
        make: a further good record beside one of everything.
        changes: a change that it takes.
    """

    module: ModuleType
    make: Callable[..., Any]
    changes: dict[str, Any]

    async def insert(self, tx: Transaction, record: Any) -> Any:
        more = (new_id,) if self.module is templates else ()
        return await self.module.insert(tx, record, *more)

    async def update(self, tx: Transaction, record: Any) -> Any:
        more = (new_id,) if self.module is templates else ()
        return await self.module.update(tx, record, *more)


def _kind(module: ModuleType, make: Callable[..., Any], **changes: Any) -> Any:
    return pytest.param(Kind(module, make, changes), id=module.__name__.rpartition(".")[2])


KINDS = [
    _kind(
        templates,
        lambda made, **changes: samples.template(**{"name": "other", **changes}),
        body="Bye {{name}}", status="active", description='"\'—😀',
    ),
    _kind(
        media,
        lambda made, **changes: samples.file(**{"hash": "1" * 64, **changes}),
        status="ready", width=10, metadata={"a": [1, 2.5, None, "é"]}, expires_at=LATER,
    ),
    _kind(
        products,
        lambda made, **changes: samples.product(**changes),
        price=0, stock=3, is_active=False, category="sweets",
    ),
    _kind(
        product_media,
        lambda made, **changes: samples.picture(
            made.product.id, changes.pop("media_id", made.file.id), **{"sequence": 1, **changes}
        ),
        sequence=7, is_primary=True,
    ),
    _kind(
        orders,
        lambda made, **changes: samples.order(**changes),
        status="confirmed", payment_status="partial", items=[], notes="ring twice",
    ),
    _kind(
        deliveries,
        lambda made, **changes: samples.task(made.order.id, **changes),
        status="accepted", driver_id="d1", pickup_lat=-90.0, dropoff_lng=13.4, distance_km=0.1,
        completed_at=LATER,
    ),
    _kind(
        messages,
        lambda made, **changes: samples.message(**changes),
        status="read", provider_id="p2", payload=["any", {"json": None}], error="",
    ),
    _kind(
        webhooks,
        lambda made, **changes: samples.webhook(**changes),
        is_active=False, event_types=["*", "custom_a"], disabled_reason="gone",
    ),
    _kind(
        webhook_logs,
        lambda made, **changes: samples.attempt(made.webhook.id, **changes),
        status="failed", response_status=500, response_body="é" * 1024, next_retry_at=LATER,
    ),
    _kind(
        jobs,
        lambda made, **changes: samples.job(**changes),
        state="running", progress=100, result={"n": 2**53}, parent_id=None, started_at=LATER,
    ),
]  # fmt: skip


@pytest.fixture
async def made(database: Database) -> Everything:
    await samples.add_merchants(database)
    return await samples.add_everything(database)


async def add(database: Database, kind: Kind, made: Everything, **changes: Any) -> Any:
    """A further row of a table."""
    if kind.module is product_media and "media_id" not in changes:
        file = samples.file(hash=new_id().replace("-", "").ljust(64, "0"))
        await write(database, lambda tx: media.insert(tx, file))
        changes["media_id"] = file.id
    record = kind.make(made, **changes)
    await write(database, lambda tx: kind.insert(tx, record))
    return record


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
async def test_a_row_comes_back_as_it_was(kind: Kind, database: Database, made: Everything) -> None:
    record = await add(database, kind, made)
    changed = structs.replace(record, **kind.changes, updated_at=LATER)
    written = await write(database, lambda tx: kind.update(tx, changed))
    assert written == structs.replace(changed, version=2)
    found = await read(database, lambda tx: kind.module.get(tx, record.id))
    assert found == written
    assert [type(getattr(found, name)) for name in found.__struct_fields__] == [
        type(getattr(written, name)) for name in written.__struct_fields__
    ]


@every_kind
async def test_a_change_is_made_to_the_version_that_was_read(
    kind: Kind, database: Database, made: Everything
) -> None:
    record = await add(database, kind, made)
    await write(database, lambda tx: kind.update(tx, record))
    with pytest.raises(Stale, match="version 2, not 1"):
        await write(database, lambda tx: kind.update(tx, record))
    with pytest.raises(Stale, match="version 2, not 1"):
        await write(database, lambda tx: kind.module.delete(tx, record.id, 1))
    found = await read(database, lambda tx: kind.module.get(tx, record.id))
    assert found == structs.replace(record, version=2)
    await write(database, lambda tx: kind.module.delete(tx, record.id, 2))
    for again in (
        lambda tx: kind.update(tx, found),
        lambda tx: kind.module.get(tx, record.id),
        lambda tx: kind.module.delete(tx, record.id),
        lambda tx: kind.module.delete(tx, record.id, 2),
    ):
        with pytest.raises(NotFound):
            await write(database, again)


@every_kind
async def test_a_row_of_another_merchant_is_not_there(
    kind: Kind, database: Database, made: Everything
) -> None:
    record = await add(database, kind, made)
    for look in (
        lambda tx: kind.module.get(tx, record.id),
        lambda tx: kind.update(tx, record),
        lambda tx: kind.module.delete(tx, record.id),
        lambda tx: kind.module.delete(tx, record.id, 1),
        lambda tx: kind.module.delete(tx, record.id, 9),
    ):
        with pytest.raises(NotFound):
            await write(database, look, THEIRS)
    assert await read(database, lambda tx: kind.module.get(tx, record.id)) == record


@every_kind
async def test_a_row_is_added_to_the_bound_merchant_alone(
    kind: Kind, database: Database, made: Everything, raw_sql: None
) -> None:
    with pytest.raises(Sealed):
        await write(database, lambda tx: kind.insert(tx, kind.make(made)), THEIRS)


@every_kind
async def test_an_id_is_taken_within_its_merchant_alone(
    kind: Kind, database: Database, made: Everything
) -> None:
    record = await add(database, kind, made)
    table = {"templates": "message_templates", "media": "media_files",
             "deliveries": "delivery_tasks"}  # fmt: skip
    name = kind.module.__name__.rpartition(".")[2]
    again: dict[str, Any] = {"name": "another"} if kind.module is templates else {}
    if kind.module is media:
        again = {"hash": "2" * 64}
    if kind.module is product_media:
        again = {"sequence": 2}
    with pytest.raises(Conflict, match=f"{table.get(name, name)}_pkey"):
        await add(database, kind, made, id=record.id, **again)
    if kind.module in (product_media, deliveries, webhook_logs):
        return  # it needs other rows of the same merchant
    theirs = structs.replace(record, merchant_id="m2")
    await write(database, lambda tx: kind.insert(tx, theirs), THEIRS)
    assert await read(database, lambda tx: kind.module.get(tx, record.id), THEIRS) == theirs
    assert await read(database, lambda tx: kind.module.get(tx, record.id)) == record


PAGED = [param for param in KINDS if param.id not in ("product_media", "jobs")]


@pytest.mark.parametrize("kind", PAGED)
async def test_pages_have_no_holes_while_rows_are_added(
    kind: Kind, database: Database, made: Everything
) -> None:
    def unlike(number: int) -> dict[str, Any]:
        if kind.module is templates:
            return {"name": f"name_{number}"}
        return {"hash": f"{number:064x}"} if kind.module is media else {}

    before = [(await add(database, kind, made, **unlike(n + 16))).id for n in range(7)]
    newest_first = kind.module in (messages, webhook_logs)
    seen: list[str] = []
    after, number = "", 100
    while True:
        page = await read(database, lambda tx, after=after: kind.module.page(tx, after, 3))  # type: ignore[misc]
        assert len(page) <= 3
        if not page:
            break
        seen += [record.id for record in page]
        after = page[-1].id
        if number < 104:
            number += 1
            await add(database, kind, made, **unlike(number))
    assert seen == sorted(seen, reverse=newest_first)
    assert len(set(seen)) == len(seen)
    assert set(before) <= set(seen)
    theirs = await read(database, lambda tx: kind.module.page(tx, "", 99), THEIRS)
    assert {record.merchant_id for record in theirs} <= {"m2"}


ODD = ["😀" * 20, "'; DROP TABLE orders; --", '"\\\\u0000\\', "line\nline\ttab", "x" * 10_000]


@pytest.mark.parametrize("text", ODD, ids=["emoji", "quotes", "backslashes", "lines", "long"])
async def test_json_keeps_odd_text(text: str, database: Database, made: Everything) -> None:
    nested = {text: [text, {"a": text}]}
    job = samples.job(args=nested, result=[text])
    shown = samples.file(hash="3" * 64, metadata=nested)
    ordered = samples.order(items=[OrderItem("p", text, 1, 1)])
    said = samples.message(text=text, payload=text)

    async def work(tx: Transaction) -> None:
        await jobs.insert(tx, job)
        await media.insert(tx, shown)
        await orders.insert(tx, ordered)
        await messages.insert(tx, said)

    await write(database, work)
    assert await read(database, lambda tx: jobs.get(tx, job.id)) == job
    assert await read(database, lambda tx: media.get(tx, shown.id)) == shown
    assert await read(database, lambda tx: orders.get(tx, ordered.id)) == ordered
    assert await read(database, lambda tx: messages.get(tx, said.id)) == said


Insert = Callable[[Transaction], Awaitable[Struct]]


def refusals(made: Everything) -> dict[str, Insert]:
    """What each of these constraints refuses."""
    other = new_id()
    return {
        "message_templates_merchant_id_name_key": lambda tx: templates.insert(
            tx, samples.template(), new_id
        ),
        "message_templates_name_check": lambda tx: templates.insert(
            tx, samples.template(name="No"), new_id
        ),
        "message_templates_type_check": lambda tx: templates.insert(
            tx, samples.template(name="other", type="poem"), new_id
        ),
        "message_templates_check": lambda tx: templates.insert(
            tx, samples.template(name="other", type="buttons"), new_id
        ),
        "message_templates_media_check": lambda tx: templates.insert(
            tx,
            samples.template(
                name="other", type="media", media=TemplateMedia(type="image", caption="c")
            ),
            new_id,
        ),
        "media_files_merchant_id_hash_key": lambda tx: media.insert(tx, samples.file()),
        "media_files_size_check": lambda tx: media.insert(
            tx, samples.file(hash="4" * 64, size=5_242_881)
        ),
        "products_price_check": lambda tx: products.insert(tx, samples.product(price=-1)),
        "products_currency_check": lambda tx: products.insert(tx, samples.product(currency="eur")),
        "product_media_merchant_id_product_id_media_id_key": lambda tx: product_media.insert(
            tx, samples.picture(made.product.id, made.file.id, sequence=1)
        ),
        "product_media_merchant_id_product_id_fkey": lambda tx: product_media.insert(
            tx, samples.picture(other, made.file.id, sequence=1)
        ),
        "product_media_merchant_id_media_id_fkey": lambda tx: product_media.insert(
            tx, samples.picture(made.product.id, other, sequence=1)
        ),
        "orders_status_check": lambda tx: orders.insert(tx, samples.order(status="lost")),
        "delivery_tasks_merchant_id_order_id_fkey": lambda tx: deliveries.insert(
            tx, samples.task(other)
        ),
        "delivery_tasks_pickup_lat_check": lambda tx: deliveries.insert(
            tx, samples.task(made.order.id, pickup_lat=90.1)
        ),
        "messages_merchant_id_provider_id_key": lambda tx: messages.insert(
            tx, samples.message(provider_id="p1")
        ),
        "webhooks_url_check": lambda tx: webhooks.insert(tx, samples.webhook(url="ftp://a")),
        "webhook_logs_merchant_id_webhook_id_fkey": lambda tx: webhook_logs.insert(
            tx, samples.attempt(other)
        ),
        "webhook_logs_merchant_id_delivery_id_attempt_key": lambda tx: webhook_logs.insert(
            tx, samples.attempt(made.webhook.id, delivery_id=made.attempt.delivery_id)
        ),
        "webhook_logs_payload_not_null": lambda tx: webhook_logs.insert(
            tx, samples.attempt(made.webhook.id, payload=None)
        ),
        "jobs_unique": lambda tx: jobs.insert(tx, samples.job(unique_key="u1")),
        "jobs_merchant_id_parent_id_fkey": lambda tx: jobs.insert(tx, samples.job(parent_id="j")),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(refusals(None)))  # type: ignore[arg-type]
async def test_a_refusal_names_the_constraint(
    name: str, database: Database, made: Everything
) -> None:
    with pytest.raises(Conflict) as refused:
        await write(database, refusals(made)[name])
    table = str(refused.value).partition(":")[0]
    assert str(refused.value) == f"{table}: {name} refuses it"


async def test_a_row_that_others_need_stays(database: Database, made: Everything) -> None:
    """What others say of a row holds it fast, and says which of them does."""
    with pytest.raises(Conflict, match=r"(delivery_tasks|payments)_merchant_id_order_id_fkey"):
        await write(database, lambda tx: orders.delete(tx, made.order.id))
    await write(database, lambda tx: deliveries.delete(tx, made.task.id))
    with pytest.raises(Conflict, match="payments_merchant_id_order_id_fkey"):
        await write(database, lambda tx: orders.delete(tx, made.order.id))
    with pytest.raises(Conflict, match="product_media_merchant_id_media_id_fkey"):
        await write(database, lambda tx: media.delete(tx, made.file.id))
    await write(database, lambda tx: product_media.delete(tx, made.picture.id))
    await write(database, lambda tx: media.delete(tx, made.file.id))


async def test_an_update_may_be_refused_too(database: Database, made: Everything) -> None:
    wrong = structs.replace(made.product, stock=-1)
    with pytest.raises(Conflict, match="products: products_stock_check refuses it"):
        await write(database, lambda tx: products.update(tx, wrong))
    another = samples.template(name="other")
    await write(database, lambda tx: templates.insert(tx, another, new_id))
    taken = structs.replace(another, name="hello")
    with pytest.raises(Conflict, match="message_templates_merchant_id_name_key"):
        await write(database, lambda tx: templates.update(tx, taken, new_id))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("notes", "a\0b"),
        ("notes", "\ud800"),
        ("items", [OrderItem("p", "a\0b", 1, 1)]),
        ("items", [OrderItem("p", "\\\0", 1, 1)]),
        ("total", 2**63),
    ],
)
async def test_what_an_engine_cannot_keep_is_refused(
    column: str, value: object, database: Database, made: Everything
) -> None:
    with pytest.raises(Conflict, match=f"orders: {column}: "):
        await write(database, lambda tx: orders.insert(tx, samples.order(**{column: value})))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_a_number_is_finite(value: float, database: Database, made: Everything) -> None:
    wrong = samples.task(made.order.id, distance_km=value)
    with pytest.raises(Conflict, match="delivery_tasks: distance_km: not a finite number"):
        await write(database, lambda tx: deliveries.insert(tx, wrong))


async def test_a_record_shows_no_secret() -> None:
    assert "whsec" not in repr(samples.webhook(secret="whsec_secret"))
