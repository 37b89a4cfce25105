"""Products: what a merchant sells, what of it is left, and the pictures that show it."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from hub.protocol.errors import InvalidParams, invalid
from hub.protocol.ids import uuid7
from hub.stream.waiting import WriteScope
from jobs.commerce.told import product_event, product_updates
from storage import media, product_media, products
from storage.database import Transaction
from storage.merchant_records import Product, ProductMedia
from storage.product_media import ShownPicture

from .command import EVERYBODY, OPERATORS, Command, Invocation, Result
from .media import path_of, signed_url
from .params import PAGE, Amount, ById, Currency, ListOf, Name, RowId, Text, Word, changed, next_of

Category = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00]+$")]
_PICTURES = 50
"""Most pictures of a product."""


class ListProducts(ListOf, forbid_unknown_fields=True):
    category: Category | None = None
    is_active: bool | None = None


class SearchProducts(ListOf, forbid_unknown_fields=True, kw_only=True):
    """`q` is any part of a name; capitals of a-z do not count."""

    q: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00]+$")]


class NewProduct(Struct, forbid_unknown_fields=True, kw_only=True):
    """`price` in minor units of `currency`."""

    name: Name
    price: Amount
    currency: Currency
    stock: Amount = 0
    description: Text = ""
    category: Category | None = None
    is_active: bool = True
    id: RowId | None = None
    merchant_id: Word | None = None


class ProductChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be different; what is left out stays."""

    id: Word
    name: Name | UnsetType = UNSET
    price: Amount | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    stock: Amount | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    category: Category | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class PicturesOfProduct(Struct, forbid_unknown_fields=True, kw_only=True):
    """All pictures of a product, as they are to be shown.

    `primary` is the one shown where there is room for one: the first, if none is named.
    """

    id: Word
    media_ids: Annotated[list[Word], Meta(max_length=_PICTURES)]
    primary: Word | None = None


class ProductPicture(Struct):
    """A picture of a product; `url` and `thumbnail_url` are where it is served, sizes in pixels."""

    id: str
    media_id: str
    sequence: int
    is_primary: bool
    url: str
    thumbnail_url: str
    width: int | None
    height: int | None
    placeholder: str | None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


async def list_(call: Invocation, params: ListProducts) -> Result:
    """A page of products, by id."""
    limit = min(params.limit, PAGE)
    found = await call.read(
        lambda tx: products.page(
            tx, params.after, limit, category=params.category, is_active=params.is_active
        )
    )
    return {"products": found, "count": len(found), "next": next_of(found, limit)}


async def search(call: Invocation, params: SearchProducts) -> Result:
    """A page of the merchant's products with some text in their name, by id.

    Raises:
        InvalidParams: an admin did not say whose products.
    """
    _ = call.merchant_id
    limit = min(params.limit, PAGE)
    found = await call.read(lambda tx: products.search(tx, params.q, params.after, limit))
    return {"products": found, "count": len(found), "next": next_of(found, limit)}


async def get(call: Invocation, params: ById) -> Result:
    """One product."""
    return {"product": await call.read(lambda tx: products.get(tx, params.id))}


async def pictures(call: Invocation, params: ById) -> Result:
    """The pictures of a product, in their order."""

    async def read(tx: Transaction) -> list[ShownPicture]:
        await products.get(tx, params.id)
        return await product_media.shown(tx, params.id)

    return _signed(call, _pictures(await call.read(read)))


# ── changing ─────────────────────────────────────────────────────────────────────────────────────


async def create(call: Invocation, params: NewProduct) -> Result:
    """Make a product."""
    product = Product(
        id=params.id or uuid7(), merchant_id=call.merchant_id, name=params.name,
        description=params.description, category=params.category, price=params.price,
        currency=params.currency, stock=params.stock, is_active=params.is_active,
        created_at=call.now, updated_at=call.now,
    )  # fmt: skip

    async def work(scope: WriteScope) -> Result:
        await products.insert(scope.tx, product)
        product_event(scope, call.origin, "product_created", product, [])
        return {"product": product}

    return await call.commit(work)


async def update(call: Invocation, params: ProductChange) -> Result:
    """Change a product; what makes no difference is no change."""

    async def work(scope: WriteScope) -> Result:
        product = await products.get(scope.tx, params.id)
        call.check_version(product.version)
        after = changed(product, params, call.now)
        if after is not product:
            product = await products.update(scope.tx, after)
            await product_updates(scope, call.origin, [product])
        return {"product": product}

    return await call.commit(work)


async def delete(call: Invocation, params: ById) -> Result:
    """Remove a product with its places for pictures; orders keep its name and price."""

    async def work(scope: WriteScope) -> Result:
        product = await products.get(scope.tx, params.id)
        call.check_version(product.version)
        await products.delete(scope.tx, product.id, product.version)
        data = {"productId": product.id, "name": product.name, "version": product.version}
        call.record(scope, "product_deleted", data, f"product/{product.id}")
        return {"id": product.id}

    return await call.commit(work)


async def set_pictures(call: Invocation, params: PicturesOfProduct) -> Result:
    """Show exactly these files with a product, in this order.

    The product gets a new version: its pictures are part of what it is.

    Raises:
        InvalidParams: a file is named twice or is not there, or the primary one is not in the list.
    """
    wanted = params.media_ids
    for place, media_id in enumerate(wanted):
        if media_id in wanted[:place]:
            raise invalid(InvalidParams, f"/media_ids/{place}", "is in the list already")
    primary = params.primary or next(iter(wanted), None)
    if primary is not None and primary not in wanted:
        raise invalid(InvalidParams, "/primary", "is not in media_ids")

    async def work(scope: WriteScope) -> Result:
        tx = scope.tx
        product = await products.get(tx, params.id)
        call.check_version(product.version)
        before = await product_media.of_product(tx, product.id)
        if _as_wanted(before, wanted, primary):
            return {"product": product, **_pictures(await product_media.shown(tx, product.id))}
        known = await media.by_ids(tx, wanted)
        for place, media_id in enumerate(wanted):
            if media_id not in known:
                raise invalid(InvalidParams, f"/media_ids/{place}", "no media file has this id")
        rows = {picture.media_id: picture.id for picture in before}
        for picture in before:
            if picture.media_id not in known:
                await product_media.delete(tx, picture.id)
        free = max((picture.sequence for picture in before), default=-1) + 1
        for place, media_id in enumerate(media_id for media_id in wanted if media_id not in rows):
            picture = ProductMedia(
                id=scope.new_id(), merchant_id=product.merchant_id, product_id=product.id,
                media_id=media_id, sequence=free + place, created_at=call.now, updated_at=call.now,
            )  # fmt: skip
            await product_media.insert(tx, picture)
            rows[media_id] = picture.id
        if wanted:
            order = [rows[media_id] for media_id in wanted]
            await product_media.arrange(
                tx, product.id, order, rows[primary] if primary else None, call.now
            )
        product = await products.update(tx, structs.replace(product, updated_at=call.now))
        product_event(scope, call.origin, "product_updated", product, wanted)
        return {"product": product, **_pictures(await product_media.shown(tx, product.id))}

    return _signed(call, await call.commit(work))


def _as_wanted(pictures: Sequence[ProductMedia], wanted: list[str], primary: str | None) -> bool:
    shown = [picture.media_id for picture in pictures]
    return shown == wanted and [p.media_id for p in pictures if p.is_primary] == (
        [primary] if primary else []
    )


def _pictures(found: list[ShownPicture]) -> Result:
    shown = [
        ProductPicture(
            **structs.asdict(picture), url=path_of(picture.media_id),
            thumbnail_url=path_of(picture.media_id, "thumbnail"),
        )
        for picture in found
    ]  # fmt: skip
    return {"media": shown, "count": len(shown)}


def _signed(call: Invocation, result: Result) -> Result:
    """An answer with addresses that open its pictures; they are never stored with it."""
    shown = [
        structs.replace(
            picture, url=signed_url(call, picture.media_id),
            thumbnail_url=signed_url(call, picture.media_id, "thumbnail"),
        )
        for picture in result["media"]
    ]  # fmt: skip
    return {**result, "media": shown}


COMMANDS = (
    Command(
        name="products.list", http="GET /api/products", roles=EVERYBODY,
        summary="The merchant's products, by id",
        params=ListProducts, run=list_,
        answer={"products": list[Product], "count": int, "next": str | None},
    ),
    Command(
        name="products.search", http="GET /api/products/search", roles=EVERYBODY,
        summary="The products with some text in their name, by id",
        params=SearchProducts, run=search,
        answer={"products": list[Product], "count": int, "next": str | None},
    ),
    Command(
        name="products.get", http="GET /api/products/{id}", roles=EVERYBODY,
        summary="One product", params=ById, run=get, answer={"product": Product},
        table="products",
    ),
    Command(
        name="products.create", http="POST /api/products", roles=OPERATORS,
        summary="Make a product; its price is in minor units of the currency",
        params=NewProduct, run=create, answer={"product": Product}, status=201,
        message="The product is made.", events=("product_created",),
    ),
    Command(
        name="products.update", http="PATCH /api/products/{id}", roles=OPERATORS,
        summary="Change a product; what is left out stays",
        params=ProductChange, run=update, answer={"product": Product},
        events=("product_updated",), versioned=True, table="products",
    ),
    Command(
        name="products.delete", http="DELETE /api/products/{id}", roles=OPERATORS,
        summary="Remove a product; orders keep its name and price",
        params=ById, run=delete, answer={"id": str}, message="The product is removed.",
        events=("product_deleted",), versioned=True, table="products",
    ),
    Command(
        name="products.media", http="GET /api/products/{id}/media", roles=EVERYBODY,
        summary="The pictures of a product, in their order",
        params=ById, run=pictures, answer={"media": list[ProductPicture], "count": int},
        table="products",
    ),
    Command(
        name="products.set_media", http="PUT /api/products/{id}/media", roles=OPERATORS,
        summary="Show exactly these pictures with a product, in this order",
        params=PicturesOfProduct, run=set_pictures,
        answer={"product": Product, "media": list[ProductPicture], "count": int},
        events=("product_updated",), versioned=True, table="products",
    ),
)  # fmt: skip
