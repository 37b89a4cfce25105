"""Merchants: made by admins, read by whoever belongs to one."""

import time

from hub.auth import Principal
from hub.protocol.drafts import Origin
from hub.protocol.errors import Forbidden, NotFound
from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms
from hub.services import Services
from hub.stream.waiting import WriteScope
from storage import errors, merchants
from storage.database import Transaction
from storage.records import Merchant


async def create(services: Services, actor: Principal, name: str) -> tuple[Merchant, int]:
    """Make a merchant with its default templates; it and the log's offset after them.

    Raises:
        Forbidden: the actor is not an admin.
    """
    if actor.role != "admin":
        raise Forbidden("only an admin's key makes merchants")
    id_, now = uuid7(), format_ms(time.time_ns() // 1_000_000)

    async def work(scope: WriteScope) -> Merchant:
        merchant, seeded = await merchants.insert(scope.tx, id_, name, now, scope.new_id)
        origin = Origin(id_, actor.source)
        for template in seeded:
            data = {
                "templateId": template.id, "name": template.name, "type": template.type,
                "status": template.status, "version": template.version,
            }  # fmt: skip
            scope.record(origin, "template_created", data, f"template/{template.id}")
        return merchant

    committed = await services.log.commit(work, actor.scope())
    services.merchants.add(id_)
    return committed.result, committed.offset


async def list_(services: Services, actor: Principal, after: str, limit: int) -> list[Merchant]:
    """A page of merchants by id: all for an admin, their own for everyone else."""

    async def read(tx: Transaction) -> list[Merchant]:
        return await merchants.page(tx, after, limit)

    return await services.database.read(read, actor.scope())


async def get(services: Services, actor: Principal, id_: str) -> Merchant:
    """One merchant.

    Raises:
        NotFound: there is none with this id, or it is another's.
    """
    try:
        return await services.database.read(lambda tx: merchants.get(tx, id_), actor.scope())
    except errors.NotFound:
        raise NotFound("no merchant has this id") from None
