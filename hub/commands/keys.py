"""Keys: an admin manages all of them, a merchant's key those of its merchant."""

import time

from hub.auth import Principal
from hub.protocol.drafts import Origin
from hub.protocol.errors import Forbidden, InvalidParams, NotFound, invalid
from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms, normalize, parse_ms
from hub.services import Services
from hub.stream.waiting import WriteScope
from hub.tokens import Role, new_token, token_hash, visible_prefix
from storage import errors, keys
from storage.database import Transaction
from storage.records import ApiKey


async def create(
    services: Services,
    actor: Principal,
    role: Role,
    name: str,
    merchant_id: str | None,
    expires_at: str | None,
) -> tuple[ApiKey, str, int]:
    """Make a key: the key, its secret (shown once), and the log's offset after it.

    Raises:
        Forbidden: the actor may not make this key.
        InvalidParams: the merchant does not fit the role, or the expiry is past.
    """
    merchant_id = _merchant_for(services, actor, role, merchant_id)
    now_ms = time.time_ns() // 1_000_000
    if expires_at is not None:
        try:
            expires_at = normalize(expires_at)
        except ValueError as error:
            raise invalid(InvalidParams, "/expires_at", str(error)) from None
        if parse_ms(expires_at) <= now_ms:
            raise invalid(InvalidParams, "/expires_at", "this time is past")
    if actor.expires_ms is not None and (
        expires_at is None or parse_ms(expires_at) > actor.expires_ms
    ):
        message = f"a key that expires makes none that outlive it: {actor.expires_at} at the latest"
        raise invalid(InvalidParams, "/expires_at", message)
    token = new_token(role)
    key = ApiKey(
        id=uuid7(), merchant_id=merchant_id, role=role, name=name, prefix=visible_prefix(token),
        version=1, created_at=format_ms(now_ms), expires_at=expires_at, revoked_at=None,
    )  # fmt: skip

    async def work(scope: WriteScope) -> None:
        await keys.insert(scope.tx, key, token_hash(token))
        _record(scope, "key_created", key, actor)

    committed = await services.log.commit(work, actor.scope())
    return key, token, committed.offset


async def list_(
    services: Services, actor: Principal, merchant_id: str | None, after: str, limit: int
) -> list[ApiKey]:
    """A page of keys by id, revoked ones included.

    Raises:
        Forbidden: the actor may not see these keys.
    """
    _check_manages(actor)
    if actor.merchant_id is not None and merchant_id not in (None, actor.merchant_id):
        raise Forbidden("a merchant's key sees the keys of its own merchant")

    async def read(tx: Transaction) -> list[ApiKey]:
        return await keys.page(tx, after, limit)

    return await services.database.read(read, actor.scope(merchant_id))


async def revoke(services: Services, actor: Principal, id_: str) -> tuple[ApiKey, int]:
    """Revoke a key and close every connection that it made; revoking twice changes nothing.

    Raises:
        NotFound: there is no such key, or it is another merchant's.
    """
    _check_manages(actor)
    now = format_ms(time.time_ns() // 1_000_000)

    async def work(scope: WriteScope) -> ApiKey:
        key = await keys.get(scope.tx, id_)
        if await keys.revoke(scope.tx, id_, now):
            key = await keys.get(scope.tx, id_)
            _record(scope, "key_revoked", key, actor)
        return key

    try:
        committed = await services.log.commit(work, actor.scope())
    except errors.NotFound:
        raise NotFound("no key has this id") from None
    services.authenticator.forget(id_)
    services.gateway.connections.close_key(id_)
    return committed.result, committed.offset


def _check_manages(actor: Principal) -> None:
    if actor.role not in ("admin", "merchant"):
        raise Forbidden(f"a {actor.role}'s key does not manage keys")


def _merchant_for(
    services: Services, actor: Principal, role: Role, asked: str | None
) -> str | None:
    """The merchant of a new key, None for an admin's."""
    _check_manages(actor)
    if role == "admin":
        if actor.role != "admin":
            raise Forbidden("only an admin's key makes admin keys")
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
