"""Pictures and what shows them, and the same picture uploaded and deleted by many at once."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from hub.protocol.ids import uuid7
from storage import media, product_media, products, templates
from storage.database import Transaction
from storage.merchant_records import MediaFile, Product, ProductMedia, TemplateMedia
from storage.scope import Scope
from tests.api.pictures import fresh, send, uploaded
from tests.gateway.local_hub import NOW, LocalHub
from tests.storage import samples
from tests.support.rest import Answer
from tests.support.rest import call as rest

pytestmark = pytest.mark.both_engines


async def write(hub: LocalHub, work: Any) -> None:
    await hub.database.write(work, Scope(hub.merchant_id))


async def show_on_product(hub: LocalHub, media_id: str, name: str) -> str:
    """A product with this picture; the id of the product's row for it."""
    product = Product(
        id=uuid7(), merchant_id=hub.merchant_id, name=name, price=100, currency="EUR",
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    picture = ProductMedia(
        id=uuid7(), merchant_id=hub.merchant_id, product_id=product.id, media_id=media_id,
        sequence=0, created_at=NOW, updated_at=NOW,
    )  # fmt: skip

    async def work(tx: Transaction) -> None:
        await products.insert(tx, product)
        await product_media.insert(tx, picture)

    await write(hub, work)
    return picture.id


async def delete(hub: LocalHub, id_: str) -> Answer:
    return await rest(hub, "DELETE", f"/api/media/{id_}", key=hub.keys["merchant"])


async def row(hub: LocalHub, id_: str) -> dict[str, Any]:
    answer = await rest(hub, "GET", f"/api/media/{id_}", key=hub.keys["merchant"])
    found: dict[str, Any] = answer.json()["media"]
    return found


def file_of(hub: LocalHub, hash_: str) -> Path:
    return hub.services.media.root / hub.merchant_id / hash_[:2] / f"{hash_}.png"


async def test_a_picture_that_products_show_stays(local: LocalHub) -> None:
    made = await uploaded(local, local.keys["merchant"])
    shown = await show_on_product(local, made["id"], "Tea")
    await show_on_product(local, made["id"], "Cake")
    assert (await row(local, made["id"]))["used_by"] == 2
    refused = await delete(local, made["id"])
    assert refused.status == 409
    detail = refused.json()["detail"]
    assert "the product 'Tea'" in detail
    assert "the product 'Cake'" in detail
    assert file_of(local, made["hash"]).exists()

    async def take_away(tx: Transaction) -> None:
        await product_media.delete(tx, shown)

    await write(local, take_away)
    assert (await row(local, made["id"]))["used_by"] == 1


async def test_a_picture_that_a_template_shows_stays(local: LocalHub) -> None:
    made = await uploaded(local, local.keys["merchant"])
    template = samples.template(
        merchant_id=local.merchant_id, type="media", body=None, name="with_picture",
        media=TemplateMedia("image", media_id=made["id"]), variables=[],
    )  # fmt: skip

    async def work(tx: Transaction) -> None:
        await templates.insert(tx, template, uuid7)

    await write(local, work)
    assert (await row(local, made["id"]))["used_by"] == 1
    refused = await delete(local, made["id"])
    assert refused.status == 409
    assert "the template 'with_picture'" in refused.json()["detail"]
    rows = await rest(local, "GET", "/api/media", key=local.keys["admin"])
    assert [each["used_by"] for each in rows.json()["media"]] == [1]


@pytest.mark.parametrize("seed", range(3))
async def test_uploads_and_deletions_of_one_picture_at_once(local: LocalHub, seed: int) -> None:
    """Whoever comes last: there is a row with its file, or neither."""
    picture, choose = fresh(), random.Random(seed)
    hash_ = (await uploaded(local, local.keys["merchant"], picture))["hash"]

    async def current() -> list[MediaFile]:
        return await local.database.read(
            lambda tx: media.page(tx, "", 10), Scope(local.merchant_id)
        )

    async def one(number: int) -> None:
        for _ in range(6):
            if (number + choose.randrange(2)) % 2:
                answer = await send(local, local.keys["merchant"], picture)
                assert answer.status == 201, answer.body
            for found in await current():
                gone = await delete(local, found.id)
                assert gone.status in (200, 404), gone.body

    await asyncio.gather(*(one(number) for number in range(6)))
    rows = await current()
    assert file_of(local, hash_).exists() == bool(rows)
    final = await uploaded(local, local.keys["merchant"], picture)
    assert (await rest(local, "GET", final["url"])).body == picture
    assert (await delete(local, final["id"])).status == 200
    left = [path for path in local.services.media.root.rglob("*") if path.is_file()]
    assert left == []
