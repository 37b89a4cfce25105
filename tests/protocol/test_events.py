"""The event types: each core event field by field, and who may publish what."""

from typing import Any

import msgspec
import pytest

from hub.protocol.errors import Forbidden, InvalidEvent, UnknownType
from hub.protocol.events import (
    CORE_TYPES,
    HUB_TYPES,
    PUBLISHED_TYPES,
    check_publishable,
    locate,
)
from hub.protocol.frames import Batch, Subscribe

SAMPLES: dict[str, dict[str, Any]] = {
    "message_received": {
        "messageId": "wamid.1", "fromPhone": "+26377", "text": "", "timestamp": 1763800000,
    },
    "message_sent": {"messageId": "wamid.2", "toPhone": "+26377", "text": "hi", "templateId": None},
    "order_created": {
        "orderId": "ORD-1", "customerId": "C", "items": [{"sku": 1}, "x"], "totalAmount": 5,
    },
    "order_status_changed": {
        "orderId": "ORD-1", "oldStatus": "a", "newStatus": "b", "updatedAt": "yesterday",
    },
    "product_updated": {
        "productId": "P", "name": "Tea", "price": 0.5, "stock": -1, "mediaIds": ["m"],
    },
    "payment_received": {
        "orderId": "ORD-1", "amount": 0, "paymentMethod": "cash", "transactionId": "T",
    },
    "delivery_started": {
        "deliveryTaskId": "D", "orderId": "ORD-1", "driverId": "X", "location": None,
    },
    "delivery_completed": {
        "deliveryTaskId": "D", "orderId": "ORD-1", "completedAt": 1.5, "signature": {"png": ""},
    },
    "bot_connected": {"botStatus": "ready", "timestamp": "2026-11-22T10:00:00Z"},
    "bot_disconnected": {"reason": "", "timestamp": 0},
}  # fmt: skip

ID: tuple[Any, ...] = (5, None, "", "x" * 257, [], True)
MOMENT: tuple[Any, ...] = (None, "", "x" * 65, -1, [], True)
AMOUNT: tuple[Any, ...] = ("5", None, -1, -0.5, True, [])
WRONG: dict[str, tuple[Any, ...]] = {
    "messageId": ID, "fromPhone": ID, "toPhone": ID, "orderId": ID, "customerId": ID,
    "oldStatus": ID, "newStatus": ID, "productId": ID, "name": ID, "paymentMethod": ID,
    "transactionId": ID, "deliveryTaskId": ID, "driverId": ID, "botStatus": ID,
    "templateId": (5, "", "x" * 257, []),
    "text": (5, None, "x" * 65537, []),
    "timestamp": MOMENT, "updatedAt": MOMENT, "completedAt": MOMENT,
    "totalAmount": AMOUNT, "price": AMOUNT, "amount": AMOUNT,
    "items": ({}, None, "x", 5), "mediaIds": ({}, None, "x"),
    "stock": (1.5, "1", None, True),
    "location": (5, [], True), "signature": (5, [], True), "reason": (5, None, []),
}  # fmt: skip
OPTIONAL = {"templateId"}

FIELDS = [(type_, name) for type_, sample in SAMPLES.items() for name in sample]


def refused(type_: str, data: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidEvent) as caught:
        check_publishable(type_, data)
    assert all(error.pointer in caught.value.message for error in caught.value.errors)
    return [(error.pointer, error.message) for error in caught.value.errors]


def test_all_ten_have_a_sample() -> None:
    assert SAMPLES.keys() == CORE_TYPES.keys()
    assert len(SAMPLES) == 10
    for type_, schema in CORE_TYPES.items():
        assert SAMPLES[type_].keys() == set(schema.__struct_fields__)


@pytest.mark.parametrize("type_", SAMPLES)
def test_a_core_event_is_accepted(type_: str) -> None:
    check_publishable(type_, SAMPLES[type_])
    check_publishable(type_, SAMPLES[type_] | {"more": {"of": ["this"]}})


@pytest.mark.parametrize(("type_", "name"), FIELDS)
def test_a_field_that_is_missing_is_named(type_: str, name: str) -> None:
    without = {key: value for key, value in SAMPLES[type_].items() if key != name}
    if name in OPTIONAL:
        check_publishable(type_, without)
    else:
        assert refused(type_, without) == [(f"/data/{name}", "required")]


@pytest.mark.parametrize(("type_", "name"), FIELDS)
def test_a_field_of_the_wrong_kind_is_named(type_: str, name: str) -> None:
    for value in WRONG[name]:
        [(pointer, message)] = refused(type_, SAMPLES[type_] | {name: value})
        assert pointer == f"/data/{name}", value
        assert message


def test_all_that_is_wrong_is_named_at_once() -> None:
    wrong = refused("product_updated", {"name": 5, "price": -1, "stock": 2, "mediaIds": ["m", 7]})
    assert [pointer for pointer, _ in wrong] == [
        "/data/productId", "/data/name", "/data/price", "/data/mediaIds/1",
    ]  # fmt: skip


def test_nothing_at_all_names_everything() -> None:
    for type_, sample in SAMPLES.items():
        expected = {(f"/data/{name}", "required") for name in sample.keys() - OPTIONAL}
        assert set(refused(type_, {})) == expected


# ── who may publish what ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("type_", sorted(PUBLISHED_TYPES))
def test_receipts_are_free(type_: str) -> None:
    check_publishable(type_, {})
    check_publishable(type_, {"anything": [1]})


@pytest.mark.parametrize("type_", sorted(HUB_TYPES))
def test_the_hub_alone_writes_its_types(type_: str) -> None:
    with pytest.raises(Forbidden) as caught:
        check_publishable(type_, {})
    assert caught.value.errors[0].pointer == "/type"


def test_no_type_has_two_owners() -> None:
    assert not HUB_TYPES & (CORE_TYPES.keys() | PUBLISHED_TYPES)
    assert not PUBLISHED_TYPES & CORE_TYPES.keys()
    assert all("_" in type_ for type_ in (*HUB_TYPES, *CORE_TYPES, *PUBLISHED_TYPES))


@pytest.mark.parametrize("type_", ["order_create", "Order_created", "order_created ", "_", "a_b"])
def test_an_unknown_type_is_told_what_is_known(type_: str) -> None:
    with pytest.raises(UnknownType) as caught:
        check_publishable(type_, {})
    assert all(known in caught.value.message for known in (*CORE_TYPES, "message_read", "custom_*"))


def test_an_unknown_type_is_not_echoed_whole() -> None:
    with pytest.raises(UnknownType) as caught:
        check_publishable("x_" + "y" * 100_000, {})
    assert len(caught.value.message) < 1000


# ── locate ───────────────────────────────────────────────────────────────────────────────────────


class Inner(msgspec.Struct):
    size: int = 0


class Outer(msgspec.Struct, rename={"odd": "a/b~c"}):
    inner: Inner | None = None
    many: list[Inner] = []
    by_name: dict[str, Inner] = {}
    odd: int = 0
    needed: dict[str, Any] | None = None


@pytest.mark.parametrize(
    ("kind", "value", "pointer", "message"),
    [
        (Outer, {"inner": {"size": "x"}}, "/inner/size", "expected int, got str"),
        (Outer, {"many": [{}, {"size": None}]}, "/many/1/size", "expected int, got null"),
        (Outer, {"by_name": {"x": {"size": 1.5}}}, "/by_name", "expected int, got float"),
        (Outer, {"a/b~c": "x"}, "/a~1b~0c", "expected int, got str"),
        (Outer, [], "", "expected object, got array"),
        (Subscribe, {"type": "subscribe", "types": ["a", 1]}, "/types/1", "expected str, got int"),
        (Batch, {"type": "batch", "events": 1}, "/events", "expected array, got int"),
    ],
)
def test_locate_points_into_what_was_sent(
    kind: type, value: object, pointer: str, message: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)
    assert locate(str(caught.value)) == (pointer, message)


class Needs(msgspec.Struct):
    inner: "NeedsMore"


class NeedsMore(msgspec.Struct):
    size: int


def test_locate_names_what_is_missing() -> None:
    wanting: dict[str, Any] = {"/inner": {}, "/inner/size": {"inner": {}}}
    for pointer, value in wanting.items():
        with pytest.raises(msgspec.ValidationError) as caught:
            msgspec.convert(value, Needs)
        assert locate(str(caught.value)) == (pointer, "required")


@pytest.mark.parametrize("text", ["", "odd", "words - at `nowhere`", "a\nb - at `$.x`"])
def test_locate_takes_any_words(text: str) -> None:
    pointer, message = locate(text)
    assert pointer in ("", "/x")
    assert isinstance(message, str)
