"""Products and their pictures, through the doors."""

from typing import Any

import pytest

from storage import media, products
from storage.database import Transaction
from storage.merchant_records import MediaFile
from storage.scope import Scope
from tests.commands.shop import NOBODY, Shop
from tests.gateway.calling import called
from tests.storage import samples
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines


async def files(shop: Shop, count: int, *, theirs: bool = False) -> list[str]:
    """Uploaded pictures of a merchant; their ids."""
    merchant_id = shop.hub.other_merchant if theirs else shop.hub.merchant_id
    made: list[MediaFile] = [
        samples.file(
            merchant_id=merchant_id, hash=f"{number:064x}", width=600, height=400,
            placeholder="data:,x", status="ready",
        )
        for number in range(count)
    ]  # fmt: skip

    async def work(tx: Transaction) -> None:
        for file in made:
            await media.insert(tx, file)

    await shop.hub.database.write(work, Scope(merchant_id))
    return [file.id for file in made]


async def test_a_product_lives(shop: Shop) -> None:
    end = await shop.end()
    made = await shop.ask(
        "POST", "/products",
        {"name": "Tea", "price": 250, "currency": "USD", "stock": 3, "category": "drinks"},
    )  # fmt: skip
    assert made.status == 201
    product = made.json()["product"]
    assert made.headers["location"] == f"/api/products/{product['id']}"
    assert made.headers["etag"] == '"1"'
    path = f"/products/{product['id']}"
    assert (product["description"], product["is_active"], product["version"]) == ("", True, 1)
    found = await shop.ask("GET", path, who="viewer")
    assert (found.json()["product"], found.headers["etag"]) == (product, '"1"')
    assert (await shop.done("GET", "/products"))["products"] == [product]

    change = {"price": 300, "category": None, "is_active": False}
    changed = (await shop.done("PATCH", path, change))["product"]
    assert changed == {
        **product, **change, "version": 2, "updated_at": changed["updated_at"],
    }  # fmt: skip
    same = await shop.done("PATCH", path, {"price": 300, "name": "Tea"})
    assert same["product"] == changed, "what makes no difference is no change"

    gone = await shop.done("DELETE", path)
    assert (gone["id"], gone["message"]) == (product["id"], "The product is removed.")
    assert await shop.refused(404, "GET", path) == []
    events = await shop.events(end)
    assert [(event["type"], event["data"]["version"]) for event in events] == [
        ("product_created", 1), ("product_updated", 2), ("product_deleted", 2),
    ]  # fmt: skip
    assert {event["subject"] for event in events} == {f"product/{product['id']}"}
    assert events[1]["data"] == {
        "productId": product["id"], "name": "Tea", "price": 300, "stock": 3, "mediaIds": [],
        "currency": "USD", "category": None, "isActive": False, "version": 2,
    }  # fmt: skip
    assert events[0]["source"] == "merchant:merchant"


async def test_lists_are_filtered_and_paged(shop: Shop) -> None:
    made = [
        await shop.product(name=f"tea {n}", category="ab"[n % 2], is_active=n < 3) for n in range(5)
    ]

    async def found(path: str = "/products", **query: Any) -> list[Any]:
        rows: list[Any] = []
        while True:
            answer = await shop.ask("GET", path, **query)
            page = answer.json()
            rows += page["products"]
            assert page["count"] == len(page["products"])
            if page["next"] is None:
                assert "link" not in answer.headers
                return rows
            assert f"after={page['next']}" in answer.headers["link"]
            query["after"] = page["next"]

    assert await found() == made
    assert await found(limit=2) == made
    assert await found(category="a") == made[::2]
    assert await found(category="b", is_active="true") == [made[1]]
    assert await found(is_active="false") == made[3:]
    assert await found("/products/search", q="EA", limit=2) == made
    assert await found("/products/search", q="tea 3") == [made[3]]
    assert await found("/products/search", q="%") == []
    assert await shop.refused(422, "GET", "/products/search") == ["/q"]
    assert await shop.refused(422, "GET", "/products", is_active="maybe") == ["/is_active"]
    assert await shop.refused(422, "GET", "/products", shelf="a") == ["/shelf"]


async def test_an_admin_names_the_merchant_or_the_row(shop: Shop) -> None:
    body = {"name": "Tea", "price": 1, "currency": "USD"}
    assert await shop.refused(422, "POST", "/products", body, who="admin") == ["/merchant_id"]
    ours = {**body, "merchant_id": shop.hub.merchant_id}
    product = (await shop.done("POST", "/products", ours, who="admin"))["product"]
    assert product["merchant_id"] == shop.hub.merchant_id
    theirs = await shop.product(who="owner")
    path = f"/products/{theirs['id']}"
    assert (await shop.done("PATCH", path, {"price": 9}, who="admin"))["product"]["price"] == 9
    assert await shop.done("GET", f"{path}/media", who="admin")
    assert await shop.refused(422, "GET", "/products/search", q="a", who="admin") == [
        "/merchant_id"
    ]
    found = await shop.done(
        "GET", "/products/search", who="admin", q="tea", merchant_id=shop.hub.other_merchant
    )
    assert [row["id"] for row in found["products"]] == [theirs["id"]]
    assert len((await shop.done("GET", "/products", who="admin"))["products"]) == 2


async def test_what_does_not_fit_is_named(shop: Shop) -> None:
    product = await shop.product()
    changes: list[tuple[str, list[Any]]] = [
        ("name", ["", "a\n", "x" * 121]), ("price", [-1, 1.5, 2**53, "1", None]),
        ("currency", ["usd", "USD\n", "US"]), ("stock", [-1]), ("category", [""]),
        ("description", ["a\0"]), ("is_active", [1]), ("version", [7]),
    ]  # fmt: skip
    for name, values in changes:
        for value in values:
            body = {"name": "Tea", "price": 250, "currency": "USD", name: value}
            assert await shop.refused(422, "POST", "/products", body) == [f"/{name}"]
            path = f"/products/{product['id']}"
            assert await shop.refused(422, "PATCH", path, {name: value}) == [f"/{name}"]
    assert (await shop.done("GET", "/products"))["products"] == [product]


async def test_a_change_may_ask_for_the_version(shop: Shop) -> None:
    product = await shop.product()
    path = f"/products/{product['id']}"
    stale = {"If-Match": '"7"'}
    assert await shop.refused(412, "PATCH", path, {"price": 1}, headers=stale) == []
    assert await shop.refused(412, "DELETE", path, headers=stale) == []
    assert await shop.refused(412, "PUT", f"{path}/media", {"media_ids": []}, headers=stale) == []
    fresh = {"If-Match": '"1"'}
    assert await shop.done("PATCH", path, {"price": 1}, headers=fresh)
    assert await shop.refused(412, "PATCH", path, {"price": 2}, headers=fresh) == []
    assert await shop.done("PATCH", path, {"price": 2}, headers={"If-Match": "*"})
    assert await shop.done("DELETE", path, headers={"If-Match": '"2", "3"'})


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────


async def test_pictures_are_set_as_a_whole(shop: Shop) -> None:
    product = await shop.product()
    path = f"/products/{product['id']}/media"
    assert (await shop.done("GET", path))["media"] == []
    one, two, three, four = await files(shop, 4)
    end = await shop.end()
    version = 1
    for wanted, primary, first in (
        ([one, two, three], None, one),
        ([three, one, two], two, two),
        ([four, one], None, four),
        ([one], one, one),
        ([], None, None),
        ([two, four, three, one], three, three),
    ):
        body = {"media_ids": wanted} | ({} if primary is None else {"primary": primary})
        answer = await shop.done("PUT", path, body)
        version += 1
        assert answer["product"]["version"] == version
        assert answer["count"] == len(wanted)
        assert [picture["media_id"] for picture in answer["media"]] == wanted
        assert [p["media_id"] for p in answer["media"] if p["is_primary"]] == (
            [first] if first else []
        )
        again = await shop.done("PUT", path, body)
        assert again["product"]["version"] == version, "what makes no difference is no change"
        assert (await shop.done("GET", path, who="viewer"))["media"] == answer["media"]
        [event] = await shop.events(end)
        end = event["offset"]
        assert event["type"] == "product_updated"
        assert event["data"]["mediaIds"] == wanted
        assert event["data"]["version"] == version
    picture = answer["media"][0]
    assert (picture["width"], picture["height"]) == (600, 400)
    assert picture["placeholder"] == "data:,x"
    assert picture["url"].startswith(f"/api/media/{two}/content")
    assert await shop.done("DELETE", f"/products/{product['id']}")


async def test_pictures_that_are_not_there(shop: Shop) -> None:
    product = await shop.product()
    [ours] = await files(shop, 1)
    [theirs] = await files(shop, 1, theirs=True)
    path = f"/products/{product['id']}/media"
    end = await shop.end()
    for body, pointer in (
        ({"media_ids": [ours, theirs]}, "/media_ids/1"),
        ({"media_ids": [NOBODY]}, "/media_ids/0"),
        ({"media_ids": [ours, ours]}, "/media_ids/1"),
        ({"media_ids": [ours], "primary": theirs}, "/primary"),
        ({"media_ids": [], "primary": ours}, "/primary"),
        ({}, "/media_ids"),
    ):
        assert await shop.refused(422, "PUT", path, body) == [pointer]
    assert await shop.refused(404, "PUT", f"/products/{NOBODY}/media", {"media_ids": []}) == []
    assert await shop.refused(404, "GET", f"/products/{NOBODY}/media") == []
    assert (await shop.done("GET", path))["media"] == []
    assert await shop.end() == end


async def test_a_call_says_what_rest_says(shop: Shop) -> None:
    async with connect(shop.hub, shop.hub.keys["merchant"]) as merchant:
        body = {"name": "Tea", "price": 250, "currency": "USD"}
        made = (await called(merchant, "products.create", body))["result"]["product"]
        found = await called(merchant, "products.get", {"id": made["id"]})
        assert found["result"] == {"product": made}
        assert (await shop.done("GET", f"/products/{made['id']}"))["product"] == made
        stale = await called(
            merchant, "products.update", {"id": made["id"], "price": 1}, "error", if_match='"9"'
        )
        assert stale["code"] == "precondition_failed"
        wrong = await called(merchant, "products.create", {**body, "price": -1}, "error")
        assert [error["pointer"] for error in wrong["errors"]] == ["/params/price"]


async def test_a_page_is_of_a_size_that_holds_up_nobody(shop: Shop) -> None:
    made = [samples.product(merchant_id=shop.hub.merchant_id) for _ in range(201)]

    async def work(tx: Transaction) -> None:
        for product in made:
            await products.insert(tx, product)

    await shop.hub.database.write(work, Scope(shop.hub.merchant_id))
    first = await shop.done("GET", "/products", limit=1000)
    assert (first["count"], first["next"]) == (200, made[199].id)
    last = await shop.done("GET", "/products", limit=1000, after=first["next"])
    assert ([row["id"] for row in last["products"]], last["next"]) == ([made[200].id], None)
