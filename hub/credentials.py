"""Where a request carries its credential: the same at the HTTP door and at the socket's."""

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
    """The browser session in a Cookie header, the one of https first.

    A host's cookies are those of all its ports and programs, so that names and values of any kind
    stand beside it: of others nothing but the separators counts (RFC 6265 section 5.4).
    """
    found: dict[str, str] = {}
    for pair in (header or "").split(";"):
        name, equals, value = pair.strip(" \t").partition("=")
        if equals and name in (COOKIE, SECURE_COOKIE):
            found.setdefault(name, value)
    return found.get(SECURE_COOKIE, found.get(COOKIE))
