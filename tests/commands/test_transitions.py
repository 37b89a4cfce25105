"""Every step from every state, and how much of an order is paid."""

from itertools import product
from typing import Any, get_args

import pytest

from hub.commands import transitions
from hub.protocol.errors import Conflict
from storage.merchant_records import DeliveryStatus, OrderStatus

ORDER = {
    "pending": "confirmed cancelled", "confirmed": "preparing cancelled",
    "preparing": "dispatched cancelled", "dispatched": "delivered cancelled",
    "delivered": "", "cancelled": "",
}  # fmt: skip
DELIVERY = {
    "pending": "accepted cancelled", "accepted": "arrived cancelled",
    "arrived": "in_transit cancelled", "in_transit": "delivered failed",
    "delivered": "", "failed": "", "cancelled": "",
}  # fmt: skip
PAIRS = [
    pytest.param(table, legal, old, new, id=f"{name}: {old} to {new}")
    for name, table, legal, states in (
        ("order", transitions.ORDER, ORDER, get_args(OrderStatus)),
        ("delivery", transitions.DELIVERY, DELIVERY, get_args(DeliveryStatus)),
    )
    for old, new in product(states, repeat=2)
]


@pytest.mark.parametrize(("table", "legal", "old", "new"), PAIRS)
def test_every_pair(table: Any, legal: dict[str, str], old: str, new: str) -> None:
    if new == old or new in legal[old].split():
        transitions.check(table, "row", old, new)
        return
    with pytest.raises(Conflict) as refused:
        transitions.check(table, "row", old, new)
    assert [error.pointer for error in refused.value.errors] == ["/status"]
    for following in legal[old].split():
        assert following in refused.value.message


@pytest.mark.parametrize("table", [transitions.ORDER, transitions.DELIVERY])
def test_every_state_is_reached_and_leads_to_an_end(table: Any) -> None:
    reached = ["pending"]
    for state in reached:
        reached += [following for following in table[state] if following not in reached]
    assert set(reached) == set(table)
    # From one state to the next never back: the way ends after as many steps as there are states.
    alive = set(table)
    for _ in table:
        alive = {state for state in alive if set(table[state]) & alive}
    assert alive == set()


@pytest.mark.parametrize(
    ("total", "paid", "status"),
    [(100, 0, "unpaid"), (100, 1, "partial"), (100, 99, "partial"), (100, 100, "paid"),
     (0, 0, "paid"), (1, 0, "unpaid"), (1, 1, "paid")],
)  # fmt: skip
def test_how_much_is_paid(total: int, paid: int, status: str) -> None:
    assert transitions.payment_status(total, paid) == status
