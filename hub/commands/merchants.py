"""Merchants: made by admins, read by whoever belongs to one."""

from msgspec import UNSET, Struct, UnsetType, structs

from hub.protocol.drafts import Origin
from hub.protocol.errors import Forbidden
from hub.protocol.ids import uuid7
from hub.stream.waiting import WriteScope
from storage import merchants
from storage.records import Merchant

from .command import ADMINS, EVERYBODY, OPERATORS, Command, Invocation, Result
from .params import After, ById, Limit, Name, RowId, next_of
from .templates import event_data


class ListMerchants(Struct, forbid_unknown_fields=True):
    """`after` is the `next` of the page before."""

    after: After = ""
    limit: Limit = 100


class NewMerchant(Struct, forbid_unknown_fields=True):
    name: Name
    id: RowId | None = None


class UpdateMerchant(ById, forbid_unknown_fields=True):
    """What is left out stays."""

    name: Name | UnsetType = UNSET


async def create(call: Invocation, params: NewMerchant) -> Result:
    """Make a merchant with its default templates.

    Raises:
        Forbidden: the connection is narrowed to one merchant.
    """
    if call.actor.merchant_id is not None:
        raise Forbidden("this connection works for one merchant alone; it makes no other")
    id_ = params.id or uuid7()

    async def work(scope: WriteScope) -> Result:
        merchant, seeded = await merchants.insert(
            scope.tx, id_, params.name, call.now, scope.new_id
        )
        origin = Origin(id_, call.actor.source)
        for template in seeded:
            scope.record(
                origin, "template_created", event_data(template), f"template/{template.id}"
            )
        return {"merchant": merchant}

    result = await call.commit(work)
    call.services.merchants.add(result["merchant"].id)
    return result


async def list_(call: Invocation, params: ListMerchants) -> Result:
    """A page of merchants by id: all for an admin, their own for everyone else."""
    found = await call.read(lambda tx: merchants.page(tx, params.after, params.limit))
    return {"merchants": found, "count": len(found), "next": next_of(found, params.limit)}


async def get(call: Invocation, params: ById) -> Result:
    """One merchant."""
    return {"merchant": await call.read(lambda tx: merchants.get(tx, params.id))}


async def update(call: Invocation, params: UpdateMerchant) -> Result:
    """Give a merchant another name: an admin any of them, a merchant's own key its own.

    No event tells of it; the audit does.

    Raises:
        storage.errors.NotFound: there is none, or it is another one.
        PreconditionFailed: it has another version than `If-Match` says.
    """

    async def work(scope: WriteScope) -> Result:
        merchant = await merchants.get(scope.tx, params.id)
        call.check_version(merchant.version)
        if params.name not in (UNSET, merchant.name):
            changed = structs.replace(merchant, name=params.name, updated_at=call.now)
            merchant = await merchants.update(scope.tx, changed)
        return {"merchant": merchant}

    return await call.commit(work)


COMMANDS = (
    Command(
        name="merchants.list", http="GET /api/merchants", roles=EVERYBODY,
        summary="The merchants that the caller may see",
        params=ListMerchants, run=list_,
        answer={"merchants": list[Merchant], "count": int, "next": str | None},
    ),
    Command(
        name="merchants.get", http="GET /api/merchants/{id}", roles=EVERYBODY,
        summary="One merchant", params=ById, run=get, answer={"merchant": Merchant},
    ),
    Command(
        name="merchants.create", http="POST /api/merchants", roles=ADMINS,
        summary="Make a merchant with its default templates",
        params=NewMerchant, run=create, answer={"merchant": Merchant}, status=201,
        events=("template_created",),
    ),
    Command(
        name="merchants.update", http="PATCH /api/merchants/{id}", roles=OPERATORS,
        summary="Give a merchant another name", params=UpdateMerchant, run=update,
        answer={"merchant": Merchant}, versioned=True,
    ),
)  # fmt: skip
