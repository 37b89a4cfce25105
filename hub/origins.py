"""Which browser origins may use the hub (RFC 6454): its own, and those that are allowed.

The hub's own origin is `HUB_PUBLIC_URL` or a loopback name with the hub's port, never what a
request's Host says: a foreign page that rebinds its name to 127.0.0.1 sends its own name there.
"""

from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def origin_of(url: str) -> str:
    """The origin of a URL: scheme, host and port, without the scheme's default port.

    Raises:
        ValueError: the URL has no http(s) scheme or no host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https address")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = 443 if parts.scheme == "https" else 80
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


class Origins:
    """The origins of one hub.

    Args:
        public_url: `HUB_PUBLIC_URL`, or None.
        port: the port on which the hub listens.
        allowed: `HUB_ALLOWED_ORIGINS`.

    Attributes:
        local_url: the hub's address on this machine.
    """

    def __init__(self, public_url: str | None, port: int, allowed: tuple[str, ...]) -> None:
        self.local_url = origin_of(f"http://{_LOOPBACK[0]}:{port}")
        own = {origin_of(f"http://{name}:{port}") for name in _LOOPBACK}
        if public_url is not None:
            own.add(origin_of(public_url))
        self._own = frozenset(own)
        self._allowed = frozenset(allowed)

    def is_own(self, origin: str) -> bool:
        """Whether the hub's own pages have this origin."""
        return origin in self._own

    def accepts(self, origin: str) -> bool:
        """Whether a page of this origin may connect."""
        return origin in self._own or origin in self._allowed


def foreign(origin: str) -> str:
    """The refusal of an origin, naming the settings that would accept it."""
    return (
        f"the origin {origin[:200]!r} may not connect; if it is this hub's own address set "
        "HUB_PUBLIC_URL to it, if it is another page's add it to HUB_ALLOWED_ORIGINS"
    )
