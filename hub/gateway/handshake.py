"""The opening request of `/ws`: what it asks for, and what it is refused with."""

from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec
from websockets.http11 import Request

from hub.auth import Authenticator, Principal
from hub.credentials import bearer_token, session_cookie
from hub.origins import Origins
from hub.protocol.errors import Forbidden, InvalidParams, NotFound, invalid
from hub.protocol.filters import Filter
from hub.protocol.frames import Last, Offset

PATH = "/ws"


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
        bearer: a key from a header or the query, or None.
        cookie: a browser's session, or None.
        query: the decoded query without the token.
    """

    bearer: str | None
    cookie: str | None
    query: dict[str, str]

    async def authenticate(self, authenticator: Authenticator) -> Principal | None:
        """Who is asking, by the first credential found; None when there is none yet.

        Raises:
            Unauthenticated: the credential is not good.
        """
        if self.bearer is not None:
            return await authenticator.by_key(self.bearer)
        if self.cookie is not None:
            return await authenticator.by_cookie(self.cookie)
        return None

    def wanted(self) -> Wanted:
        """The subscription in the query.

        Raises:
            InvalidParams: a parameter does not fit.
        """
        query = self.query
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
    origin = _header(request, "Origin")
    if origin is not None and not origins.accepts(origin):
        raise Forbidden(
            f"the origin {origin[:200]!r} may not connect; if it is this hub's own address set "
            "HUB_PUBLIC_URL to it, if it is another page's add it to HUB_ALLOWED_ORIGINS"
        )
    query = {name: values[0] for name, values in parse_qs(asked, True).items()}
    token = query.pop("token", None)
    bearer = bearer_token(_header(request, "Authorization"), _header(request, "X-API-Key"))
    cookie = session_cookie(_header(request, "Cookie"))
    if bearer is not None or cookie is None or origin is None or not origins.is_own(origin):
        # A cookie counts for the hub's own pages alone: a browser sends it from any page.
        return Opening(bearer if bearer is not None else token, None, query)
    return Opening(None, cookie, query)


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


def _number(query: dict[str, str], name: str, kind: object) -> int | None:
    if name not in query:
        return None
    try:
        return msgspec.convert(query[name], type=kind, strict=False)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise invalid(InvalidParams, f"/{name}", str(error).lower()) from None
