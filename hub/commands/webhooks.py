"""Webhooks: where a merchant hears of events; its operators alone see and change them.

A secret is made here and is in two answers only, that of `create` and that of `rotate`. No event
tells of a webhook's change, the audit does. What is delivered to it is in `webhook_deliveries`.
"""

import base64
import secrets
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from hub.protocol.errors import FieldError, InvalidParams
from hub.protocol.ids import uuid7
from hub.protocol.times import format_ms
from hub.stream.waiting import WriteScope
from storage import events, webhooks
from storage.database import Transaction
from storage.merchant_records import Webhook

from .command import OPERATORS, Command, Invocation, Result
from .params import ById, ListOf, RowId, Word, next_of
from .webhook_targets import faults_of_types, faults_of_url

SECRET_BYTES = 32
"""Of chance in a secret; Standard Webhooks asks for 24 to 64."""
OVERLAP_MS = 24 * 3600 * 1000
"""How long calls are signed with the secret before the last one too."""

Url = Annotated[str, Meta(min_length=1, max_length=500, examples=["https://shop.example/hook"])]
EventTypes = Annotated[list[str], Meta(min_length=1, max_length=32, examples=[["order_*"]])]


class WebhookView(Struct, frozen=True):
    """A webhook as it is shown: without its secrets.

    It does well where `failing_since` is null. `retry_count` is how often it failed since the last
    success; until `previous_until`, calls are signed with the secret before the last rotation too.
    """

    id: str
    merchant_id: str
    event_types: list[str]
    url: str
    is_active: bool
    retry_count: int
    last_triggered_at: str | None
    disabled_reason: str | None
    failing_since: str | None
    last_success_at: str | None
    last_failure_at: str | None
    last_error: str | None
    previous_until: str | None
    version: int
    created_at: str
    updated_at: str


class ListWebhooks(ListOf, forbid_unknown_fields=True):
    is_active: bool | None = None


class NewWebhook(Struct, forbid_unknown_fields=True):
    """`event_types` are patterns: a type, or the beginning of some and a `*`."""

    url: Url
    event_types: EventTypes
    is_active: bool = True
    id: RowId | None = None
    merchant_id: Word | None = None


class UpdateWebhook(ById, forbid_unknown_fields=True):
    """What is left out stays. One that the hub has disabled is called again once it is active."""

    url: Url | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


async def list_(call: Invocation, params: ListWebhooks) -> Result:
    """A page of webhooks by id."""

    async def read(tx: Transaction) -> list[Webhook]:
        return await webhooks.page(tx, params.after, params.limit, is_active=params.is_active)

    found = [_view(webhook) for webhook in await call.read(read)]
    return {"webhooks": found, "count": len(found), "next": next_of(found, params.limit)}


async def get(call: Invocation, params: ById) -> Result:
    return {"webhook": _view(await call.read(lambda tx: webhooks.get(tx, params.id)))}


async def create(call: Invocation, params: NewWebhook) -> Result:
    """Make a webhook.

    Raises:
        InvalidParams: it cannot be called, or waits for what never comes.
    """
    _check(params)
    webhook = Webhook(
        id=params.id or uuid7(), merchant_id=call.merchant_id, event_types=params.event_types,
        url=params.url, is_active=params.is_active, secret=_new_secret(), created_at=call.now,
        updated_at=call.now,
    )  # fmt: skip
    shown: str | None = None

    async def work(scope: WriteScope) -> Result:
        nonlocal shown
        heard_from = (await events.log_state(scope.tx)).head
        await webhooks.insert(scope.tx, structs.replace(webhook, heard_from=heard_from))
        shown = webhook.secret
        return {"webhook": _view(webhook)}

    result = await call.commit(work)
    call.services.feeder.changed()
    return {**result, "secret": shown}  # None where the answer is that of an earlier call


async def update(call: Invocation, params: UpdateWebhook) -> Result:
    """Change what is given of a webhook. One that becomes active hears of events from now on, and
    begins with good health.

    Raises:
        InvalidParams: see `create`.
        PreconditionFailed: it has another version than `If-Match` says.
    """
    _check(params)
    given = {
        name: value
        for name, value in structs.asdict(params).items()
        if name != "id" and value is not UNSET
    }
    if given.get("is_active"):
        given["disabled_reason"] = None

    async def work(scope: WriteScope) -> Result:
        webhook = await _read_to_change(call, scope, params.id)
        changed = structs.replace(webhook, **given)
        if changed == webhook:
            return {"webhook": _view(webhook)}
        if changed.is_active and not webhook.is_active:
            await webhooks.forget_failures(scope.tx, webhook.id)
            heard_from = (await events.log_state(scope.tx)).head
            changed = structs.replace(
                changed, heard_from=heard_from, failing_since=None, retry_count=0
            )
        changed = await webhooks.update(scope.tx, structs.replace(changed, updated_at=call.now))
        return {"webhook": _view(changed)}

    result = await call.commit(work)
    call.services.feeder.changed()
    return result


async def rotate(call: Invocation, params: ById) -> Result:
    """Give a webhook another secret. Calls are signed with the one before too for 24 hours; a
    second rotation ends that."""
    secret = _new_secret()
    shown: str | None = None

    async def work(scope: WriteScope) -> Result:
        nonlocal shown
        webhook = await _read_to_change(call, scope, params.id)
        changed = structs.replace(
            webhook, secret=secret, previous_secret=webhook.secret,
            previous_until=format_ms(call.now_ms + OVERLAP_MS), updated_at=call.now,
        )  # fmt: skip
        changed = await webhooks.update(scope.tx, changed)
        shown = secret
        return {"webhook": _view(changed)}

    result = await call.commit(work)
    return {**result, "secret": shown}


async def delete(call: Invocation, params: ById) -> Result:
    """Remove a webhook with the attempts to call it."""

    async def work(scope: WriteScope) -> Result:
        webhook = await _read_to_change(call, scope, params.id)
        await webhooks.delete(scope.tx, webhook.id, webhook.version)
        return {"id": webhook.id}

    result = await call.commit(work)
    call.services.feeder.changed()
    return result


async def _read_to_change(call: Invocation, scope: WriteScope, id_: str) -> Webhook:
    webhook = await webhooks.get(scope.tx, id_)
    call.check_version(webhook.version)
    return webhook


def _check(said: NewWebhook | UpdateWebhook) -> None:
    """Check an address and patterns, where they are given.

    Raises:
        InvalidParams: `errors` names every fault.
    """
    faults: list[FieldError] = []
    if said.url is not UNSET:
        faults += faults_of_url(said.url)
    if said.event_types is not UNSET:
        faults += faults_of_types(said.event_types)
    if faults:
        message = "; ".join(f"{fault.pointer}: {fault.message}" for fault in faults)
        raise InvalidParams(message, tuple(faults))


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _view(webhook: Webhook) -> WebhookView:
    return WebhookView(
        **{each.name: getattr(webhook, each.name) for each in structs.fields(WebhookView)}
    )


ONCE = "The secret is shown once: where it is null, this call came before; rotate for another."
COMMANDS = (
    Command(
        name="webhooks.list", http="GET /api/webhooks", roles=OPERATORS,
        summary="The webhooks of a merchant, without their secrets", params=ListWebhooks, run=list_,
        answer={"webhooks": list[WebhookView], "count": int, "next": str | None},
    ),
    Command(
        name="webhooks.get", http="GET /api/webhooks/{id}", roles=OPERATORS,
        summary="One webhook, without its secret", params=ById, run=get,
        answer={"webhook": WebhookView}, table="webhooks",
    ),
    Command(
        name="webhooks.create", http="POST /api/webhooks", roles=OPERATORS,
        summary="Make a webhook; `secret` is what its calls are signed with, which is shown once: "
        "a repeat by the same idempotency key or id has null there",
        params=NewWebhook, run=create, answer={"webhook": WebhookView, "secret": str | None},
        status=201, message=f"The webhook is made. {ONCE}",
    ),
    Command(
        name="webhooks.update", http="PATCH /api/webhooks/{id}", roles=OPERATORS,
        summary="Change what is given of a webhook", params=UpdateWebhook, run=update,
        answer={"webhook": WebhookView}, versioned=True, table="webhooks",
    ),
    Command(
        name="webhooks.delete", http="DELETE /api/webhooks/{id}", roles=OPERATORS,
        summary="Remove a webhook with the attempts to call it", params=ById, run=delete,
        answer={"id": str}, message="The webhook is deleted.", versioned=True, table="webhooks",
    ),
    Command(
        name="webhooks.rotate", http="POST /api/webhooks/{id}/rotate", roles=OPERATORS,
        summary="Give a webhook another `secret`, which is shown once: a repeat by the same "
        "idempotency key has null there. Calls are signed with the one before too for 24 hours",
        params=ById, run=rotate, answer={"webhook": WebhookView, "secret": str | None},
        message=f"The webhook has another secret. {ONCE}", versioned=True, table="webhooks",
    ),
)  # fmt: skip
