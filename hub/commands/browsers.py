"""Browsers and tickets: signing in, signing out, and standing in for a key once."""

from hub.auth import SESSION_SECONDS, Principal
from hub.protocol.errors import InvalidParams
from hub.protocol.times import format_ms
from hub.services import Services
from hub.stream.waiting import WriteScope
from hub.tickets import TICKET_SECONDS
from hub.tokens import new_browser, token_hash
from storage import keys

from .command import EVERYBODY, Command, Invocation, Result
from .params import Nothing


async def sign_in(services: Services, principal: Principal) -> tuple[str, Principal]:
    """Open a browser's session for a principal: the cookie's value, and who it is.

    The session ends with the key behind it, or after 14 days.
    """
    authenticator = services.authenticator
    now_ms = authenticator.now_ms()
    ends_ms = now_ms + SESSION_SECONDS * 1000
    if principal.expires_ms is not None:
        ends_ms = min(ends_ms, principal.expires_ms)
    value = new_browser()

    async def work(scope: WriteScope) -> None:
        await keys.insert_session(
            scope.tx, token_hash(value), principal.key_id, principal.merchant_id,
            format_ms(now_ms), format_ms(ends_ms),
        )  # fmt: skip

    await services.log.commit(work, principal.scope())
    return value, await authenticator.by_cookie(value)


async def sign_out(services: Services, actor: Principal) -> None:
    """End a browser's session with its connections and tickets.

    Raises:
        InvalidParams: the actor came with a key, not with a browser's session.
    """
    browser = actor.browser
    if browser is None:
        raise InvalidParams(
            "there is no browser session to end: this request came with a key; "
            "DELETE /api/keys/{id} revokes one"
        )

    async def work(scope: WriteScope) -> None:
        await keys.delete_session(scope.tx, browser)

    await services.log.commit(work, actor.scope())
    services.authenticator.forget_browser(browser)
    services.gateway.connections.close_browser(browser)


async def issue_ticket(call: Invocation, params: Nothing) -> Result:
    """Make a ticket: good once within 30 s, for whatever the actor may do.

    Asked again with the same idempotency key it makes another: a ticket whose answer was lost
    ends by itself.
    """
    ticket = call.services.authenticator.issue_ticket(call.actor.behind)
    return {"ticket": ticket, "expires_in": TICKET_SECONDS}


COMMANDS = (
    Command(
        name="tickets.create", http="POST /api/tickets", roles=EVERYBODY,
        summary="A ticket for `/ws?token=`, for server-sent events, or for signing a browser in",
        params=Nothing, run=issue_ticket, answer={"ticket": str, "expires_in": int},
        quota="entrance",
    ),
)  # fmt: skip
