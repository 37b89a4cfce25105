"""What the head of a request has to be. What a proxy before the hub might read differently is
refused, because a request that two servers end in two places smuggles in another.

The parser (llhttp) refuses by itself: bare LF, obs-fold, space before a colon, control characters,
a Content-Length that is no number or comes twice, Content-Length beside Transfer-Encoding, and
chunk sizes that are no hexadecimal number. What it lets through is looked at here.
"""

import string
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import httptools

from hub.protocol.errors import BadFrame, TooLarge

from .bounds import HEADER_FIELDS, URL_BYTES
from .refusals import Refused

T = TypeVar("T")

_WATCHED = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
_HOST = (string.ascii_letters + string.digits + "-._~!$&'()*+,;=%:[]").encode()


class Framing(NamedTuple):
    """How a request goes on behind its head.

    Attributes:
        length: octets of its body; 0 if it has none or is chunked.
        expects: the client waits for `100 Continue` before it sends the body.
        websocket: it opens a WebSocket, and HTTP ends here.
    """

    length: int
    chunked: bool
    expects: bool
    websocket: bool

    @property
    def field(self) -> bytes:
        """The header field that says so."""
        return (
            b"transfer-encoding: chunked" if self.chunked else b"content-length: %d" % self.length
        )


NO_BODY = Framing(0, False, False, False)
"""What nearly every request is."""


def read_head(
    method: bytes, url: bytes, version: str, headers: list[tuple[bytes, bytes]], upgrade: bool
) -> Framing:
    """Check a head that the parser has taken, and say what follows it.

    Args:
        headers: with names in lower case.
        upgrade: the parser saw `Connection: upgrade` and an Upgrade field, or CONNECT.

    Raises:
        Refused: it can be read in more than one way, or not at all (RFC 9112 sections 2.3, 3.2,
            6.1; RFC 6455 section 4.1).
    """
    if version not in ("1.1", "1.0"):
        refusal = BadFrame(f"this server speaks HTTP/1.1, not HTTP/{version}")
        raise Refused(refusal, None if version < "1" else 505)
    check_url(url)
    if len(headers) > HEADER_FIELDS:
        raise Refused(TooLarge(f"a request has {HEADER_FIELDS} header fields at most"), 431)
    if upgrade and method == b"CONNECT":
        raise Refused(BadFrame("there is no way through to other servers here"))
    hosts, length, coding, expects, protocol = 0, 0, b"", False, b""
    for name, value in headers:
        if name not in _WATCHED:
            continue
        if name == b"host":
            hosts += 1
            if value.translate(None, _HOST):
                raise Refused(BadFrame("the Host field is no host and port"))
        elif name == b"content-length":
            length = int(value)  # the parser took it: digits, and one such field
        elif name == b"transfer-encoding":
            coding += b"," + value.lower()
        elif name == b"expect":
            expects = value.lower() == b"100-continue"
        else:
            protocol = value.lower()
    if hosts != 1 and (hosts or version == "1.1"):
        raise Refused(BadFrame(f"a request has one Host field, not {hosts}"))
    if coding and version == "1.0":
        raise Refused(BadFrame("HTTP/1.0 has no Transfer-Encoding"))
    if coding and coding != b",chunked":
        raise Refused(BadFrame("the only transfer coding that is taken here is chunked"), 501)
    if not (length or coding or expects or upgrade):
        return NO_BODY
    websocket = upgrade and protocol == b"websocket"
    if websocket and version != "1.1":
        raise Refused(BadFrame("a WebSocket begins with a request of HTTP/1.1"))
    if websocket and (length or coding):
        raise Refused(BadFrame("a request that opens a WebSocket has no body"))
    return Framing(length, coding != b"", expects, websocket)


def check_url(url: bytes) -> None:
    """Check the length of a target.

    Raises:
        Refused: it is too long.
    """
    if len(url) > URL_BYTES:
        message = f"the target of a request has {URL_BYTES} octets at most"
        raise Refused(TooLarge(message), 414)


def split_target(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a target, which is a path or a whole address (RFC 9112 section 3.2).

    Raises:
        Refused: it is neither, or has a fragment.
    """
    if b"#" in url:
        raise Refused(BadFrame("the target of a request has no fragment"))
    if url[:1] == b"/":
        path, _, query = url.partition(b"?")
        return path, query
    try:
        target = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        target = None
    if target is None or target.schema not in (b"http", b"https") or target.path is None:
        raise Refused(BadFrame("the target of a request is a path or an http address with one"))
    return target.path, target.query or b""


def body_bound(bounds: Mapping[str, T], path: str, default: T) -> T:
    """The bound of the longest prefix of a path.

    Args:
        bounds: by prefix.
        default: where none fits.
    """
    prefixes = [prefix for prefix in bounds if path.startswith(prefix)]
    return bounds[max(prefixes, key=len)] if prefixes else default
