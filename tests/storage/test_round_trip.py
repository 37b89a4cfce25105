"""Any valid record comes back equal, on every engine."""

import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import deliveries, jobs, media, messages, orders, products, templates, webhook_logs
from storage.database import Database, Transaction
from storage.merchant_records import (
    Button,
    OrderItem,
    Section,
    SectionRow,
    TemplateMedia,
)
from tests.storage import samples
from tests.storage.samples import OURS, Everything, new_id

once = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def made(database: Database) -> Everything:
    await samples.add_merchants(database)
    return await samples.add_everything(database)


def text(least: int, most: int) -> st.SearchStrategy[str]:
    # NUL and lone surrogates are refused, see test_tables.
    return st.text(
        st.characters(codec="utf-8", exclude_characters="\0"), min_size=least, max_size=most
    )


# Postgres keeps numbers in JSON as decimals: a float beyond 2**53 comes back as a whole number.
numbers = st.integers(-(2**63), 2**64) | st.floats(-(2.0**53), 2.0**53)
values = st.recursive(
    st.none() | st.booleans() | numbers | text(0, 20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text(0, 8), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(text(0, 8), values, max_size=4)
times = (
    st.datetimes()
    .filter(lambda t: t.year >= 1000)
    .map(lambda t: t.isoformat(timespec="milliseconds") + "Z")
)
big = st.integers(0, 2**63 - 1)
currency = st.text(string.ascii_uppercase, min_size=3, max_size=3)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def record(make: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"created_at": times, "updated_at": times, **fields}).map(
        lambda changes: make(**changes)
    )


async def returns(database: Database, module: Any, given_: Any) -> None:
    more = (new_id,) if module is templates else ()

    async def work(tx: Transaction) -> Any:
        await module.insert(tx, given_, *more)
        found = await module.get(tx, given_.id)
        assert found == given_
        await module.delete(tx, given_.id, 1)
        return found

    await database.write(work, OURS)


rows = st.builds(SectionRow, text(1, 200), text(1, 24), maybe(text(0, 72)))
forms = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "body": text(1, 4096)}),
    st.fixed_dictionaries(
        {
            "type": st.just("buttons"),
            "body": text(1, 1024),
            "buttons": st.lists(
                st.builds(Button, text(1, 256), text(1, 20), maybe(text(0, 9))),
                min_size=1, max_size=10,
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("list"),
            "body": text(1, 1024),
            "button_text": maybe(text(1, 20)),
            "sections": st.lists(
                st.builds(Section, st.lists(rows, max_size=3), maybe(text(0, 24))),
                min_size=1, max_size=10,
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("media"),
            "body": maybe(text(0, 1024)),
            "media": st.builds(
                TemplateMedia, st.sampled_from(["image", "document"]), text(0, 99),
                maybe(text(0, 9)), maybe(text(0, 1024)),
            ),
        }
    ),
)  # fmt: skip


@once
@given(
    made_of=forms,
    rest=st.fixed_dictionaries(
        {
            "name": st.text("abz019_", min_size=3, max_size=50).map(lambda name: f"x{name}"[:50]),
            "description": text(0, 200),
            "language": text(2, 16),
            "header": maybe(text(0, 60)),
            "footer": maybe(text(0, 60)),
            "variables": st.lists(text(1, 20), max_size=4),
            "example_payload": maybe(objects),
            "status": st.sampled_from(["draft", "active", "archived"]),
            "created_by": maybe(text(1, 64)),
            "created_at": times,
            "updated_at": times,
        }
    ),
)
async def test_templates(
    database: Database, made: Everything, made_of: dict[str, Any], rest: dict[str, Any]
) -> None:
    await returns(database, templates, samples.template(**rest, **made_of))


@once
@given(
    record(
        samples.product,
        name=text(1, 200), description=text(0, 4096), category=maybe(text(1, 120)), price=big,
        currency=currency, stock=big, is_active=st.booleans(),
    )
)  # fmt: skip
async def test_products(database: Database, made: Everything, given_: Any) -> None:
    await returns(database, products, given_)


@once
@given(
    record(
        samples.order,
        customer_phone=text(1, 32), customer_id=maybe(text(1, 128)), total=big, currency=currency,
        items=st.lists(st.builds(OrderItem, text(0, 36), text(0, 200), big, big), max_size=5),
        notes=maybe(text(0, 4096)),
    )
)  # fmt: skip
async def test_orders(database: Database, made: Everything, given_: Any) -> None:
    await returns(database, orders, given_)


@once
@given(
    place=st.lists(maybe(st.floats(-90, 90)), min_size=4, max_size=4),
    distance=maybe(st.floats(0, allow_infinity=False)),
    minutes=maybe(big),
    completed=maybe(times),
)
async def test_delivery_tasks(
    database: Database,
    made: Everything,
    place: list[float | None],
    distance: float | None,
    minutes: int | None,
    completed: str | None,
) -> None:
    given_ = samples.task(
        made.order.id, pickup_lat=place[0], pickup_lng=place[1], dropoff_lat=place[2],
        dropoff_lng=place[3], distance_km=distance, estimated_time_minutes=minutes,
        completed_at=completed,
    )  # fmt: skip
    await returns(database, deliveries, given_)


@once
@given(
    record(
        samples.message,
        direction=st.sampled_from(["inbound", "outbound"]), phone=text(1, 32),
        chat=maybe(text(1, 128)), text=maybe(text(0, 300)), type=text(1, 32), payload=values,
        status=st.sampled_from(["queued", "sent", "failed"]), error=maybe(text(0, 300)),
    )
)  # fmt: skip
async def test_messages(database: Database, made: Everything, given_: Any) -> None:
    await returns(database, messages, given_)


@once
@given(
    record(
        samples.file,
        hash=st.text("0123456789abcdef", min_size=64, max_size=64).filter(lambda h: h != "0" * 64),
        original_name=text(1, 255), placeholder=maybe(text(1, 300)), metadata=objects,
        size=st.integers(0, 5_242_880), width=maybe(st.integers(1, 2**31)),
        expires_at=maybe(times),
    )
)  # fmt: skip
async def test_media(database: Database, made: Everything, given_: Any) -> None:
    await returns(database, media, given_)


@once
@given(
    record(
        samples.job,
        args=objects, result=values, priority=st.integers(-(2**63), 2**63 - 1),
        progress=st.integers(0, 100), note=maybe(text(0, 300)), run_at=times,
        unique_key=maybe(text(1, 256).filter(lambda key: key != "u1")),
        timeout=maybe(st.integers(1, 2**31)), finished_at=maybe(times),
    )
)  # fmt: skip
async def test_jobs(database: Database, made: Everything, given_: Any) -> None:
    await returns(database, jobs, given_)


@once
@given(
    payload=objects,
    body=maybe(text(0, 512)),
    status=maybe(st.integers(100, 599)),
    retry=maybe(times),
)
async def test_webhook_logs(
    database: Database,
    made: Everything,
    payload: dict[str, Any],
    body: str | None,
    status: int | None,
    retry: str | None,
) -> None:
    given_ = samples.attempt(
        made.webhook.id, payload=payload, response_body=body, response_status=status,
        next_retry_at=retry,
    )  # fmt: skip
    await returns(database, webhook_logs, given_)
