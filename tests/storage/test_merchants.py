"""Merchants."""

import pytest
from msgspec import structs

from hub.protocol.ids import Uuid7Source
from storage import merchants
from storage.database import Database
from storage.errors import Conflict, NotFound, Stale
from storage.records import Merchant
from storage.scope import HUB, Scope
from tests.storage.samples import LATER
from tests.storage.support import NOW


async def add(database: Database, id_: str, name: str = "name") -> Merchant:
    made, _ = await database.write(
        lambda tx: merchants.insert(tx, id_, name, NOW, Uuid7Source()), HUB
    )
    return made


async def test_a_merchant_comes_back_as_it_was(database: Database) -> None:
    made = await add(database, "m1", "Bäckerei 😀")
    assert made == Merchant("m1", "Bäckerei 😀", 1, NOW, NOW)
    assert await database.read(lambda tx: merchants.get(tx, "m1"), HUB) == made
    with pytest.raises(NotFound):
        await database.read(lambda tx: merchants.get(tx, "m2"), HUB)


@pytest.mark.parametrize(("id_", "name"), [("m1", "x"), ("", "x"), ("m" * 65, "x"), ("m2", "")])
async def test_the_table_refuses_nonsense(id_: str, name: str, database: Database) -> None:
    await add(database, "m1")
    with pytest.raises(Conflict):
        await add(database, id_, name)


async def test_a_merchant_is_renamed_in_the_version_that_was_read(database: Database) -> None:
    made = await add(database, "m1", "old")
    await add(database, "m2")
    renamed = structs.replace(made, name="renamed", updated_at=LATER)
    changed = await database.write(lambda tx: merchants.update(tx, renamed), Scope("m1"))
    assert changed == Merchant("m1", "renamed", 2, NOW, LATER)
    assert await database.read(lambda tx: merchants.get(tx, "m1"), HUB) == changed
    with pytest.raises(Stale):
        await database.write(lambda tx: merchants.update(tx, renamed), HUB)
    with pytest.raises(NotFound):
        await database.write(lambda tx: merchants.update(tx, changed), Scope("m2"))
    for name in ("", "x" * 121):
        wrong = structs.replace(changed, name=name)
        with pytest.raises(Conflict):
            await database.write(lambda tx, wrong=wrong: merchants.update(tx, wrong), HUB)  # type: ignore[misc]


async def test_pages_go_by_id(database: Database) -> None:
    for id_ in ("m3", "m1", "m2"):
        await add(database, id_)

    async def page(after: str, limit: int) -> list[str]:
        found = await database.read(lambda tx: merchants.page(tx, after, limit), HUB)
        return [merchant.id for merchant in found]

    assert await page("", 9) == ["m1", "m2", "m3"]
    assert await page("", 2) == ["m1", "m2"]
    assert await page("m2", 9) == ["m3"]
    assert await page("m3", 9) == []
