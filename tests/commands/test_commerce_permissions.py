"""Who may do what in a shop: each command by each role, with own rows and with foreign ones."""

from typing import Any

import pytest

from hub.commands import delivery_tasks, orders, payments, products
from tests.commands.shop import PHONE, Shop, wanted

pytestmark = pytest.mark.both_engines

COMMANDS = [
    *products.COMMANDS, *orders.COMMANDS, *payments.COMMANDS, *delivery_tasks.COMMANDS,
]  # fmt: skip

# Who may, besides an admin: m(erchant), v(iewer), b(ot).
ALLOWED = {
    "products.list": "mvb", "products.search": "mvb", "products.get": "mvb",
    "products.create": "m", "products.update": "m", "products.delete": "m",
    "products.media": "mvb", "products.set_media": "m",
    "orders.list": "mvb", "orders.get": "mvb", "orders.create": "mb", "orders.update": "mb",
    "orders.set_status": "mb", "orders.delete": "m", "orders.timeline": "mvb", "orders.pay": "mb",
    "orders.payments": "mvb",
    "delivery_tasks.list": "mvb", "delivery_tasks.get": "mvb", "delivery_tasks.create": "mb",
    "delivery_tasks.update": "mb", "delivery_tasks.set_status": "mb", "delivery_tasks.delete": "m",
}  # fmt: skip
PEOPLE = {"admin": "a", "merchant": "m", "viewer": "v", "bot": "b"}
THEIRS = {"owner": "m", "reader": "v", "driver": "b"}


def test_every_command_is_in_the_table() -> None:
    assert {command.name for command in COMMANDS} == set(ALLOWED)
    for command in COMMANDS:
        assert command.roles == {
            role for role, letter in PEOPLE.items() if letter in "a" + ALLOWED[command.name]
        }


async def rows(shop: Shop) -> dict[str, Any]:
    """A fresh row of each kind, of the first merchant."""
    product = await shop.product()
    order = await shop.step(await shop.order((product, 1)), "cancelled")
    open_ = await shop.order((product, 1))
    body = {"order_id": open_["id"], "driver_id": "d"}
    task = (await shop.done("POST", "/delivery-tasks", body))["delivery_task"]
    return {"product": product, "order": open_, "cancelled": order, "task": task}


def request(name: str, made: dict[str, Any], number: int) -> tuple[str, Any, dict[str, Any]]:
    """A good request of a command: the id in its path, its body, and its query."""
    product, order, task = made["product"]["id"], made["order"]["id"], made["task"]["id"]
    return {
        "products.list": ("", None, {}),
        "products.search": ("", None, {"q": "tea"}),
        "products.get": (product, None, {}),
        "products.create": ("", {"name": "Cup", "price": 1, "currency": "USD"}, {}),
        "products.update": (product, {"price": number + 1}, {}),
        "products.delete": (product, None, {}),
        "products.media": (product, None, {}),
        "products.set_media": (product, {"media_ids": []}, {}),
        "orders.list": ("", None, {}),
        "orders.get": (order, None, {}),
        "orders.create": (
            "", {"customer_phone": PHONE, "items": wanted((made["product"], 1))}, {},
        ),
        "orders.update": (order, {"notes": f"{number}"}, {}),
        "orders.set_status": (order, {"status": "confirmed"}, {}),
        "orders.delete": (made["cancelled"]["id"], None, {}),
        "orders.timeline": (order, None, {}),
        "orders.pay": (order, {"amount": 1, "method": "cash", "transaction_id": f"{number}"}, {}),
        "orders.payments": (order, None, {}),
        "delivery_tasks.list": ("", None, {}),
        "delivery_tasks.get": (task, None, {}),
        "delivery_tasks.create": ("", {"order_id": order}, {}),
        "delivery_tasks.update": (task, {"fee": number + 1}, {}),
        "delivery_tasks.set_status": (task, {"status": "accepted"}, {}),
        "delivery_tasks.delete": (task, None, {}),
    }[name]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
async def test_who_may(shop: Shop, command: Any) -> None:
    method, _, template = command.http.partition(" ")
    made = await rows(shop)
    for number, (who, letter) in enumerate({**THEIRS, **PEOPLE}.items()):
        id_, body, query = request(command.name, made, number)
        path = template.removeprefix("/api").replace("{id}", id_)
        if who == "admin" and not id_:
            (query if body is None else body)["merchant_id"] = shop.hub.merchant_id
        end = await shop.end()
        answer = await shop.ask(method, path, body, who=who, **query)
        if letter not in "a" + ALLOWED[command.name]:
            assert answer.status == 403, (who, answer.body)
        elif who in PEOPLE:
            assert answer.status == command.status, (who, answer.body)
            if command.events:
                made = await rows(shop)
            continue
        elif id_:
            assert answer.status == 404, (who, answer.body)
        elif body is None:
            assert answer.json()["count"] == 0, who
        elif command.name == "products.create":
            assert answer.json()["product"]["merchant_id"] == shop.hub.other_merchant
        else:
            # What it is about is another merchant's: as if it were not there.
            assert answer.status == 422, (who, answer.body)
        assert await shop.events(end) == [], f"{who} has changed something"
