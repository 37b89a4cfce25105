"""From the address that a user knows to the one of the hub's socket."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def socket_url(url: str) -> str:
    """The address of the hub's socket: `http://host:8000` → `ws://host:8000/ws`.

    A path stands for a hub behind a prefix; one that ends in `/ws` is taken as it is, and so is
    a query.

    Raises:
        ValueError: not an http, https, ws or wss address, or one without a host.
    """
    parts = urlsplit(url.strip())
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ValueError(
            f"{url!r} is not the address of a hub; expected one such as http://127.0.0.1:8000"
        )
    _ = parts.port  # raises ValueError for one out of range
    path = parts.path.rstrip("/")
    if not path.endswith("/ws"):
        path += "/ws"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def with_query(url: str, params: Mapping[str, str]) -> str:
    """`url` with these parameters, which replace those of the same names in it."""
    parts = urlsplit(url)
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in params]
    query = urlencode([*kept, *params.items()], safe="*/,:")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
