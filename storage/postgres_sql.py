"""From the SQL of the seam to Postgres' own: numbered parameters, arrays of rows, values."""

from functools import lru_cache
from typing import Any

# SQL is text of ours: strings and quoted names are all that may hold a question mark.
_QUOTES = ("'", '"')


@lru_cache(maxsize=2048)
def numbered(sql: str, taken: int = 0) -> str:
    """SQL with `?` placeholders as Postgres takes it: `$1`, `$2` …

    Args:
        taken: the number of the last parameter that stands before it.
    """
    parts: list[str] = []
    quote = ""
    count = taken
    for char in sql:
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        elif char == "?":
            count += 1
            parts.append(f"${count}")
            continue
        parts.append(char)
    return "".join(parts)


@lru_cache(maxsize=256)
def insert_unnested(table: str, columns: tuple[tuple[str, str], ...]) -> str:
    """One statement for any number of rows: an array a column."""
    names = ", ".join(name for name, _ in columns)
    arrays = ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(columns, 1))
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608


@lru_cache(maxsize=256)
def wanted_unnested(columns: tuple[str, ...], sql: str) -> str:
    """A statement with a table `wanted` in front: an array of text a column."""
    arrays = ", ".join(f"${n}::text[]" for n in range(1, len(columns) + 1))
    head = f"WITH wanted ({', '.join(columns)}) AS (SELECT * FROM unnest({arrays}))"  # noqa: S608
    return f"{head} {numbered(sql, len(columns))}"


def instant(text: str) -> str:
    """A TIMESTAMPTZ, as a server with time zone UTC writes it, in RFC 3339 with milliseconds."""
    # "2026-11-22 10:00:00.123456+00": a date, a time, perhaps a fraction, and always +00.
    moment = text.removesuffix("+00")
    return f"{moment[:10]}T{moment[11:19]}.{moment[20:23].ljust(3, '0')}Z"


def changed(status: Any) -> int:
    """The number of rows in a command's status, such as `UPDATE 3` or `INSERT 0 1`."""
    last = str(status).rpartition(" ")[2]
    return int(last) if last.isdigit() else 0
