"""The commands by the names under which `call` knows them: `<plural>.<verb>`.

A method takes a Struct that its params are checked against, and gives the members of the answer
that REST gives too, with the log's offset: from before a read, from after the commit of a write.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from hub.auth import Principal
from hub.protocol.errors import InvalidParams, NotFound, invalid
from hub.protocol.events import locate
from hub.protocol.frames import Call
from hub.services import Services
from hub.tickets import TICKET_SECONDS

from . import audit, browsers, health, keys, merchants, sessions
from .params import ById, ListAudit, ListMerchants, ListOf, NewKey, NewMerchant, Nothing

Result = tuple[dict[str, Any], int]


class Method(NamedTuple):
    """One command: what it takes, and what carries it out."""

    params: type[Struct]
    run: Callable[[Services, Principal, Any], Awaitable[Result]]


def dispatcher(services: Services) -> Callable[[Principal, Call], Awaitable[Result]]:
    """What carries out `call` frames for the gateway."""

    async def run(actor: Principal, call: Call) -> Result:
        method = METHODS.get(call.method)
        if method is None:
            raise NotFound(
                f"there is no method {call.method[:64]!r}; there are: {', '.join(METHODS)}"
            )
        for name in ("key", "if_match"):
            if getattr(call, name) is not None:
                # To ignore it would be to promise what is not kept.
                raise invalid(InvalidParams, f"/{name}", f"{call.method} does not take it")
        try:
            params = msgspec.convert(call.params, method.params)
        except msgspec.ValidationError as error:
            pointer, message = locate(str(error))
            raise invalid(InvalidParams, f"/params{pointer}", message) from None
        return await method.run(services, actor, params)

    return run


async def _list_merchants(services: Services, actor: Principal, params: ListMerchants) -> Result:
    offset = services.log.end
    found = await merchants.list_(services, actor, params.after, params.limit)
    return page("merchants", found, params.limit), offset


async def _get_merchant(services: Services, actor: Principal, params: ById) -> Result:
    offset = services.log.end
    return {"merchant": await merchants.get(services, actor, params.id)}, offset


async def _create_merchant(services: Services, actor: Principal, params: NewMerchant) -> Result:
    merchant, offset = await merchants.create(services, actor, params.name)
    return {"merchant": merchant}, offset


async def _list_keys(services: Services, actor: Principal, params: ListOf) -> Result:
    offset = services.log.end
    found = await keys.list_(services, actor, params.merchant_id, params.after, params.limit)
    return page("keys", found, params.limit), offset


async def _create_key(services: Services, actor: Principal, params: NewKey) -> Result:
    key, token, offset = await keys.create(
        services, actor, params.role, params.name, params.merchant_id, params.expires_at
    )
    return {"key": key, "token": token}, offset


async def _revoke_key(services: Services, actor: Principal, params: ById) -> Result:
    key, offset = await keys.revoke(services, actor, params.id)
    return {"key": key}, offset


async def _list_audit(services: Services, actor: Principal, params: ListAudit) -> Result:
    offset = services.log.end
    try:
        asked = audit.question(actor, params)
    except InvalidParams as error:
        raise error.below("/params") from None
    found, next_ = await audit.page(services, actor, asked, params.after, params.limit)
    return {"audit": found, "count": len(found), "next": next_}, offset


async def _list_sessions(services: Services, actor: Principal, params: ListOf) -> Result:
    found, next_ = sessions.list_(services, actor, params.merchant_id, params.after, params.limit)
    return {"sessions": found, "count": len(found), "next": next_}, services.log.end


async def _disconnect(services: Services, actor: Principal, params: ById) -> Result:
    sessions.disconnect(services, actor, params.id)
    return {"id": params.id}, services.log.end


async def _issue_ticket(services: Services, actor: Principal, params: Nothing) -> Result:
    ticket = browsers.issue_ticket(services, actor)
    return {"ticket": ticket, "expires_in": TICKET_SECONDS}, services.log.end


async def _show_health(services: Services, actor: Principal, params: Nothing) -> Result:
    offset = services.log.end
    return msgspec.to_builtins(await health.show(services)), offset


def page(name: str, found: list[Any], limit: int) -> dict[str, Any]:
    """The members of a list's answer: the rows, their number, and where the next page begins."""
    next_ = found[-1].id if len(found) == limit else None
    return {name: found, "count": len(found), "next": next_}


METHODS: dict[str, Method] = {
    "audit.list": Method(ListAudit, _list_audit),
    "health.show": Method(Nothing, _show_health),
    "keys.create": Method(NewKey, _create_key),
    "keys.list": Method(ListOf, _list_keys),
    "keys.revoke": Method(ById, _revoke_key),
    "merchants.create": Method(NewMerchant, _create_merchant),
    "merchants.get": Method(ById, _get_merchant),
    "merchants.list": Method(ListMerchants, _list_merchants),
    "sessions.disconnect": Method(ById, _disconnect),
    "sessions.list": Method(ListOf, _list_sessions),
    "tickets.create": Method(Nothing, _issue_ticket),
}
