"""Refusals of the database, told alike on every engine: by the name of the constraint.

Postgres says it (`products_price_check`). SQLite says the columns of a UNIQUE, the text of a CHECK,
and of a foreign key nothing; the names here are those that Postgres makes of the same constraint,
without the number with which it tells two of one name apart.
"""

import re
from collections.abc import Mapping

from .database import Transaction, Value
from .errors import Conflict
from .scope import scoped

_POSTGRES = re.compile(r'violates (?:unique|check|foreign key|not-null) constraint(?: "(\w+)")?')
_NULL_COLUMN = re.compile(r'null value in column "(\w+)"')
_COLUMNS = re.compile(r"(?:UNIQUE|NOT NULL) constraint failed: (.+)")
_CHECK = re.compile(r"CHECK constraint failed: (.+)", re.DOTALL)
_FOREIGN = "FOREIGN KEY constraint failed"
_LITERAL = re.compile(r"'(?:[^']|'')*'")

_INDEXES = {
    ("product_media", "merchant_id", "product_id"): "product_media_primary",
    ("jobs", "merchant_id", "queue", "unique_key"): "jobs_unique",
}
"""Unique indexes with a condition, by their table and columns."""


async def named(
    tx: Transaction,
    table: str,
    error: Conflict,
    values: Mapping[str, Value] | None = None,
    id_: str | None = None,
) -> Conflict:
    """What a table has refused, by the name of its constraint.

    Args:
        error: as the engine raised it.
        values: the row that was to be written.
        id_: the row that was to be removed.
    """
    text = str(error)
    constraint = _of_postgres(table, text) or _of_sqlite(table, text, values or {})
    if constraint is None and text == _FOREIGN:
        if values is None:
            constraint = await _needed_by(tx, table, str(id_))
        else:
            constraint = await _missing(tx, table, values)
    return Conflict(f"{table}: {constraint} refuses it" if constraint else f"{table}: {text}")


def _of_postgres(table: str, text: str) -> str | None:
    match = _POSTGRES.search(text)
    if match is None:
        return None
    if match[1] is None:
        column = _NULL_COLUMN.search(text)
        return f"{table}_{column[1] if column else ''}_not_null"
    return match[1].rstrip("0123456789")


def _of_sqlite(table: str, text: str, values: Mapping[str, Value]) -> str | None:
    columns = _COLUMNS.fullmatch(text)
    if columns:
        names = [column.rpartition(".")[2] for column in columns[1].split(", ")]
        if text.startswith("NOT"):
            return f"{table}_{names[0]}_not_null"
        primary = names == ["merchant_id", "id"] or names == ["merchant_id", "method", "key"]
        made = f"{table}_pkey" if primary else f"{table}_{'_'.join(names)}_key"
        return _INDEXES.get((table, *names), made)
    check = _CHECK.fullmatch(text)
    if check:
        words = set(re.findall(r"\w+", _LITERAL.sub("", check[1])))
        checked = [name for name in values if name in words]
        return f"{table}_{checked[0]}_check" if len(checked) == 1 else f"{table}_check"
    return None


# ── SQLite's foreign keys ────────────────────────────────────────────────────────────────────────


async def _missing(tx: Transaction, table: str, values: Mapping[str, Value]) -> str | None:
    """The foreign key of a row whose other end is not there."""
    keys = await _foreign_keys(tx, table)
    for parent, columns, theirs, _ in keys:
        matches = " AND ".join(f"{name} = ?" for name in theirs)
        params = [values[name] for name in columns]
        where, bound = scoped(tx, column="id" if parent == "merchants" else "merchant_id")
        rows = await tx.fetch(
            f"SELECT 1 FROM {parent} WHERE {where} AND {matches}",  # noqa: S608
            (*bound, *params),
        )
        if None not in params and not rows:
            return f"{table}_{'_'.join(columns)}_fkey"
    return None


async def _needed_by(tx: Transaction, table: str, id_: str) -> str | None:
    """The foreign key that holds a row fast."""
    where, bound = scoped(tx)
    held = await tx.fetch(
        f"SELECT merchant_id, id FROM {table} WHERE {where} AND id = ?",  # noqa: S608
        (*bound, id_),
    )
    for child in sorted(await tx.tables()):
        for parent, columns, _, on_delete in await _foreign_keys(tx, child):
            if parent != table or on_delete == "CASCADE":
                continue
            matches = " AND ".join(f"{name} = ?" for name in columns)
            for row in held:
                rows = await tx.fetch(
                    f"SELECT 1 FROM {child} WHERE {where} AND {matches} LIMIT 1",  # noqa: S608
                    (*bound, *row),
                )
                if rows:
                    return f"{child}_{'_'.join(columns)}_fkey"
    return None


async def _foreign_keys(tx: Transaction, table: str) -> list[tuple[str, list[str], list[str], str]]:
    """The foreign keys of a table: the other table, the columns here and there, what follows."""
    rows = await tx.fetch(
        'SELECT id, "table", "from", "to", on_delete, seq FROM pragma_foreign_key_list(?)',
        (table,),
    )
    keys: dict[int, tuple[str, list[str], list[str], str]] = {}
    for number, parent, here, there, on_delete, _ in sorted(rows, key=lambda row: (row[0], row[5])):
        key = keys.setdefault(number, (parent, [], [], on_delete))
        key[1].append(here)
        key[2].append(there or "id")
    return list(keys.values())
