"""Times on the wire: RFC 3339, UTC, milliseconds (`2026-11-22T10:00:00.123Z`)."""

import re
from datetime import UTC, datetime

# RFC 3339 section 5.6; `fromisoformat` alone takes more (dates alone, week dates, no zone).
_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def format_ms(milliseconds: int) -> str:
    """Format milliseconds since the Unix epoch."""
    seconds, ms = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def parse_ms(text: str) -> int:
    """Parse an RFC 3339 time to milliseconds since the Unix epoch.

    Raises:
        ValueError: `text` is not an RFC 3339 date-time with a zone.
    """
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("expected an RFC 3339 time such as 2026-11-22T10:00:00.123Z")
    moment = datetime.fromisoformat(text.upper())
    return (
        int(moment.timestamp() * 1000 + 0.5)
        if moment.microsecond
        else int(moment.timestamp()) * 1000
    )


def normalize(text: str) -> str:
    """Rewrite any RFC 3339 time as UTC with milliseconds.

    Raises:
        ValueError: as `parse_ms`, or the time lies outside the years 1-9999.
    """
    if len(text) == 24 and text[19] == "." and text[23] == "Z" and _RFC3339.fullmatch(text):
        datetime.fromisoformat(text)  # the digits must also be a real date
        return text
    try:
        return format_ms(parse_ms(text))
    except OverflowError as error:
        raise ValueError("the time lies outside the years 1-9999") from error
