"""The log's tables: `log_state`, `events`, `retired_event_ids`."""

from collections.abc import Iterable, Sequence

from .database import Row, Transaction, Value
from .records import EventPage, EventRow, KnownEvent, LogState, StoredEvent
from .scope import scoped
from .table import of_one

PAGE_ROWS = 2000
"""Most rows that one page looks at."""
PAGE_BYTES = 512 * 1024
"""A page ends after the event with which it reaches this size."""

FOLLOWER = "webhooks"
"""Whose cursor in `log_cursors` follows the log and must miss no event."""

Patterns = tuple[list[str], list[str]]
"""Exact strings and prefixes, one of which a column must match."""


# ── the log's identity and ends ──────────────────────────────────────────────────────────────


async def ensure_log(tx: Transaction, epoch: str, identity: str | None = None) -> LogState:
    """Start the log with this epoch unless it has one already; its state.

    A log that another database wrote last (a restored backup, a server that went back to an
    earlier state) gets this epoch too: offsets that it gave out then may be given out again.

    Args:
        identity: what tells this database from its copies, see `Database.identity`.
    """
    await tx.execute(
        "INSERT INTO log_state (id, epoch, head, oldest, committed_at) VALUES (1, ?, 0, 1, 0)"
        " ON CONFLICT (id) DO NOTHING",
        (epoch,),
    )
    [(written_by,)] = await tx.fetch("SELECT fingerprint FROM log_state")
    if written_by != identity:
        # In one statement: of two hubs that start at once the second finds nothing to change.
        await tx.execute(
            "UPDATE log_state SET epoch = CASE WHEN fingerprint IS NULL THEN epoch ELSE ? END,"
            " fingerprint = ? WHERE COALESCE(fingerprint, '') <> COALESCE(?, '')",
            (epoch, identity, identity),
        )
    return await log_state(tx)


async def log_state(tx: Transaction) -> LogState:
    """Read the log's state."""
    [(epoch, head, oldest)] = await tx.fetch("SELECT epoch, head, oldest FROM log_state")
    return LogState(epoch, head, oldest)


async def withdraw(tx: Transaction, count: int) -> None:
    """Take back offsets that this transaction has reserved at the end and does not use."""
    await tx.execute("UPDATE log_state SET head = head - ?", (count,))


async def advance_head(tx: Transaction, count: int, now_ms: int) -> tuple[int, int, str]:
    """Lock the log's head and move it by `count`.

    Returns:
        The head afterwards; the commit time of this transaction: now, or the last one's where the
        clock has gone back, so that it never decreases with the offset; and the log's epoch.
    """
    [(head, committed_ms, epoch)] = await tx.fetch(
        "UPDATE log_state SET head = head + ?,"
        " committed_at = CASE WHEN committed_at < ? THEN ? ELSE committed_at END"
        " RETURNING head, committed_at, epoch",
        (count, now_ms, now_ms),
    )
    return head, committed_ms, epoch


async def last_offsets(tx: Transaction) -> dict[str, int]:
    """The last stored offset of every merchant that has one."""
    where, params = scoped(tx, column="id")
    # One index look-up per merchant; GROUP BY would read the whole index of the log.
    rows = await tx.fetch(
        "SELECT id, (SELECT MAX(log_offset) FROM events"  # noqa: S608
        f" WHERE merchant_id = merchants.id) FROM merchants WHERE {where}",
        params,
    )
    return {merchant_id: offset for merchant_id, offset in rows if offset is not None}


# ── appending ────────────────────────────────────────────────────────────────────────────────


COLUMNS = {
    "log_offset": "bigint",
    "merchant_id": "text",
    "id": "text",
    "type": "text",
    "subject": "text",
    "committed_at": "bigint",
    "frame": "text",
}


async def insert_events(tx: Transaction, rows: Sequence[EventRow]) -> None:
    """Append rows whose ids are known to be new."""
    await tx.insert("events", COLUMNS, rows)


async def known_events(
    tx: Transaction, ids: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], KnownEvent]:
    """Look up (merchant_id, id) pairs; those that are not known are left out."""
    own = tx.scope.merchant_id
    if own is not None:
        ids = [pair for pair in ids if pair[0] == own]
    rows = await tx.fetch_wanted(
        ("m", "i"),
        ids,
        "SELECT m, i, e.log_offset, e.frame"
        " FROM wanted JOIN events e ON e.merchant_id = m AND e.id = i"
        " UNION ALL SELECT m, i, r.log_offset, NULL"
        " FROM wanted JOIN retired_event_ids r ON r.merchant_id = m AND r.id = i",
    )
    return {
        (merchant_id, id_): KnownEvent(offset, frame and frame.encode())
        for merchant_id, id_, offset, frame in rows
    }


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def _matching(column: str, patterns: Patterns | None) -> tuple[str, list[Value]]:
    """SQL that is true where `column` matches one of the patterns."""
    if patterns is None:
        return "TRUE", []
    exact, prefixes = patterns
    tests = [f"{column} IN ({', '.join('?' * len(exact))})"] if exact else []
    tests += [f"substr({column}, 1, ?) = ?"] * len(prefixes)
    params: list[Value] = [*exact, *(part for p in prefixes for part in (len(p), p))]
    return f"COALESCE({' OR '.join(tests)}, FALSE)", params


async def page(
    tx: Transaction,
    types: Patterns | None,
    subjects: Patterns | None,
    *,
    after: int,
    upto: int,
    limit: int = PAGE_ROWS,
    page_bytes: int | None = None,
) -> EventPage:
    """Read the matching events of the scope with `after < offset <= upto`, in order, as far as one
    page goes.

    Args:
        types, subjects: patterns that must match; None for all.
        limit: most events on the page.
        page_bytes: bytes of events behind which it ends, 512 KiB if None.
    """
    most_bytes = page_bytes or PAGE_BYTES
    where, where_params = scoped(tx)
    type_test, type_params = _matching("type", types)
    subject_test, subject_params = _matching("subject", subjects)
    # Rows that do not match come without their frame: they only say how far the page has looked.
    rows = tx.scan(
        f"SELECT log_offset, CASE WHEN {type_test} AND {subject_test}"  # noqa: S608
        f" THEN frame END FROM events WHERE {where}"
        " AND log_offset > ? AND log_offset <= ? ORDER BY log_offset LIMIT ?",
        [*type_params, *subject_params, *where_params, after, upto, PAGE_ROWS],
    )
    events: list[tuple[int, bytes]] = []
    looked_at = size = 0
    offset = after
    async for offset, frame in rows:
        looked_at += 1
        if frame is not None:
            payload = frame.encode()
            events.append((offset, payload))
            size += len(payload)
            if len(events) == limit or size >= most_bytes:
                return EventPage(events, offset)
    return EventPage(events, offset if looked_at == PAGE_ROWS else upto)


_STORED = "log_offset, merchant_id, type, subject, frame"


def _stored(rows: Iterable[Row]) -> list[StoredEvent]:
    return [
        StoredEvent(offset, merchant_id, type_, subject, frame.encode())
        for offset, merchant_id, type_, subject, frame in rows
    ]


async def newest(tx: Transaction, count: int) -> list[StoredEvent]:
    """The last `count` events of the scope, oldest first."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT {_STORED} FROM events WHERE {where} ORDER BY log_offset DESC LIMIT ?",  # noqa: S608
        (*params, count),
    )
    return _stored(reversed(rows))


async def following(tx: Transaction, after: int, upto: int) -> list[StoredEvent]:
    """The events of the scope with `after < offset <= upto`, in order; at most a page."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT {_STORED} FROM events WHERE {where}"  # noqa: S608
        " AND log_offset > ? AND log_offset <= ? ORDER BY log_offset LIMIT ?",
        (*params, after, upto, PAGE_ROWS),
    )
    return _stored(rows)


async def heads(tx: Transaction, after: int, upto: int) -> list[tuple[int, str, str]]:
    """Offset, merchant and type of the events of the scope with `after < offset <= upto`, in
    order; at most a page."""
    where, params = scoped(tx)
    rows = await tx.fetch(
        f"SELECT log_offset, merchant_id, type FROM events WHERE {where}"  # noqa: S608
        " AND log_offset > ? AND log_offset <= ? ORDER BY log_offset LIMIT ?",
        (*params, after, upto, PAGE_ROWS),
    )
    return [(offset, merchant_id, type_) for offset, merchant_id, type_ in rows]


async def frames(tx: Transaction, offsets: Sequence[int]) -> dict[int, bytes]:
    """The JSON of those of these events that are still stored, by offset; for some hundreds."""
    if not offsets:
        return {}
    where, params = scoped(tx)
    marks = ", ".join("?" * len(offsets))
    rows = await tx.fetch(
        f"SELECT log_offset, frame FROM events WHERE {where} AND log_offset IN ({marks})",  # noqa: S608
        (*params, *offsets),
    )
    return {offset: frame.encode() for offset, frame in rows}


async def offsets_before(
    tx: Transaction,
    types: Patterns | None,
    subjects: Patterns | None,
    before: int,
) -> tuple[list[int], int]:
    """Look at up to a page of rows below `before`, newest first.

    Returns:
        The offsets that match, descending, and the offset below which to go on (0: at the start).
    """
    where, where_params = scoped(tx)
    type_test, type_params = _matching("type", types)
    subject_test, subject_params = _matching("subject", subjects)
    rows: list[Row] = await tx.fetch(
        f"SELECT log_offset, {type_test} AND {subject_test} FROM events"  # noqa: S608
        f" WHERE {where} AND log_offset < ? ORDER BY log_offset DESC LIMIT ?",
        [*type_params, *subject_params, *where_params, before, PAGE_ROWS],
    )
    return [offset for offset, hit in rows if hit], rows[-1][0] if len(rows) == PAGE_ROWS else 0


async def of_order(tx: Transaction, order_id: str, after: int, limit: int) -> list[StoredEvent]:
    """Up to `limit` events of the bound merchant about an order with a larger offset than `after`,
    in order."""
    where, params = of_one(tx)
    # The condition of the index stands in it word for word: else it would not be used.
    rows = await tx.fetch(
        f"SELECT {_STORED} FROM events WHERE {where}"  # noqa: S608
        " AND subject = ? AND subject >= 'order/' AND subject < 'order0'"
        " AND log_offset > ? ORDER BY log_offset LIMIT ?",
        (*params, f"order/{order_id}", after, limit),
    )
    return _stored(rows)


# ── retention ────────────────────────────────────────────────────────────────────────────────


async def retire(tx: Transaction, committed_before_ms: int, limit: int) -> int:
    """Remove the oldest events that were committed before a moment, at most `limit` of them.

    Their ids stay known. What the follower has still to read stays.
    The number removed; fewer than `limit` means that none is left to remove.
    """
    read = await tx.fetch("SELECT log_offset FROM log_cursors WHERE name = ?", (FOLLOWER,))
    upto = read[0][0] if read else 2**63 - 1
    rows = await tx.fetch(
        "SELECT log_offset, committed_at FROM events WHERE log_offset <= ?"
        " ORDER BY log_offset LIMIT ?",
        (upto, limit),
    )
    last = 0
    removed = 0
    for offset, committed_ms in rows:
        if committed_ms >= committed_before_ms:
            break
        last = offset
        removed += 1
    if removed:
        await tx.execute(
            "INSERT INTO retired_event_ids (merchant_id, id, log_offset)"
            " SELECT merchant_id, id, log_offset FROM events WHERE log_offset <= ?"
            " ON CONFLICT (merchant_id, id) DO NOTHING",
            (last,),
        )
        await tx.execute("DELETE FROM events WHERE log_offset <= ?", (last,))
        await tx.execute("UPDATE log_state SET oldest = ? WHERE oldest <= ?", (last + 1, last))
    return removed
