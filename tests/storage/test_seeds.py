"""Every merchant has three templates from the start, once, whoever makes it."""

import asyncio
import re

from msgspec import json

from hub.operate.first_start import seed_merchants
from hub.protocol.ids import Uuid7Source
from storage import merchants, seeds, templates
from storage.database import Database, Transaction
from storage.merchant_records import Template
from storage.scope import HUB
from tests.storage.samples import LATER, NOW, OURS, THEIRS, new_id, read, template, write
from tests.storage.support import rows

NAMES = ["order_confirmation", "payment_request", "order_status"]


async def add(database: Database, id_: str = "m1") -> list[Template]:
    _, made = await database.write(
        lambda tx: merchants.insert(tx, id_, "name", NOW, Uuid7Source()), HUB
    )
    return made


async def forget(database: Database, id_: str) -> None:
    """A merchant as an older version has made it."""

    async def work(tx: Transaction) -> None:
        for name in NAMES:
            await templates.delete(tx, (await templates.by_name(tx, name)).id)

    await write(database, work, OURS if id_ == "m1" else THEIRS)
    await database.maintain(
        lambda tx: tx.execute("UPDATE merchants SET seeded_at = NULL WHERE id = ?", (id_,))
    )


async def test_a_merchant_is_made_with_its_templates(database: Database) -> None:
    made = await add(database)
    assert [found.name for found in made] == NAMES
    assert await read(database, lambda tx: templates.page(tx, "", 9)) == made
    for found in made:
        assert (found.status, found.version, found.created_by) == ("active", 1, None)
        kept = await read(database, lambda tx, id_=found.id: templates.version(tx, id_, 1))  # type: ignore[misc]
        assert (kept.name, kept.body, kept.status) == (found.name, found.body, "active")
    assert await rows(database, "SELECT seeded_at, version FROM merchants") == [(NOW, 1)]


async def test_the_templates_say_what_is_wanted() -> None:
    made = {found.name: found for found in seeds.default_templates("m1", NOW, new_id)}
    variables = {
        "order_confirmation": ["order_id", "amount", "eta"],
        "payment_request": ["order_id", "amount"],
        "order_status": ["order_id", "status", "delivery_date"],
    }
    buttons = {
        "order_confirmation": ["track", "help"],
        "payment_request": ["pay_now", "cancel"],
        "order_status": [],
    }
    assert list(made) == NAMES
    for name, found in made.items():
        assert found.variables == variables[name]
        assert [button.id for button in found.buttons or []] == buttons[name]
        assert found.type == ("buttons" if buttons[name] else "text")
        assert 0 < len(found.description) <= 200
        text = json.encode((found.header, found.body, found.footer, found.buttons)).decode()
        assert set(re.findall(r"{{(\w+)}}", text)) == set(found.variables)
        assert set(found.example_payload or {}) == set(found.variables)
        # WhatsApp's limits, filled in too.
        body = found.body or ""
        for variable, value in (found.example_payload or {}).items():
            body = body.replace(f"{{{{{variable}}}}}", value)
        assert "{{" not in body
        assert 0 < len(body) <= 1024
        assert len(found.header or "") <= 60
        assert len(found.footer or "") <= 60
        labels = [button.label for button in found.buttons or []]
        assert all(0 < len(label) <= 20 for label in labels)
        assert len(set(labels)) == len(labels) <= 3


async def test_merchants_of_an_older_version_are_seeded_once(database: Database) -> None:
    for id_ in ("m1", "m2"):
        await add(database, id_)
        await forget(database, id_)
    assert await database.read(lambda tx: seeds.unseeded(tx, 9), HUB) == ["m1", "m2"]
    assert await database.read(lambda tx: seeds.unseeded(tx, 1), HUB) == ["m1"]
    own = template(name="order_status")
    await write(database, lambda tx: templates.insert(tx, own, new_id))
    assert await seed_merchants(database) == 2
    assert await seed_merchants(database) == 0
    assert await database.read(lambda tx: seeds.unseeded(tx, 9), HUB) == []
    found = await read(database, lambda tx: templates.page(tx, "", 9))
    assert sorted(one.name for one in found) == sorted(NAMES)
    assert own in found, "a template of the merchant's own stays"
    theirs = await read(database, lambda tx: templates.page(tx, "", 9), THEIRS)
    assert [one.name for one in theirs] == NAMES
    assert {one.merchant_id for one in theirs} == {"m2"}


async def test_two_hubs_that_start_at_once_seed_once(database: Database) -> None:
    await add(database)
    await forget(database, "m1")
    counts = await asyncio.gather(*(seed_merchants(database) for _ in range(4)))
    assert sum(counts) >= 1
    found = await read(database, lambda tx: templates.page(tx, "", 9))
    assert [one.name for one in found] == NAMES


async def test_a_merchant_is_seeded_no_second_time(database: Database) -> None:
    await add(database)
    again = await write(database, lambda tx: seeds.seed(tx, "m1", LATER, new_id))
    assert again == []
    assert await write(database, lambda tx: seeds.seed(tx, "m1", LATER, new_id), THEIRS) == []
    assert await rows(database, "SELECT seeded_at FROM merchants") == [(NOW,)]
