"""`/api/keys`."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from hub.commands import keys
from hub.commands.params import ListOf, NewKey
from storage.records import ApiKey

from .answers import json
from .requests import body_of, principal_of, query_of, services_of


class CreatedKey(Struct):
    """`token` is the key itself; it is not stored and not shown again."""

    success: bool
    key: ApiKey
    token: str
    epoch: str
    offset: int


class OneKey(Struct):
    success: bool
    key: ApiKey
    message: str
    epoch: str
    offset: int


class Keys(Struct):
    success: bool
    keys: list[ApiKey]
    count: int
    next: str | None
    epoch: str
    offset: int


async def create(request: Request) -> Response:
    """POST: make a key."""
    principal = await principal_of(request)
    services = services_of(request)
    body = await body_of(request, NewKey)
    key, token, offset = await keys.create(
        services, principal, body.role, body.name, body.merchant_id, body.expires_at
    )
    return json(
        CreatedKey(True, key, token, services.log.epoch, offset),
        201,
        {"Location": f"/api/keys/{key.id}"},
    )


async def list_(request: Request) -> Response:
    """GET: the keys that the caller manages, revoked ones included, without their secrets."""
    principal = await principal_of(request)
    services = services_of(request)
    query = query_of(request, ListOf)
    offset = services.log.end
    found = await keys.list_(services, principal, query.merchant_id, query.after, query.limit)
    next_ = found[-1].id if len(found) == query.limit else None
    return json(Keys(True, found, len(found), next_, services.log.epoch, offset))


async def revoke(request: Request) -> Response:
    """DELETE: revoke a key and close its connections."""
    principal = await principal_of(request)
    services = services_of(request)
    key, offset = await keys.revoke(services, principal, request.path_params["id"])
    message = "The key is revoked and its connections are closed."
    return json(OneKey(True, key, message, services.log.epoch, offset))
