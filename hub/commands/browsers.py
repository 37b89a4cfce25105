"""Browsers: signing in by the banner's link or with a key."""

import secrets

from hub.auth import SESSION_SECONDS, Principal, token_hash
from hub.protocol.times import format_ms
from hub.services import Services
from hub.stream.log import WriteScope
from storage import keys


async def sign_in(services: Services, principal: Principal) -> tuple[str, Principal]:
    """Open a browser's session for a principal: the cookie's value, and who it is.

    The session ends with the key behind it, or after 14 days.
    """
    authenticator = services.authenticator
    now_ms = authenticator.now_ms()
    ends_ms = now_ms + SESSION_SECONDS * 1000
    if principal.expires_ms is not None:
        ends_ms = min(ends_ms, principal.expires_ms)
    value = secrets.token_urlsafe(32)

    async def work(scope: WriteScope) -> None:
        await keys.insert_session(
            scope.tx, token_hash(value), principal.key_id, format_ms(now_ms), format_ms(ends_ms)
        )

    await services.log.commit(work)
    return value, await authenticator.by_cookie(value)
