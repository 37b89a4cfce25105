"""The opening request of `/ws`: what it asks for, and what it is refused with."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec
from websockets.http11 import Request

from hub.auth import Authenticator, Principal
from hub.credentials import bearer_token, session_cookie
from hub.origins import Origins, foreign
from hub.protocol.errors import Forbidden, InvalidParams, NotFound, Unauthenticated, invalid
from hub.protocol.filters import Filter
from hub.protocol.frames import Last, Offset

PATH = "/ws"
AGENT_CHARS = 200
"""What is kept of a `User-Agent`."""


class Wanted(NamedTuple):
    """The subscription that a query asks for; `given` is false when it names none."""

    given: bool
    filter: Filter
    since: int | None
    epoch: str | None
    last: int | None


class Opening(NamedTuple):
    """A request that may become a connection.

    Attributes:
        token: a key from a header, or a key or ticket from the query, or None.
        cookie: a browser's session, or None.
        query: the decoded query without the token.
    """

    token: str | None
    cookie: str | None
    query: dict[str, str]

    async def authenticate(self, authenticator: Authenticator) -> Principal:
        """Who is asking, by the first credential found.

        Raises:
            Unauthenticated: there is none, or it is not good.
            storage.errors.Unavailable: the database did not answer.
        """
        if self.token is not None:
            return await authenticator.by_token(self.token)
        if self.cookie is not None:
            return await authenticator.by_cookie(self.cookie)
        raise Unauthenticated("this connection has brought no credential")

    def wanted(self) -> Wanted:
        """The subscription in the query. Raises: InvalidParams."""
        return wanted(self.query)


def wanted(query: Mapping[str, str]) -> Wanted:
    """The subscription that a query asks for.

    Raises:
        InvalidParams: a parameter does not fit.
    """
    since, last = _number(query, "since", Offset), _number(query, "last", Last)
    check_start(since, last)
    return Wanted(
        not query.keys().isdisjoint(("types", "subjects", "since", "last")),
        Filter.from_query(query.get("types"), query.get("subjects")),
        since,
        query.get("epoch"),
        last,
    )


def read_opening(request: Request, origins: Origins) -> Opening:
    """Read the handshake's credentials and query, and check its origin.

    The order is the order of precedence: header, cookie, query.

    Raises:
        NotFound: the path is not `/ws`.
        Forbidden: the origin is foreign; the message names the setting that allows it.
    """
    path, _, asked = request.path.partition("?")
    if path != PATH:
        raise NotFound(f"there is no WebSocket at {path[:100]}; connect to {PATH}")
    sent = request.headers.get_all("Origin")
    origin = ", ".join(sent) if sent else None  # several are one that nobody has
    if origin is not None and not origins.accepts(origin):
        raise Forbidden(foreign(origin))
    query = {name: values[0] for name, values in parse_qs(asked, True).items()}
    token = query.pop("token", None)
    bearer = bearer_token(_header(request, "Authorization"), _header(request, "X-API-Key"))
    cookie = session_cookie(_header(request, "Cookie"))
    if bearer is not None or cookie is None or origin is None or not origins.is_own(origin):
        # A cookie counts for the hub's own pages alone: a browser sends it from any page.
        return Opening(bearer if bearer is not None else token, None, query)
    return Opening(None, cookie, query)


def forwarded_for(request: Request) -> list[str]:
    """The lines of `X-Forwarded-For`, as `hub.addresses.Proxies` takes them."""
    return list(request.headers.get_all("X-Forwarded-For"))


def agent_of(request: Request) -> str | None:
    """What the client says it is, shortened."""
    agent = _header(request, "User-Agent")
    return None if agent is None else agent[:AGENT_CHARS]


def check_start(since: int | None, last: int | None) -> None:
    """Check that a subscription begins in one place.

    Raises:
        InvalidParams: both are given.
    """
    if since is not None and last is not None:
        raise invalid(InvalidParams, "/last", "last and since exclude each other")


def _header(request: Request, name: str) -> str | None:
    values = request.headers.get_all(name)
    return values[0] if values else None


def _number(query: Mapping[str, str], name: str, kind: object) -> int | None:
    if name not in query:
        return None
    try:
        return msgspec.convert(query[name], type=kind, strict=False)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise invalid(InvalidParams, f"/{name}", str(error).lower()) from None
