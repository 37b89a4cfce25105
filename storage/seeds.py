"""The templates that every merchant has from the start."""

from collections.abc import Callable

from . import templates
from .database import Transaction
from .merchant_records import Button, Template
from .scope import scoped


def default_templates(merchant_id: str, now: str, new_id: Callable[[], str]) -> list[Template]:
    """The three of them, active and within WhatsApp's limits."""

    def button(id_: str, label: str) -> Button:
        return Button(id=id_, label=label, callback_data=id_)

    return [
        Template(
            id=new_id(),
            merchant_id=merchant_id,
            name="order_confirmation",
            description="Says that an order has arrived, what it costs and when it comes",
            type="buttons",
            header="Order confirmed",
            body=(
                "Thank you! Your order {{order_id}} is confirmed.\n"
                "Total: {{amount}}\nEstimated delivery: {{eta}}"
            ),
            footer="Tap a button below",
            buttons=[button("track", "Track order"), button("help", "Get help")],
            variables=["order_id", "amount", "eta"],
            example_payload={"order_id": "A-1042", "amount": "€ 24.90", "eta": "30 minutes"},
            status="active",
            created_at=now,
            updated_at=now,
        ),
        Template(
            id=new_id(),
            merchant_id=merchant_id,
            name="payment_request",
            description="Asks for the payment of an order",
            type="buttons",
            header="Payment due",
            body="Your order {{order_id}} waits for the payment of {{amount}}.",
            footer="Tap a button below",
            buttons=[button("pay_now", "Pay now"), button("cancel", "Cancel order")],
            variables=["order_id", "amount"],
            example_payload={"order_id": "A-1042", "amount": "€ 24.90"},
            status="active",
            created_at=now,
            updated_at=now,
        ),
        Template(
            id=new_id(),
            merchant_id=merchant_id,
            name="order_status",
            description="Says how far an order is",
            type="text",
            body=(
                "Your order {{order_id}} is {{status}}.\nExpected delivery: {{delivery_date}}"
            ),
            variables=["order_id", "status", "delivery_date"],
            example_payload={
                "order_id": "A-1042", "status": "on its way", "delivery_date": "24 November",
            },
            status="active",
            created_at=now,
            updated_at=now,
        ),
    ]  # fmt: skip


async def seed(
    tx: Transaction, merchant_id: str, now: str, new_id: Callable[[], str]
) -> list[Template]:
    """Give a merchant its templates, once; a template of the same name is left as it is.

    Args:
        new_id: gives the ids of templates and of their versions.

    Returns:
        The templates that were made; none when the merchant had been given them before.
    """
    where, params = scoped(tx, column="id")
    # Of two hubs that start at once, the second waits for this row and then finds it changed.
    changed = await tx.execute(
        f"UPDATE merchants SET seeded_at = ? WHERE {where} AND id = ?"  # noqa: S608
        " AND seeded_at IS NULL",
        (now, *params, merchant_id),
    )
    if changed == 0:
        return []
    made = []
    for template in default_templates(merchant_id, now, new_id):
        if not await templates.has_name(tx, merchant_id, template.name):
            made.append(await templates.insert(tx, template, new_id))
    return made


async def unseeded(tx: Transaction, limit: int) -> list[str]:
    """The ids of up to `limit` merchants that were never given their templates."""
    where, params = scoped(tx, column="id")
    rows = await tx.fetch(
        f"SELECT id FROM merchants WHERE {where} AND seeded_at IS NULL"  # noqa: S608
        " ORDER BY id LIMIT ?",
        (*params, limit),
    )
    return [id_ for (id_,) in rows]
