"""What may become of an order and of a delivery task, as tables.

A state that leads nowhere is an end. Whoever asks for the state that a row has already asks for
nothing: that is no transition, and always allowed.
"""

from collections.abc import Mapping
from typing import TypeVar

from hub.protocol.errors import Conflict, invalid
from storage.merchant_records import DeliveryStatus, OrderStatus, PaymentStatus

S = TypeVar("S", bound=str)
Transitions = Mapping[S, tuple[S, ...]]

ORDER: Transitions[OrderStatus] = {
    "pending": ("confirmed", "cancelled"),
    "confirmed": ("preparing", "cancelled"),
    "preparing": ("dispatched", "cancelled"),
    # Goods that could not be handed over come back.
    "dispatched": ("delivered", "cancelled"),
    "delivered": (),
    "cancelled": (),
}
"""Step by step to the customer; the goods return to the stock when it is cancelled."""

DELIVERY: Transitions[DeliveryStatus] = {
    "pending": ("accepted", "cancelled"),
    "accepted": ("arrived", "cancelled"),
    "arrived": ("in_transit", "cancelled"),
    # The driver has the goods: it ends at the customer's door, one way or the other.
    "in_transit": ("delivered", "failed"),
    "delivered": (),
    "failed": (),
    "cancelled": (),
}
"""A driver accepts, arrives where the goods are, leaves with them, and hands them over."""


def check(table: Transitions[S], what: str, old: S, new: S) -> None:
    """Check that a row may go from one state to another.

    Args:
        what: a row is called.

    Raises:
        Conflict: it may not; the message says which states may follow.
    """
    if new == old or new in table[old]:
        return
    following = " or ".join(table[old])
    message = f"the {what} is {old}; " + (
        f"it can become {following}, not {new}" if following else "that is its end"
    )
    raise invalid(Conflict, "/status", message)


def payment_status(total: int, paid: int) -> PaymentStatus:
    """How much of an order is paid.

    Args:
        total: of the order, in minor units.
        paid: the sum of its payments, in minor units; at most the total.
    """
    if paid >= total:
        return "paid"
    return "partial" if paid else "unpaid"
