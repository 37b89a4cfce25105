"""Keys: an admin manages all of them, a merchant's key those of its merchant."""

from msgspec import Struct

from hub.auth import Principal
from hub.protocol.drafts import Origin
from hub.protocol.errors import Forbidden, InvalidParams, invalid
from hub.protocol.ids import uuid7
from hub.protocol.times import normalize, parse_ms
from hub.services import Services
from hub.stream.waiting import WriteScope
from hub.tokens import Role, new_token, token_hash, visible_prefix
from storage import keys
from storage.records import ApiKey

from .command import OPERATORS, Command, Invocation, Result
from .params import ById, ListOf, Name, Time, Word, next_of


class NewKey(Struct, forbid_unknown_fields=True):
    """`merchant_id` is an admin's to say; `expires_at` is RFC 3339."""

    role: Role
    name: Name
    merchant_id: Word | None = None
    expires_at: Time | None = None


async def create(call: Invocation, params: NewKey) -> Result:
    """Make a key; its secret is in this answer and nowhere else, not even in that of a repeat.

    Raises:
        Forbidden: the actor may not make this key.
        InvalidParams: the merchant does not fit the role, or the expiry is past.
    """
    actor, expires_at = call.actor, params.expires_at
    merchant_id = _merchant_for(call.services, actor, params.role, params.merchant_id)
    if expires_at is not None:
        try:
            expires_at = normalize(expires_at)
        except ValueError as error:
            raise invalid(InvalidParams, "/expires_at", str(error)) from None
        if parse_ms(expires_at) <= call.now_ms:
            raise invalid(InvalidParams, "/expires_at", "this time is past")
    if actor.expires_ms is not None and (
        expires_at is None or parse_ms(expires_at) > actor.expires_ms
    ):
        message = f"a key that expires makes none that outlive it: {actor.expires_at} at the latest"
        raise invalid(InvalidParams, "/expires_at", message)
    token = new_token(params.role)
    key = ApiKey(
        id=uuid7(), merchant_id=merchant_id, role=params.role, name=params.name,
        prefix=visible_prefix(token), version=1, created_at=call.now, expires_at=expires_at,
        revoked_at=None,
    )  # fmt: skip

    async def work(scope: WriteScope) -> Result:
        await keys.insert(scope.tx, key, token_hash(token))
        _record(scope, "key_created", key, actor)
        return {"key": key}

    result = await call.commit(work)
    first = result["key"].id == key.id
    return {**result, "token": token if first else None}


async def list_(call: Invocation, params: ListOf) -> Result:
    """A page of the keys that the actor manages by id, revoked ones included."""
    found = await call.read(lambda tx: keys.page(tx, params.after, params.limit))
    return {"keys": found, "count": len(found), "next": next_of(found, params.limit)}


async def revoke(call: Invocation, params: ById) -> Result:
    """Revoke a key and close every connection that it made; revoking twice changes nothing.

    Raises:
        storage.errors.NotFound: there is no such key, or it is another merchant's.
    """

    async def work(scope: WriteScope) -> Result:
        key = await keys.get(scope.tx, params.id)
        if await keys.revoke(scope.tx, params.id, call.now):
            key = await keys.get(scope.tx, params.id)
            _record(scope, "key_revoked", key, call.actor)
        return {"key": key}

    result = await call.commit(work)
    call.services.authenticator.forget(params.id)
    call.services.gateway.connections.close_key(params.id)
    return result


def _merchant_for(
    services: Services, actor: Principal, role: Role, asked: str | None
) -> str | None:
    """The merchant of a new key, None for an admin's."""
    if role == "admin":
        if actor.role != "admin":
            raise Forbidden("only an admin's key makes admin keys")
        if actor.merchant_id is not None and asked is None:
            raise Forbidden("this connection works for one merchant alone; it makes no admin key")
        if asked is not None:
            raise invalid(InvalidParams, "/merchant_id", "an admin key belongs to no merchant")
        return None
    if actor.merchant_id is not None:
        if asked not in (None, actor.merchant_id):
            raise Forbidden("a merchant's key makes keys for its own merchant")
        return actor.merchant_id
    if asked is None:
        raise invalid(InvalidParams, "/merchant_id", f"a {role} key needs its merchant")
    if asked not in services.merchants:
        raise invalid(InvalidParams, "/merchant_id", "no merchant has this id")
    return asked


def _record(scope: WriteScope, type_: str, key: ApiKey, actor: Principal) -> None:
    if key.merchant_id is None:
        return  # an event belongs to a merchant; an admin key belongs to none
    data = {
        "keyId": key.id, "role": key.role, "name": key.name, "prefix": key.prefix,
        "version": key.version, "expiresAt": key.expires_at,
    }  # fmt: skip
    scope.record(Origin(key.merchant_id, actor.source), type_, data, f"key/{key.id}")


COMMANDS = (
    Command(
        name="keys.list", http="GET /api/keys", roles=OPERATORS,
        summary="The keys that the caller manages, revoked ones included, without their secrets",
        params=ListOf, run=list_,
        answer={"keys": list[ApiKey], "count": int, "next": str | None},
    ),
    Command(
        name="keys.create", http="POST /api/keys", roles=OPERATORS,
        summary="Make a key; `token` is its secret, which is not stored and not shown again: a "
        "repeat by the same idempotency key has null there",
        params=NewKey, run=create, answer={"key": ApiKey, "token": str | None}, status=201,
        events=("key_created",),
    ),
    Command(
        name="keys.revoke", http="DELETE /api/keys/{id}", roles=OPERATORS,
        summary="Revoke a key and close its connections",
        params=ById, run=revoke, answer={"key": ApiKey},
        message="The key is revoked and its connections are closed.", events=("key_revoked",),
    ),
)  # fmt: skip
