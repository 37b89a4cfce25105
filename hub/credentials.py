"""Where a request carries its credential: the same at the HTTP door and at the socket's."""

import http.cookies

COOKIE = "hub_session"
SECURE_COOKIE = "__Host-hub_session"
"""The cookie's name on https: the prefix ties it to this host (RFC 6265bis section 4.1.3.2)."""


def bearer_token(authorization: str | None, api_key: str | None) -> str | None:
    """The key of `Authorization: Bearer` (RFC 6750 section 2.1) or `X-API-Key`."""
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    return api_key or None


def session_cookie(header: str | None) -> str | None:
    """The browser session in a Cookie header, the one of https first."""
    if header is None:
        return None
    try:
        cookies = http.cookies.SimpleCookie(header)
    except http.cookies.CookieError:
        return None
    found = cookies.get(SECURE_COOKIE) or cookies.get(COOKIE)
    return None if found is None else found.value
