"""What is the same for every table of records: a row by its id, a page by ids, a checked change."""

import math
import re
import string
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from .constraints import named
from .database import Row, Transaction, Value
from .errors import Conflict, NotFound, Sealed, Stale
from .scope import scoped

R = TypeVar("R", bound=Struct)

_VERSION = "version"
_PINNED = ("id", "merchant_id", "created_at")
_encoder = msgspec.json.Encoder()
# An escaped NUL: not one whose backslash is itself escaped.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LARGEST = 2**63 - 1
_SPECIAL = re.compile("[!%_]")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def has_part(column: str) -> str:
    """The condition that a text column matches a `part_pattern`; capitals of a-z do not count."""
    # Both engines fold the 26 letters and no others: lower() of a name in COLLATE "C" and SQLite's.
    return f"lower({column}) LIKE ? ESCAPE '!'"


def part_pattern(part: str) -> str:
    """What `has_part` is bound to: any text, meant as it stands."""
    literally = _SPECIAL.sub(r"!\g<0>", part.translate(_LOWER))
    return f"%{literally}%"


class Table(Generic[R]):
    """One table: its records, and the statements that every table has.

    Args:
        name: of the table.
        record: its Struct; the fields are the columns.
        noun: what a row is called in an error.
        notes: columns that change without the version, and not by `update`.
    """

    def __init__(self, name: str, record: type[R], noun: str, notes: Collection[str] = ()) -> None:
        fields = msgspec.structs.fields(record)
        self.name = name
        self.columns = ", ".join(field.name for field in fields)
        self._record = record
        self._noun = noun
        self._names = [field.name for field in fields]
        self._encoders = [(field.name, _encoder_of(field.type)) for field in fields]
        self._decoders = [
            (index, decode)
            for index, field in enumerate(fields)
            if (decode := _decoder_of(field.type)) is not None
        ]
        self._insert = (
            f"INSERT INTO {name} ({self.columns})"  # noqa: S608
            f" VALUES ({', '.join('?' * len(fields))})"
        )
        self._changing = [n for n in self._names if n not in _PINNED and n not in notes]

    # ── rows and records ─────────────────────────────────────────────────────────────────────

    def parse(self, rows: Iterable[Row]) -> list[R]:
        """Rows with all columns as records."""
        record, names, decoders = self._record, self._names, self._decoders
        found = []
        for row in rows:
            values = list(row)
            for index, decode in decoders:
                if values[index] is not None:
                    values[index] = decode(values[index])
            found.append(record(**dict(zip(names, values, strict=True))))
        return found

    def values(self, record: R) -> dict[str, Value]:
        """A record's columns as the database takes them.

        Raises:
            Conflict: a value that not both engines can keep.
        """
        return {
            name: self._encoded(name, encode, getattr(record, name))
            for name, encode in self._encoders
        }

    def _encoded(self, name: str, encode: Callable[[Any], Value], value: Any) -> Value:
        try:
            return None if value is None else encode(value)
        except (ValueError, OverflowError, TypeError) as error:
            raise Conflict(f"{self.name}: {name}: {error}") from None

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def select(self, tx: Transaction, rest: str, params: Sequence[Value]) -> list[R]:
        """The records that match what follows WHERE; it begins with the scope's condition."""
        return self.parse(
            await tx.fetch(f"SELECT {self.columns} FROM {self.name} WHERE {rest}", params)  # noqa: S608
        )

    async def one(self, tx: Transaction, rest: str, params: Sequence[Value], what: str) -> R:
        """The record that matches.

        Args:
            what: tells it apart, for the error.

        Raises:
            NotFound: there is none.
        """
        found = await self.select(tx, rest, params)
        if not found:
            raise NotFound(f"no {self._noun} has {what}")
        return found[0]

    async def get(self, tx: Transaction, id_: str) -> R:
        """Raises: NotFound."""
        where, params = scoped(tx)
        return await self.one(tx, f"{where} AND id = ?", (*params, id_), "this id")

    async def by_ids(self, tx: Transaction, ids: Sequence[str]) -> dict[str, R]:
        """The records of the bound merchant that there are of these, by id."""
        _, (merchant_id,) = of_one(tx)
        rows = await tx.fetch_wanted(
            ("wanted_merchant", "wanted_id"),
            [(merchant_id, id_) for id_ in ids],
            f"SELECT {self.columns} FROM wanted JOIN {self.name}"  # noqa: S608
            " ON merchant_id = wanted_merchant AND id = wanted_id",
        )
        return {record.id: record for record in self.parse(rows)}  # type: ignore[attr-defined]

    async def page(
        self,
        tx: Transaction,
        after: str,
        limit: int,
        filters: Mapping[str, Value],
        *,
        containing: Mapping[str, str | None] | None = None,
        newest_first: bool = False,
    ) -> list[R]:
        """Up to `limit` records in the order of their ids.

        Args:
            after: the id behind which the page begins; empty for the first page.
            filters: columns and what they must be; None for anything.
            containing: columns and what must be a part of them, see `has_part`; None for anything.
        """
        where, bound = scoped(tx)
        params: list[Value] = [*bound]
        for column, part in (containing or {}).items():
            if part is not None:
                where += f" AND {has_part(column)}"
                params.append(part_pattern(part))
        for column, value in filters.items():
            if value is not None:
                where += f" AND {column} = ?"
                params.append(value)
        if after:
            where += " AND id < ?" if newest_first else " AND id > ?"
            params.append(after)
        order = "DESC" if newest_first else "ASC"
        return await self.select(tx, f"{where} ORDER BY id {order} LIMIT ?", (*params, limit))

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    async def insert(self, tx: Transaction, record: R) -> R:
        """Add a record.

        Raises:
            Conflict: a constraint refuses it.
        """
        values = self.values(record)
        try:
            await tx.execute(self._insert, tuple(values.values()))
        except Conflict as error:
            raise await named(tx, self.name, error, values) from error
        return record

    async def update(self, tx: Transaction, record: R, columns: Collection[str] | None = None) -> R:
        """Write a record that was read and then changed.

        Args:
            record: with the version that was read, and everything else as it is to be.
            columns: those that may differ from what was read, if not all: indexes on others are
                left alone.

        Returns:
            The record with its next version.

        Raises:
            NotFound: it is gone.
            Stale: it has another version by now.
            Conflict: a constraint refuses it.
        """
        version: int = getattr(record, _VERSION)
        changed: R = msgspec.structs.replace(record, **{_VERSION: version + 1})
        values = self.values(changed)
        changing = self._changing if columns is None else [*columns, _VERSION]
        setting = ", ".join(f"{name} = ?" for name in changing)
        where, bound = scoped(tx)
        new = [values[name] for name in changing]
        try:
            count = await tx.execute(
                f"UPDATE {self.name} SET {setting}"  # noqa: S608
                f" WHERE {where} AND merchant_id = ? AND id = ? AND version = ?",
                (*new, *bound, values["merchant_id"], values["id"], version),
            )
        except Conflict as error:
            raise await named(tx, self.name, error, values) from error
        if count == 0:
            await self._explain_missing(tx, str(values["id"]), version)
        return changed

    async def delete(self, tx: Transaction, id_: str, version: int | None = None) -> None:
        """Remove a record.

        Args:
            version: that it must have; None for any.

        Raises:
            NotFound: it is gone.
            Stale: it has another version.
            Conflict: other rows need it.
        """
        where, params = scoped(tx)
        wanted, versions = ("TRUE", ()) if version is None else ("version = ?", (version,))
        try:
            count = await tx.execute(
                f"DELETE FROM {self.name} WHERE {where} AND id = ? AND {wanted}",  # noqa: S608
                (*params, id_, *versions),
            )
        except Conflict as error:
            raise await named(tx, self.name, error, id_=id_) from error
        if count == 0:
            await self._explain_missing(tx, id_, version)

    async def _explain_missing(self, tx: Transaction, id_: str, version: int | None) -> None:
        where, params = scoped(tx)
        rows = await tx.fetch(
            f"SELECT version FROM {self.name} WHERE {where} AND id = ?",  # noqa: S608
            (*params, id_),
        )
        if not rows:
            raise NotFound(f"no {self._noun} has this id")
        raise Stale(f"the {self._noun} {id_!r} has version {rows[0][0]}, not {version}")


def of_one(tx: Transaction, prefix: str = "") -> tuple[str, list[str]]:
    """As `scoped`, for a look-up by what is unique or wanted within one merchant alone.

    Raises:
        Sealed: every merchant is bound, and no index goes over all of them.
    """
    if tx.scope.merchant_id is None:
        raise Sealed("sealed: this is looked up for one merchant, and none is bound")
    return scoped(tx, prefix)


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def _encoder_of(type_: Any) -> Callable[[Any], Value]:
    """How a value of a field's type goes to the database; None goes as it is.

    What it returns raises ValueError, OverflowError or TypeError.
    """
    return _ENCODERS.get(_kind(type_), encode_json)


def _decoder_of(type_: Any) -> Callable[[Any], Any] | None:
    """How a value comes back; None where it comes as it is."""
    kind = _kind(type_)
    if kind is bool:
        return bool  # SQLite's are 0 and 1
    return None if kind in _ENCODERS else msgspec.json.Decoder(type_).decode


def _kind(type_: Any) -> Any:
    """The type without None; str for literals."""
    if get_origin(type_) in (Union, UnionType):
        rest = [part for part in get_args(type_) if part is not NoneType]
        type_ = rest[0] if len(rest) == 1 else type_
    return str if get_origin(type_) is Literal else type_


def _encode_text(value: str) -> str:
    value.encode()
    if "\0" in value:
        raise ValueError("text cannot hold NUL")
    return value


def _encode_int(value: int) -> int:
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise OverflowError("more than 64 bits")
    return value


def _encode_float(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return float(value)


def encode_json(value: Any) -> str:
    """A value as the JSON text of a column.

    Raises:
        ValueError: its text holds NUL, which Postgres does not keep.
    """
    encoded = _encoder.encode(value)
    # Looking for the text alone is thirty times as fast as for the pattern.
    if b"\\u0000" in encoded and _NUL.search(encoded):
        raise ValueError("text cannot hold NUL")
    return encoded.decode()


_ENCODERS: dict[Any, Callable[[Any], Value]] = {
    str: _encode_text,
    int: _encode_int,
    bool: bool,
    float: _encode_float,
}
