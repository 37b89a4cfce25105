"""What a row may be, in the database: the same rows are taken and refused on both engines."""

# ruff: noqa: S608 - the names of tables cannot be parameters

from typing import Any

import pytest

from tests.storage.schema.engines import REFUSED, Side, insert, uid
from tests.storage.schema.rows import good, merchants, populate

A, B = uid(1), uid(2)
Case = tuple[str, dict[str, Any], bool]


def _lengths(table: str, column: str, least: int, most: int, **more: Any) -> list[Case]:
    """Both ends of a text's length, and what is just outside; counted in characters."""
    cases: list[Case] = [
        (table, {**more, column: "é" * most}, True),
        (table, {**more, column: "é" * (most + 1)}, False),
        (table, {**more, column: "x" * least}, True),
    ]  # fmt: skip
    return cases + ([(table, {**more, column: "x" * (least - 1)}, False)] if least else [])


def _enum(table: str, column: str, values: str) -> list[Case]:
    good_: list[Case] = [(table, {column: value}, True) for value in values.split()]
    return [*good_, (table, {column: "other"}, False), (table, {column: None}, False)]


def _json(table: str, column: str, good_: str, bad: str, null: bool) -> list[Case]:
    return [
        (table, {column: good_}, True), (table, {column: bad}, False),
        (table, {column: "{"}, False), (table, {column: ""}, False), (table, {column: None}, null),
    ]  # fmt: skip


def _number(table: str, column: str, least: int, most: int | None = None) -> list[Case]:
    cases: list[Case] = [(table, {column: least}, True), (table, {column: least - 1}, False)]
    return (
        cases
        if most is None
        else [*cases, (table, {column: most}, True), (table, {column: most + 1}, False)]
    )


TEMPLATE, MEDIA, TASK = "message_templates", "media_files", "delivery_tasks"
BUTTONS = '[{"id":"a","label":"A"}]'
SECTIONS = '[{"rows":[{"id":"a","title":"A"}]}]'
CASES: list[Case] = [
    *((TEMPLATE, {"name": name}, ok) for name, ok in {
        "abc": True, "a_1": True, "a" * 50: True, "ab": False, "a" * 51: False, "": False,
        "Abc": False, "a b": False, "a-b": False, "äbc": False, "abc\n": False, "a.c": False,
    }.items()),
    *_lengths(TEMPLATE, "description", 0, 200), *_lengths(TEMPLATE, "header", 0, 512),
    *_lengths(TEMPLATE, "footer", 0, 512), *_lengths(TEMPLATE, "button_text", 1, 512),
    *_lengths(TEMPLATE, "body", 1, 8192),
    *_lengths(TEMPLATE, "body", 1, 8192, type="buttons", buttons=BUTTONS),
    *_lengths(TEMPLATE, "body", 1, 8192, type="list", sections=SECTIONS),
    *_lengths(TEMPLATE, "body", 0, 8192, type="media", media='{"type":"image","url":"u"}'),
    (TEMPLATE, {"body": None}, False),
    *_enum(TEMPLATE, "status", "draft active archived"),
    *((TEMPLATE, {"type": kind}, kind == "text") for kind in
      ("text", "buttons", "list", "media", "x")),
    (TEMPLATE, {"type": "buttons", "buttons": BUTTONS}, True),
    (TEMPLATE, {"type": "buttons", "buttons": "[]"}, False),
    (TEMPLATE, {"type": "buttons", "buttons": f"[{','.join(['{}'] * 10)}]"}, True),
    (TEMPLATE, {"type": "buttons", "buttons": f"[{','.join(['{}'] * 11)}]"}, False),
    (TEMPLATE, {"type": "list", "sections": SECTIONS}, True),
    (TEMPLATE, {"type": "list", "sections": "[]"}, False),
    *((TEMPLATE, {"type": "media", "body": None, "media": media}, ok) for media, ok in {
        '{"type":"image","url":"u"}': True, '{"type":"document","media_id":"i"}': True,
        '{"type":"image","url":"u","media_id":null}': True, '{"type":"image"}': False, "{}": False,
        '{"type":"video","url":"u"}': False, '{"type":"image","url":1}': False,

               '{"type":"image","url":null}': False, '{"url":"u"}': False,
               '{"type":null,"url":"u"}': False,
        f'{{"type":"image","url":"u","caption":"{"é" * 8192}"}}': True,
        f'{{"type":"image","url":"u","caption":"{"é" * 8193}"}}': False,
    }.items()),
    *_json(TEMPLATE, "buttons", "[]", "{}", True), *_json(TEMPLATE, "sections", "[]", "{}", True),
    *_json(TEMPLATE, "variables", '["a"]', "{}", False),
    *_json(TEMPLATE, "example_payload", '{"a":1}', "[]", True),
    *_number(TEMPLATE, "version", 1), (TEMPLATE, {"id": "short"}, False),
    (TEMPLATE, {"id": A}, False),
    (TEMPLATE, {"merchant_id": "nobody"}, False), (TEMPLATE, {"name": "hello_1"}, False),
    (TEMPLATE, {"created_at": None}, False), (TEMPLATE, {"updated_at": None}, False),
    ("template_versions", {}, True), ("template_versions", {"version": 1}, False),
    ("template_versions", {"template_id": B}, False), ("template_versions", {"version": 0}, False),
    ("template_versions", {"body": None}, False),
    ("template_versions", {"type": "list", "sections": "[]"}, False),
    *((MEDIA, {"hash": value}, ok) for value, ok in {
        "ab" * 32: True, "AB" * 32: False, "ab" * 31: False, "xy" * 32: False,
        f"{1:064x}": False,
    }.items()),
    *_enum(MEDIA, "status", "uploading processing ready failed"),
    *_enum(MEDIA, "mime_type", "image/jpeg image/png image/webp"),
    *_number(MEDIA, "size", 0, 5242880), *_number(MEDIA, "width", 1), *_number(MEDIA, "height", 1),
    *_json(MEDIA, "metadata", "{}", "[]", False), *_lengths(MEDIA, "url", 1, 500),
    ("product_media", {}, True), ("product_media", {"media_id": A, "sequence": 9}, False),
    ("product_media", {"sequence": 1}, False), ("product_media", {"sequence": -1}, False),
    ("product_media", {"product_id": B}, False), ("product_media", {"media_id": uid(7)}, False),
    ("product_media", {"is_primary": True}, True),
    *_enum(TASK, "status", "pending accepted arrived in_transit delivered failed cancelled"),
    *((TASK, {column: value}, ok) for end in ("pickup", "dropoff") for column, value, ok in (
        (f"{end}_lat", 90.0, True), (f"{end}_lat", -90.1, False), (f"{end}_lng", -180.0, True),
        (f"{end}_lng", 180.1, False), (f"{end}_lat", None, True),
    )),
    *_number(TASK, "fee", 0), *_number(TASK, "estimated_time_minutes", 0),
    (TASK, {"distance_km": 0.0}, True), (TASK, {"distance_km": -0.1}, False),
    (TASK, {"distance_km": float("inf")}, False), (TASK, {"order_id": B}, False),
    (TASK, {"order_id": None}, False),
    *_lengths("products", "name", 1, 200), *_number("products", "price", 0),
    *_number("products", "stock", 0),
    *(("products", {"currency": value}, ok) for value, ok in {
        "EUR": True, "eur": False, "EURO": False, "EU": False, "E1R": False, "": False,
    }.items()),
    ("products", {"is_active": None}, False), ("products", {"merchant_id": "nobody"}, False),
    *_enum("orders", "status", "pending confirmed preparing dispatched delivered cancelled"),
    *_enum("orders", "payment_status", "unpaid partial paid refunded"),
    *_number("orders", "total", 0), *_json("orders", "items", "[]", "{}", False),
    *_lengths("orders", "customer_phone", 1, 32), ("orders", {"currency": "usd"}, False),
    *_enum("messages", "direction", "inbound outbound"),
    *_enum("messages", "status", "queued sent delivered read failed received"),
    ("messages", {"provider_id": "wamid.1"}, False), ("messages", {"provider_id": None}, True),
    ("messages", {"payload": '"plain"'}, True), ("messages", {"payload": "plain"}, False),
    ("webhooks", {"url": "https://" + "x" * 492}, True),
    ("webhooks", {"url": "https://" + "x" * 493}, False), ("webhooks", {"url": "http://a"}, True),
    ("webhooks", {"url": "ftp://a"}, False), ("webhooks", {"url": ""}, False),
    *_json("webhooks", "event_types", '["*"]', "{}", False),
    ("webhooks", {"event_types": "[]"}, False),
    *_number("webhooks", "retry_count", 0), ("webhooks", {"secret": ""}, False),
    *_enum("webhook_logs", "status", "pending success failed dead"),
    *_number("webhook_logs", "attempt", 1), *_number("webhook_logs", "response_status", 100, 599),
    ("webhook_logs", {"response_body": "é" * 1024}, True),
    ("webhook_logs", {"response_body": "é" * 1024 + "x"}, False),
    ("webhook_logs", {"delivery_id": "d1"}, False),
    ("webhook_logs", {"delivery_id": "d1", "attempt": 2}, True),
    ("webhook_logs", {"webhook_id": B}, False),
    *_enum("jobs", "queue", "media_processing message_sending order_processing webhook_delivery"),
    *_enum("jobs", "state", "scheduled queued running succeeded retrying dead cancelled"),
    ("jobs", {"id": f"order-{B}"}, True), ("jobs", {"id": ""}, False),
    *_number("jobs", "progress", 0, 100), *_number("jobs", "attempt", 0),
    *_number("jobs", "max_attempts", 1), *_number("jobs", "timeout", 1),
    *_json("jobs", "args", "{}", "[]", False), ("jobs", {"parent_id": A}, True),
    ("jobs", {"parent_id": uid(7)}, False),
    ("idempotency_keys", {}, True), ("idempotency_keys", {"key": "k1"}, False),
    ("idempotency_keys", {"key": "k1", "method": "orders.pay"}, True),
    ("idempotency_keys", {"key": "k1", "merchant_id": "*"}, True),
    ("idempotency_keys", {"request_hash": "x"}, False), ("idempotency_keys", {"key": ""}, False),
    ("idempotency_keys", {"response": "{"}, False), ("merchants", {"id": "*"}, False),
]  # fmt: skip
_TIMES = ["2026-11-22T10:00:00.000Z", "2024-02-29T23:59:59.999Z"]
_NO_TIMES = ["2026-02-30T10:00:00.000Z", "2026-13-01T10:00:00.000Z", "tomorrow maybe", ""]
CASES += [("orders", {"updated_at": text}, True) for text in _TIMES]
CASES += [("orders", {"updated_at": text}, False) for text in _NO_TIMES]


async def test_each_constraint_refuses_its_bad_row_and_takes_its_good_one(side: Side) -> None:
    await merchants(side, "m1")
    await populate(side, "m1")
    # The pictures that the second row of product_media shows.
    await insert(side, MEDIA, good(MEDIA, "m1", 2))
    wrong = []
    for table, changes, taken in CASES:
        number = 3 if table == MEDIA else 2
        row = {**good(table, "m1", number), **changes}
        try:
            await insert(side, table, row)
        except REFUSED as error:
            if taken:
                wrong.append((table, changes, repr(error)))
            continue
        if not taken:
            wrong.append((table, changes, "was taken"))
        keys = [column for column in ("merchant_id", "id", "method", "key") if column in row]
        where = " AND ".join(f"{column} = ?" for column in keys)
        await side.run(f"DELETE FROM {table} WHERE {where}", *(row[column] for column in keys))
    assert wrong == []


async def test_two_merchants_may_have_the_same(side: Side) -> None:
    """Ids, names, hashes: nothing is unique over merchants but the hash of a key."""
    await merchants(side, "m1", "m2")
    await populate(side, "m1")
    await populate(side, "m2")


async def test_one_picture_of_a_product_is_the_first(side: Side) -> None:
    await merchants(side, "m1")
    await populate(side, "m1")
    await insert(side, MEDIA, good(MEDIA, "m1", 2))
    await side.run("UPDATE product_media SET is_primary = TRUE, version = version + 1")
    with pytest.raises(REFUSED):
        await insert(side, "product_media", {**good("product_media", "m1", 2), "is_primary": True})
    await insert(side, "product_media", good("product_media", "m1", 2))


@pytest.mark.parametrize("state", ["scheduled", "queued", "running", "retrying"])
async def test_open_jobs_of_a_queue_share_no_unique_key(side: Side, state: str) -> None:
    await merchants(side, "m1", "m2")
    await side.bind("*")
    first = {**good("jobs"), "unique_key": "u", "state": state}
    await insert(side, "jobs", first)
    with pytest.raises(REFUSED):
        await insert(side, "jobs", {**good("jobs", "m1", 2), "unique_key": "u"})
    await insert(side, "jobs", {**good("jobs", "m2", 2), "unique_key": "u"})
    other = {**good("jobs", "m1", 3), "unique_key": "u", "queue": "order_processing"}
    await insert(side, "jobs", other)
    await side.run(
        "UPDATE jobs SET state = 'succeeded', version = version + 1 WHERE id = ?", uid(1)
    )
    await insert(side, "jobs", {**good("jobs", "m1", 2), "unique_key": "u"})


async def test_parts_go_with_what_they_are_parts_of(side: Side) -> None:
    await merchants(side, "m1")
    await populate(side, "m1")
    await insert(side, "jobs", {**good("jobs", "m1", 2), "parent_id": uid(1)})
    await side.bind("m1")
    for parent, part in [
        ("message_templates", "template_versions"), ("products", "product_media"),
        ("webhooks", "webhook_logs"), ("jobs", "jobs"),
    ]:  # fmt: skip
        assert await side.rows(f"SELECT 1 FROM {part}"), part
        await side.run(f"DELETE FROM {parent} WHERE id = ?", uid(1))
        assert await side.rows(f"SELECT 1 FROM {part}") == [], part
    gone = await side.rows("SELECT target_type FROM audit_logs WHERE action = 'DELETE' ORDER BY 1")
    assert [kind for (kind,) in gone] == [
        "product", "product_media", "template", "template_version", "webhook",
    ]  # fmt: skip
    with pytest.raises(REFUSED):
        await side.run("DELETE FROM orders WHERE id = ?", uid(1))
    await side.bind("*")
    with pytest.raises(REFUSED):
        await side.run("DELETE FROM merchants WHERE id = 'm1'")
