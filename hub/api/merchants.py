"""`/api/merchants`."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.commands import merchants
from hub.commands.params import ListMerchants, NewMerchant
from storage.records import Merchant

from .answers import json
from .requests import body_of, principal_of, query_of, services_of


class OneMerchant(Struct):
    success: bool
    merchant: Merchant
    epoch: str
    offset: int


class Merchants(Struct):
    success: bool
    merchants: list[Merchant]
    count: int
    next: str | None
    epoch: str
    offset: int


async def create(request: Request) -> Response:
    """POST: make a merchant (admin)."""
    principal = await principal_of(request)
    services = services_of(request)
    body = await body_of(request, NewMerchant)
    merchant, offset = await merchants.create(services, principal, body.name)
    return json(
        OneMerchant(True, merchant, services.log.epoch, offset),
        201,
        {"Location": f"/api/merchants/{merchant.id}"},
    )


async def list_(request: Request) -> Response:
    """GET: all merchants for an admin, their own for everyone else."""
    principal = await principal_of(request)
    services = services_of(request)
    query = query_of(request, ListMerchants)
    offset = services.log.end
    found = await merchants.list_(services, principal, query.after, query.limit)
    next_ = found[-1].id if len(found) == query.limit else None
    return json(Merchants(True, found, len(found), next_, services.log.epoch, offset))


async def get(request: Request) -> Response:
    """GET: one merchant."""
    principal = await principal_of(request)
    services = services_of(request)
    offset = services.log.end
    merchant = await merchants.get(services, principal, request.path_params["id"])
    return json(OneMerchant(True, merchant, services.log.epoch, offset))
