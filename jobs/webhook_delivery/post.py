"""One attempt: a POST, and what came of it. Whatever a receiver does, there is an answer in 10 s.

No redirect is followed, no proxy of the environment is used, no cookie is kept, and of a body no
more than 2 KiB is read, as it comes, without decompression.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import aiohttp
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    DummyCookieJar,
    ServerDisconnectedError,
    TraceConfig,
    TraceConnectionReuseconnParams,
)
from msgspec import Struct

from . import guard
from .addresses import Network

TIMEOUT_SECONDS = 10.0
"""For all of an attempt: names, connection, TLS, headers and body."""
BODY_BYTES = 2048
_ERROR_CHARS = 500
_LOCATION_CHARS = 200
_REQUEST = {
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "User-Agent": "smart-bot-hub (webhooks)",
}


class Answer(Struct, frozen=True, kw_only=True):
    """What came of an attempt.

    Attributes:
        error: why it failed, a sentence; None where it succeeded.
        status: of HTTP; None where no answer came.
        body: what of it was read, at most 2 KiB of UTF-8.
        retry_after: seconds for which the receiver asked to be left alone.
    """

    error: str | None
    status: int | None = None
    body: str | None = None
    duration_ms: int
    retry_after: float | None = None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants never to be called again (RFC 9110, section 15.5.11)."""
        return self.status == 410


class Caller:
    """Calls receivers over connections that are kept for a while. `close` ends them.

    Args:
        allowed: private addresses that may be reached.
        tls: what certificates are checked with; the system's authorities if None.
        timeout: seconds for all of an attempt.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        tls: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        trace = TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._timeout = timeout
        self._tls = True if tls is None else tls
        self._session = ClientSession(
            connector=guard.connector(allowed),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=DummyCookieJar(),
            headers=_REQUEST,
            auto_decompress=False,
            trust_env=False,
            read_bufsize=4096,
            trace_configs=[trace],
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Make one attempt."""
        begun = time.monotonic()
        made = _Attempt()
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    await self._ask(url, headers, body, made)
                except (ServerDisconnectedError, ClientOSError):
                    # A receiver may close what it took for idle at the moment in which we use it.
                    if not made.reused or made.status is not None:
                        raise
                    made = _Attempt()
                    await self._ask(url, headers, body, made)
        except TimeoutError:
            made.error = made.late(self._timeout)
        except (ClientError, OSError, ValueError) as error:
            made.error = _sentence(error)
        return Answer(
            error=made.error,
            status=made.status,
            body=_text(made.body),
            duration_ms=int((time.monotonic() - begun) * 1000),
            retry_after=made.retry_after,
        )

    async def _ask(
        self, url: str, headers: Mapping[str, str], body: bytes, made: "_Attempt"
    ) -> None:
        async with self._session.post(
            url, headers=headers, data=body, allow_redirects=False, ssl=self._tls,
            trace_request_ctx=made,
        ) as response:  # fmt: skip
            made.status = response.status
            made.retry_after = _retry_after(response)
            await _read(response, made)
            made.error = _fault(response)


class _Attempt:
    """What is known of an attempt while it goes on."""

    def __init__(self) -> None:
        self.reused = False
        self.status: int | None = None
        self.body = bytearray()
        self.error: str | None = None
        self.retry_after: float | None = None

    def late(self, timeout: float) -> str:
        if self.status is None:
            return f"no answer within {timeout:g} s"
        return f"answered {self.status}, but the body did not end within {timeout:g} s"


async def _note_reuse(
    session: ClientSession, context: SimpleNamespace, params: TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx.reused = True


async def _read(response: ClientResponse, made: _Attempt) -> None:
    """Read the body's beginning; a connection with more of it is of no further use."""
    while len(made.body) < BODY_BYTES:
        part = await response.content.read(BODY_BYTES - len(made.body))
        if not part:
            return
        made.body += part
    if not response.content.at_eof():
        response.close()


def _fault(response: ClientResponse) -> str | None:
    status = response.status
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        target = response.headers.get("Location", "")[:_LOCATION_CHARS]
        return f"answered {status} to {target!r}: no redirect is followed; name the last address"
    return f"answered {status}"


def _sentence(error: Exception) -> str:
    """Why no answer came, without the client's own wrapping."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            text = f"the certificate is not good: {error.certificate_error}"
        case aiohttp.ClientConnectorDNSError():
            why = error.os_error.strerror or str(error.os_error)
            text = f"the name {error.host!r} has no address: {why}"
        case ClientConnectorError(os_error=ConnectionRefusedError()):
            text = f"nobody listens at {error.host}:{error.port}"
        case ClientConnectorError():
            text = str(error.os_error)
        case ServerDisconnectedError():
            text = "the connection was closed before an answer came"
        case _:
            text = str(error) or type(error).__name__
    return text.replace("\0", "\ufffd")[:_ERROR_CHARS]


def _text(body: bytearray) -> str | None:
    """A body as text that a database takes: UTF-8 within 2 KiB, no NUL; None for none."""
    if not body:
        return None
    text = body.decode(errors="replace").replace("\0", "\ufffd")
    # What stands in for bytes that are no UTF-8 is longer than they were.
    return text.encode()[:BODY_BYTES].decode(errors="ignore")


def _retry_after(response: ClientResponse) -> float | None:
    """What `Retry-After` asks for (RFC 9110, section 10.2.3), with the statuses that have it."""
    if response.status not in (429, 503):
        return None
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
