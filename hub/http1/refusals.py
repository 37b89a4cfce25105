"""How a request is refused before the application knows of it."""

import math
import time
from collections.abc import Iterable

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from hub.limits import Clock, Sample
from hub.problems import MEDIA_TYPE, problem
from hub.protocol.errors import HubError

from .bounds import LOG_LINES

log = structlog.get_logger("hub.http")


class Refused(Exception):
    """A request that is not served.

    Args:
        status: where it is another than that of the error's code (408, 414, 431, 501, 505).
    """

    def __init__(self, error: HubError, status: int | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = error.code.status if status is None else status


def answer(refused: Refused, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The whole response: an RFC 9457 problem, after which the connection is closed."""
    body = problem(refused.error, refused.status)
    headers = [
        *default_headers,
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if refused.error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % math.ceil(refused.error.retry_after)))
    fields = b"".join(b"%s: %s\r\n" % field for field in headers)
    return STATUS_LINE[refused.status] + fields + b"\r\n" + body


class RefusalLog:
    """Writes a line for a refusal, but not for each one of a flood: it must not fill the disk.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._sample = Sample(LOG_LINES, clock)

    def write(self, status: int, address: str | None) -> None:
        """Log one refusal, or count it; the next line has the number of those without one."""
        suppressed = self._sample.allow()
        if suppressed is None:
            return
        unsaid = {"suppressed": suppressed} if suppressed else {}
        log.info("http request refused", status=status, address=address, **unsaid)
