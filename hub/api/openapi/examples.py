"""Examples that a hub accepts: made of the examples of fields, and of a table for the others.

One id stands for the row of every resource. What an example makes has it, and what an example
reads, changes or names has it too: on a fresh hub they work one after the other.
"""

from typing import Any

from msgspec import Struct
from msgspec import inspect as types

ID = "01993e5c-7a40-7000-8000-000000000000"
TIME = "2026-11-22T10:00:00.123Z"

_BY_NAME: dict[str, Any] = {
    "address": "203.0.113.7", "agent": "Mozilla/5.0", "amount": 900, "body": "Hello {{name}}",
    "count": 1, "currency": "USD", "customer_phone": "+263771234567", "duplicate": False,
    "epoch": "k3Jx0c9QmVw", "expires_in": 30, "language": "en", "limit": 100, "message": "Done.",
    "method": "cash", "name": "Espresso", "offset": 1042, "phone": "+263771234567", "price": 450,
    "q": "espresso", "quantity": 2, "role": "bot", "source": "bot:till-1", "stock": 25,
    "status": "pending", "subject": f"order/{ID}", "success": True, "token": "hub_b_…",
    "total": 900, "transaction_id": "TX-1", "type": "custom_note", "url": "https://example.com/hook",
    "version": 1,
}  # fmt: skip
"""For fields whose type has no example of its own."""

BODIES: dict[str, dict[str, Any]] = {
    "delivery_tasks.create": {
        "id": ID, "order_id": ID, "driver_id": "driver-7", "estimated_time_minutes": 25, "fee": 150,
    },
    "delivery_tasks.set_status": {"status": "cancelled"},
    "delivery_tasks.update": {"driver_id": "driver-8", "notes": "The gate at the back"},
    "jobs.cancel_all": {"queue": "message_sending", "state": "queued,scheduled"},
    "jobs.discard_all": {"state": "succeeded"},
    "jobs.retry_all": {"queue": "message_sending", "state": "dead"},
    "media.upload": {
        "id": ID, "file_name": "tea.png",
        "file_data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGPga4gB"
        "AAGKAOsl80UQAAAAAElFTkSuQmCC",
    },
    "merchants.update": {"name": "Corner shop"},
    "messages.bulk": {
        "template": "order_status", "variables": {"status": "ready"},
        "recipients": [
            {
                "to": "+263771234567",
                "variables": {"order_id": "ORD-1", "delivery_date": "2026-11-22"},
            },
            {
                "to": "+263772345678",
                "variables": {"order_id": "ORD-2", "delivery_date": "2026-11-23"},
            },
        ],
    },
    "messages.send": {
        "id": ID, "to": "+263771234567", "template": "payment_request",
        "variables": {"order_id": "ORD-1", "amount": "9.00"},
    },
    "orders.create": {
        "id": ID, "customer_phone": "+263771234567", "items": [{"product_id": ID, "quantity": 2}],
        "notes": "No sugar",
    },
    "orders.pay": {"amount": 900, "method": "cash", "transaction_id": "TX-1"},
    "orders.set_status": {"status": "confirmed"},
    "orders.update": {"notes": "Two sugars"},
    "products.create": {
        "id": ID, "name": "Espresso", "category": "Coffee", "price": 450, "currency": "USD",
        "stock": 25,
    },
    "products.set_media": {"media_ids": []},
    "products.update": {"price": 500},
    "recurring.create": {
        "id": ID, "name": "Good morning", "task": "send", "schedule": "30 9 * * MON-FRI",
        "time_zone": "Africa/Harare", "args": {"to": "+263771234567", "text": "We are open."},
    },
    "recurring.update": {"schedule": "0 10 * * MON-FRI"},
    "templates.create": {
        "id": ID, "name": "order_ready", "type": "buttons",
        "body": "Order {{order_id}} is ready, {{name}}.", "footer": "Thank you",
        "buttons": [{"id": "coming", "label": "On my way"}, {"id": "later", "label": "Later"}],
    },
    "templates.preview": {"template_id": ID, "variables": {"order_id": "ORD-1", "name": "Rudo"}},
    "templates.update": {"footer": "See you soon"},
}  # fmt: skip
"""Bodies of commands whose fields' own examples do not make one that says something."""


def example(kind: Any, name: str = "") -> Any:
    """A whole example of a type: every member of a Struct has a value.

    Args:
        name: of the field, where it is one.
    """
    return _of(types.type_info(kind), name, whole=True)


def request(kind: type[Struct], without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What a caller would say: what is required, and the fields that have an example.

    Args:
        without: names of fields that stand elsewhere.
    """
    info = types.type_info(kind)
    assert isinstance(info, types.StructType)
    said = _struct(info, whole=False)
    return {name: value for name, value in said.items() if name not in without}


def of_field(kind: type[Struct], name: str) -> Any:
    """The example of one field, by its name on the wire; None where a caller leaves it out."""
    return request(kind).get(name)


def _of(info: types.Type, name: str, *, whole: bool) -> Any:
    match info:
        case types.Metadata():
            given = (info.extra_json_schema or {}).get("examples")
            return given[0] if given else _of(info.type, name, whole=whole)
        case types.StructType():
            return _struct(info, whole=whole)
        case types.UnionType():
            # A reader of the document learns more from a value than from null.
            kinds = [each for each in info.types if not isinstance(each, types.NoneType)]
            return _of(kinds[0], name, whole=whole)
        case types.ListType() | types.VarTupleType():
            return [_of(info.item_type, name.removesuffix("s"), whole=whole)]
        case types.TupleType():
            return [_of(each, name, whole=whole) for each in info.item_types]
        case types.DictType():
            return {}
        case types.LiteralType():
            known = _BY_NAME.get(name)
            return known if known in info.values else info.values[0]
        case types.EnumType():
            return next(iter(info.cls)).value
        case types.BoolType():
            return _BY_NAME.get(name, True)
        case types.IntType() | types.FloatType():
            return _number(info, name)
        case types.StrType():
            return _text(name)
        case types.NoneType():
            return None
        case _:
            return _BY_NAME.get(name, {})


def _struct(info: types.StructType, *, whole: bool) -> dict[str, Any]:
    tag = {info.tag_field: info.tag} if info.tag_field is not None else {}
    return tag | {
        each.encode_name: _of(each.type, each.encode_name, whole=whole)
        for each in info.fields
        if whole or each.required or _shown(each)
    }


def _shown(field: types.Field) -> bool:
    """Whether a caller would say it though it need not: its type has an example of its own."""
    kinds = field.type.types if isinstance(field.type, types.UnionType) else (field.type,)
    return any(
        isinstance(each, types.Metadata) and "examples" in (each.extra_json_schema or {})
        for each in kinds
    )


def _number(info: types.IntType | types.FloatType, name: str) -> float:
    least = info.ge if info.ge is not None else 0
    known = _BY_NAME.get(name)
    fits = isinstance(known, int) and known >= least and (info.le is None or known <= info.le)
    return known if fits else least  # type: ignore[return-value]


def _text(name: str) -> str:
    if name == "id" or name.endswith(("_id", "_by")) or name in ("next", "hash"):
        return ID
    if name.endswith("_at") or name in ("timestamp", "from", "to"):
        return TIME
    known = _BY_NAME.get(name)
    return known if isinstance(known, str) else "text"
