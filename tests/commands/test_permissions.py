"""Who may do what: every command by every role at both doors, with own rows and with foreign ones.

A command that is not in `TABLE` fails a test, so that none comes without its place here.
"""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest
from msgspec.structs import fields

from hub.commands.command import Command
from hub.commands.table import COMMANDS
from hub.settings import Settings
from hub.tokens import Role
from storage import (
    deliveries,
    jobs,
    media,
    messages,
    orders,
    products,
    recurring,
    templates,
    webhook_logs,
    webhooks,
)
from storage.database import Database, Transaction
from storage.scope import HUB
from tests.api.pictures import fresh
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.storage import samples
from tests.support.rest import call as rest
from tests.support.rest import new_key
from tests.support.ws import Socket, connect

pytestmark = pytest.mark.both_engines

Body = dict[str, Any]
LETTERS: dict[str, Role] = {"a": "admin", "m": "merchant", "v": "viewer", "b": "bot"}
ACTORS = ("admin", "narrowed", "merchant", "viewer", "bot")
"""Of the first merchant; `narrowed` is an admin's connection that works for it alone."""

PHONE = "263771234567"


class World:
    """A hub with two merchants, and fresh rows of either."""

    def __init__(self, hub: LocalHub, stack: AsyncExitStack) -> None:
        self.hub = hub
        self._stack = stack
        self._sockets: dict[str, Socket] = {}

    async def row(self, kind: str, merchant_id: str) -> str:
        """A row of a merchant that no command has touched; its id."""
        if kind == "merchant":
            return merchant_id
        if kind == "key":
            return (await new_key(self.hub, self.hub.keys["admin"], "viewer", merchant_id))[1]
        if kind == "session":
            token, _ = await new_key(self.hub, self.hub.keys["admin"], "viewer", merchant_id)
            socket = await self._stack.enter_async_context(connect(self.hub, token))
            return str((await socket.next(type="connected"))["session"])
        return await self._stored(kind, merchant_id)

    async def _stored(self, kind: str, merchant_id: str) -> str:
        own = {"merchant_id": merchant_id}
        product = samples.product(stock=9, **own)
        order = samples.order(status="cancelled" if kind == "cancelled_order" else "pending", **own)
        template = samples.template(name=f"t_{product.id[-12:]}_{product.id[14:18]}", **own)
        task = samples.task(order.id, driver_id="d", **own)
        message = samples.message(phone=PHONE, **own)
        webhook = samples.webhook(**own)
        again = samples.recurring_job(name=f"t {product.id}", **own)
        job = samples.job(state="dead" if kind == "dead_job" else "queued", **own)
        file = samples.file(hash=product.id.replace("-", "") * 2, **own)

        async def work(tx: Transaction) -> str:
            if kind == "product":
                return (await products.insert(tx, product)).id
            if kind == "message":
                return (await messages.insert(tx, message)).id
            if kind == "template":
                return (await templates.insert(tx, template, samples.new_id)).id
            if kind == "media":
                return (await media.insert(tx, file)).id
            if kind == "webhook":
                return (await webhooks.insert(tx, webhook)).id
            if kind == "delivered":
                attempt = samples.attempt(webhook.id, delivery_id=webhook.id, **own)
                await webhooks.insert(tx, webhook)
                return (await webhook_logs.insert(tx, attempt)).delivery_id
            if kind == "recurring":
                return (await recurring.insert(tx, again)).id
            if kind in ("job", "dead_job"):
                return (await jobs.insert(tx, job)).id
            await orders.insert(tx, order)
            if kind == "task":
                return (await deliveries.insert(tx, task)).id
            return order.id

        return await self.hub.database.write(work, HUB)

    async def changes(self) -> int:
        """How many changes of rows the audit has."""

        async def count(tx: Transaction) -> int:
            [(found,)] = await tx.fetch("SELECT count(*) FROM audit_logs WHERE TRUE")
            return int(found)

        return await self.hub.database.read(count, HUB)

    # ── the doors ────────────────────────────────────────────────────────────────────────────

    async def by_call(self, actor: str, command: Command, params: Body) -> str:
        """What comes of a command over the socket: `works`, or the code of an error."""
        socket = await self._socket(actor)
        await socket.send({"type": "call", "ref": "r", "method": command.name, "params": params})
        while True:
            frame = await socket.next()
            if frame.get("ref") == "r":
                return "works" if frame["type"] == "reply" else str(frame["code"])

    async def _socket(self, actor: str) -> Socket:
        if actor not in self._sockets:
            narrowed = actor == "narrowed"
            key = self.hub.keys["admin" if narrowed else actor]
            query = f"merchant_id={self.hub.merchant_id}" if narrowed else ""
            opening = connect(self.hub, key, query=query)
            self._sockets[actor] = await self._stack.enter_async_context(opening)
        return self._sockets[actor]

    async def by_rest(self, actor: str, command: Command, params: Body) -> str:
        """The same over HTTP."""
        assert command.http is not None
        method, _, path = command.http.partition(" ")
        rest_ = {name: value for name, value in params.items() if f"{{{name}}}" not in path}
        path = path.format(**params)
        in_query = method in ("GET", "DELETE")
        answer = await rest(
            self.hub, method, path, None if in_query else rest_, key=self.hub.keys[actor],
            query=rest_ if in_query else None,
        )  # fmt: skip
        if answer.status == command.status:
            return "works"
        return str(answer.json()["code"])


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[World]:
    settings = Settings(rate_limit=None, call_rate=None)
    async with running(await prepared(database), settings) as hub, AsyncExitStack() as stack:
        yield World(hub, stack)


# ── the table ────────────────────────────────────────────────────────────────────────────────────

Fill = Callable[[World, str], Awaitable[Body]]


class Row(NamedTuple):
    """Who may use a command, and good params of it about a merchant.

    Attributes:
        who: the letters of the roles.
        fill: the params; `merchant_id` is added where a command takes it.
        narrowed: what comes of it for an admin that works for one merchant.
    """

    who: str
    fill: Fill
    narrowed: str = "works"


def said(**params: Any) -> Fill:
    """Params that name no row."""

    async def fill(world: World, merchant_id: str) -> Body:
        return dict(params)

    return fill


def of(kind: str, field: str = "id", **params: Any) -> Fill:
    """Params that name a fresh row of a merchant."""

    async def fill(world: World, merchant_id: str) -> Body:
        return {field: await world.row(kind, merchant_id), **params}

    return fill


async def an_order(world: World, merchant_id: str) -> Body:
    item = {"product_id": await world.row("product", merchant_id), "quantity": 1}
    return {"customer_phone": "+263771234567", "items": [item]}


async def a_recurring_job(world: World, merchant_id: str) -> Body:
    return {
        "name": f"Daily {samples.new_id()}", "task": "send", "schedule": "0 9 * * *",
        "args": {"to": PHONE, "text": "Hello"},
    }  # fmt: skip


async def a_conversation(world: World, merchant_id: str) -> Body:
    await world.row("message", merchant_id)
    return {"phone": PHONE}


async def replayed(world: World, merchant_id: str) -> Body:
    delivery = await world.row("delivered", merchant_id)
    return {"id": delivery, "delivery_id": delivery}


CONTENT = {"type": "text", "body": "Hello"}
BETWEEN: Body = {"from": 1, "to": 1}
HOOK = {"url": "https://shop.example/hook", "event_types": ["order_*"]}
PICTURE = base64.b64encode(fresh()).decode()
TABLE: dict[str, Row] = {
    "audit.list": Row("am", said()),
    "conversations.get": Row("amvb", a_conversation),
    "conversations.list": Row("amvb", said()),
    "delivery_tasks.create": Row("amb", of("order", "order_id")),
    "delivery_tasks.delete": Row("am", of("task")),
    "delivery_tasks.get": Row("amvb", of("task")),
    "delivery_tasks.list": Row("amvb", said()),
    "delivery_tasks.set_status": Row("amb", of("task", status="accepted")),
    "delivery_tasks.update": Row("amb", of("task", notes="door code 7")),
    "health.show": Row("amvb", said()),
    "jobs.cancel": Row("am", of("job")),
    "jobs.cancel_all": Row("am", said(queue="media_processing")),
    "jobs.discard": Row("am", of("dead_job")),
    "jobs.discard_all": Row("am", said(queue="media_processing")),
    "jobs.get": Row("amv", of("job")),
    "jobs.list": Row("amv", said()),
    "jobs.retry": Row("am", of("dead_job")),
    "jobs.retry_all": Row("am", said(queue="media_processing")),
    "jobs.status": Row("amvb", of("job")),
    "keys.create": Row("am", said(role="viewer", name="anna")),
    "keys.list": Row("am", said()),
    "keys.revoke": Row("am", of("key")),
    "media.delete": Row("amb", of("media")),
    "media.get": Row("amvb", of("media")),
    "media.list": Row("amvb", said()),
    "media.upload": Row("amb", said(file_data=PICTURE, file_name="a.png")),
    "merchants.create": Row("a", said(name="third"), narrowed="forbidden"),
    "merchants.get": Row("amvb", of("merchant")),
    "merchants.list": Row("amvb", said()),
    "merchants.update": Row("am", of("merchant", name="renamed")),
    "messages.bulk": Row("am", said(template="order_status", recipients=[{"to": PHONE}])),
    "messages.get": Row("amvb", of("message")),
    "messages.list": Row("amvb", said()),
    "messages.send": Row("amb", said(to=PHONE, text="Hello")),
    "orders.create": Row("amb", an_order),
    "orders.delete": Row("am", of("cancelled_order")),
    "orders.get": Row("amvb", of("order")),
    "orders.list": Row("amvb", said()),
    "orders.pay": Row("amb", of("order", amount=1, method="cash", transaction_id="t")),
    "orders.payments": Row("amvb", of("order")),
    "orders.process": Row("amb", of("order")),
    "orders.set_status": Row("amb", of("order", status="confirmed")),
    "orders.timeline": Row("amvb", of("order")),
    "orders.update": Row("amb", of("order", notes="no sugar")),
    "products.create": Row("am", said(name="Cup", price=1, currency="USD")),
    "products.delete": Row("am", of("product")),
    "products.get": Row("amvb", of("product")),
    "products.list": Row("amvb", said()),
    "products.media": Row("amvb", of("product")),
    "products.search": Row("amvb", said(q="cake")),
    "products.set_media": Row("am", of("product", media_ids=[])),
    "products.update": Row("am", of("product", price=7)),
    "queues.pause": Row("am", said(name="order_processing")),
    "queues.resume": Row("am", said(name="order_processing")),
    "queues.stats": Row("amv", said()),
    "recurring.create": Row("am", a_recurring_job),
    "recurring.delete": Row("am", of("recurring")),
    "recurring.get": Row("amv", of("recurring")),
    "recurring.list": Row("amv", said()),
    "recurring.update": Row("am", of("recurring", missed="skip")),
    "sessions.disconnect": Row("am", of("session")),
    "sessions.list": Row("am", said()),
    "templates.activate": Row("am", of("template")),
    "templates.archive": Row("am", of("template")),
    "templates.create": Row("am", said(name="brand_new", **CONTENT)),
    "templates.delete": Row("am", of("template")),
    "templates.diff": Row("amvb", of("template", **BETWEEN)),
    "templates.get": Row("amvb", of("template")),
    "templates.list": Row("amvb", said()),
    "templates.preview": Row("amvb", of("template", "template_id")),
    "templates.restore": Row("am", of("template", number=1)),
    "templates.update": Row("am", of("template", body="changed")),
    "templates.version": Row("amvb", of("template", number=1)),
    "templates.versions": Row("amvb", of("template")),
    "tickets.create": Row("amvb", said()),
    "webhooks.create": Row("am", said(**HOOK)),
    "webhooks.delete": Row("am", of("webhook")),
    "webhooks.get": Row("am", of("webhook")),
    "webhooks.list": Row("am", said()),
    "webhooks.logs": Row("am", of("webhook")),
    "webhooks.replay": Row("am", replayed),
    "webhooks.rotate": Row("am", of("webhook")),
    "webhooks.test": Row("am", of("webhook")),
    "webhooks.update": Row("am", of("webhook", is_active=False)),
}


def test_every_command_is_in_the_table_with_its_roles() -> None:
    assert TABLE.keys() == COMMANDS.keys()
    for name, row in TABLE.items():
        assert COMMANDS[name].roles == {LETTERS[letter] for letter in row.who}, name


def outcome(actor: str, command: Command, row: Row, params: Body, *, own: bool) -> str:
    """What is right."""
    role = "admin" if actor == "narrowed" else actor
    if role not in {LETTERS[letter] for letter in row.who}:
        return "forbidden"
    if actor == "admin":
        return "works"
    if own:
        return row.narrowed if actor == "narrowed" else "works"
    return "forbidden" if "merchant_id" in params else "not_found"


@pytest.mark.parametrize(
    ("door", "actor"),
    [*(("call", actor) for actor in ACTORS), *(("rest", a) for a in ACTORS if a != "narrowed")],
)
async def test_who_may(database: Database, door: str, actor: str) -> None:
    async with opened(database) as world:
        hub = world.hub
        wrong = []
        for name, row in TABLE.items():
            command = COMMANDS[name]
            if door == "rest" and command.http is None:
                continue
            takes = {field.encode_name for field in fields(command.params)}
            for own in (True, False):
                merchant_id = hub.merchant_id if own else hub.other_merchant
                params = await row.fill(world, merchant_id)
                if "merchant_id" in takes:
                    params["merchant_id"] = merchant_id
                if not own and not {"id", "merchant_id"} & params.keys():
                    continue  # it is about nobody's rows
                before = await world.changes()
                ask = world.by_call if door == "call" else world.by_rest
                found = await ask(actor, command, params)
                right = outcome(actor, command, row, params, own=own)
                if found != right:
                    wrong.append(f"{name} of {'own' if own else 'foreign'}: {found}, not {right}")
                elif right != "works" and await world.changes() != before:
                    wrong.append(f"{name}: refused, and has changed something")
        assert wrong == []
