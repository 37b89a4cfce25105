"""Times on the wire: RFC 3339, UTC, milliseconds (`2026-11-22T10:00:00.123Z`)."""

import re
from datetime import UTC, datetime, timedelta

# RFC 3339 section 5.6; `fromisoformat` alone takes more (dates alone, week dates, no zone).
_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def format_ms(milliseconds: int) -> str:
    """Format milliseconds since the Unix epoch.

    Raises:
        OverflowError: the time lies outside the years 1-9999.
    """
    moment = _EPOCH + milliseconds * _MILLISECOND
    return f"{moment.isoformat(timespec='milliseconds')[:23]}Z"


def parse_ms(text: str) -> int:
    """Parse an RFC 3339 time to milliseconds since the Unix epoch; a finer part is cut off.

    Raises:
        ValueError: `text` is not an RFC 3339 date-time with a zone, or no such day or time exists.
    """
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("expected an RFC 3339 time such as 2026-11-22T10:00:00.123Z")
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MILLISECOND


def normalize(text: str) -> str:
    """Rewrite any RFC 3339 time as UTC with milliseconds.

    Raises:
        ValueError: as `parse_ms`, or the time lies outside the years 1-9999.
    """
    try:
        return format_ms(parse_ms(text))
    except OverflowError as error:
        raise ValueError("the time lies outside the years 1-9999") from error
