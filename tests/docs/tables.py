"""python -m tests.docs.tables: writes docs/tables.md, every table and column of both engines.

SQLite's side is read from the catalogue of a database that the migrations have made; Postgres' side
from the text of its migrations, so that no server is needed. What a column means is the comment at
the end of its line.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from storage.migrate import migrations

ENGINES = ("SQLite", "Postgres")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"

HEAD = (
    "# Tables\n\n"
    "Every table of the database, with every column. `make docs` writes this page from the"
    " migrations in `storage/migrations`, and a test compares it with them.\n\n"
    "Both engines have the same tables with the same columns. Times are RFC 3339 in UTC with"
    " milliseconds on SQLite (`2026-11-22T10:00:00.123Z`), JSON is text there, and a boolean is 0"
    " or 1. Text is compared by its bytes on both. A merchant's tables are sealed: on Postgres by"
    " row-level security, on SQLite by triggers (see [architecture.md](architecture.md)). A key or"
    " an index that only one engine has is marked with its name.\n"
)

# Made by the runner of the migrations, before the first of them.
RUNNERS = """CREATE TABLE schema_migrations (
    number INTEGER PRIMARY KEY, -- its place, from 1
    name TEXT NOT NULL, -- its file
    checksum TEXT NOT NULL -- SHA-256 of the file, hexadecimal; a file that was changed is refused
);
"""
RUNNERS_ABOUT = "Which migrations were applied."

TABLE = re.compile(r"^CREATE TABLE (\w+) \(\n(.*?)^\)", re.DOTALL | re.MULTILINE)
ABOUT = re.compile(r"((?:^--[^\n]*\n)+)CREATE TABLE (\w+) ", re.MULTILINE)
ALTER = re.compile(r"^ALTER TABLE (\w+)\n((?:    ADD [^\n]*\n)+)", re.MULTILINE)
INDEX = re.compile(
    r"^CREATE (UNIQUE )?INDEX (\w+) ON (\w+) \((.*?)\)(?: WHERE (.*))?;", re.MULTILINE
)
DROPPED = re.compile(r"^DROP INDEX (\w+);", re.MULTILINE)
COLUMN = re.compile(r"^ *(?:ADD COLUMN )?([a-z_]+) ([A-Z]+(?: PRECISION)?(?:\(\d+\))?)(.*)$")
REFERENCE = re.compile(r"REFERENCES (\w+) \(([\w, ]+)\)( ON DELETE CASCADE)?")
COMMENT = re.compile(r"^\s*(?:ADD COLUMN )?,?\s*([a-z_]+)\b.*?-- (.*)$")


@dataclass
class Column:
    """One column as one engine has it."""

    type: str
    null: bool
    default: str | None


@dataclass
class Table:
    """One table as one engine has it; `rules` are its keys and indexes, in words."""

    columns: dict[str, Column] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)


def sqlite_tables() -> dict[str, Table]:
    """What the migrations leave behind on SQLite, in the order in which it was made."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(RUNNERS)
        for step in migrations("sqlite"):
            database.executescript(step.sql)
        rows = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
            " AND substr(name, 1, 7) <> 'sqlite_' ORDER BY rowid"
        ).fetchall()
        return {name: _sqlite_table(database, name, sql) for name, sql in rows}


def _sqlite_table(database: sqlite3.Connection, name: str, sql: str) -> Table:
    table = Table(meanings=_meanings(sql))
    key: list[tuple[int, str]] = []
    for _, column, kind, not_null, default, place in database.execute(f"PRAGMA table_info({name})"):
        table.columns[column] = Column(kind.lower(), not not_null and not place, default)
        if place:
            key.append((place, column))
    table.rules.append(f"primary key ({', '.join(column for _, column in sorted(key))})")
    references = database.execute(f"PRAGMA foreign_key_list({name})").fetchall()
    for _, parts in groupby(references, key=lambda row: row[0]):
        rows = list(parts)
        table.rules.append(
            _reference(
                ", ".join(row[3] for row in rows),
                rows[0][2],
                ", ".join(row[4] for row in rows),
                cascades=rows[0][6] == "CASCADE",
            )
        )
    for _, index, unique, origin, _ in database.execute(f"PRAGMA index_list({name})").fetchall():
        if origin == "pk":
            continue
        columns = [
            f"{column} DESC" if descending else column
            for _, _, column, descending, _, is_key in database.execute(
                f"PRAGMA index_xinfo({index})"
            )
            if is_key
        ]
        if origin == "u":
            table.rules.append(f"unique ({', '.join(columns)})")
            continue
        [(made,)] = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (index,))
        where = made.partition(" WHERE ")[2]
        table.rules.append(_index(index, ", ".join(columns), where, unique=bool(unique)))
    return table


def postgres_tables() -> dict[str, Table]:
    """What the migrations say for Postgres."""
    steps = [RUNNERS, *(step.sql for step in migrations("postgres"))]
    text = "\n".join(steps)
    tables: dict[str, Table] = {}
    for match in TABLE.finditer(text):
        tables[match[1]] = _add_lines(Table(), match[2])
    for match in ALTER.finditer(text):
        _add_lines(tables[match[1]], match[2])
    indexes: dict[str, tuple[str, str]] = {}
    for step in steps:
        for name in DROPPED.findall(step):
            del indexes[name]
        for unique, name, table, columns, where in INDEX.findall(step):
            indexes[name] = table, _index(name, columns, where, unique=bool(unique))
    for table, rule in indexes.values():
        tables[table].rules.append(rule)
    return tables


def _add_lines(table: Table, lines: str) -> Table:
    table.meanings |= _meanings(lines)
    for line in lines.splitlines():
        sql = (
            line.partition(" --")[0]
            .strip()
            .rstrip(",;")
            .removeprefix("ADD COLUMN ")
            .removeprefix("ADD ")
        )
        if match := re.match(r"PRIMARY KEY \((.*?)\)$", sql):
            table.rules.append(f"primary key ({match[1]})")
        elif match := re.match(r"UNIQUE (?:NULLS NOT DISTINCT )?\((.*?)\)$", sql):
            table.rules.append(f"unique ({match[1]})")
        elif match := re.match(r"FOREIGN KEY \((.*?)\) (.*)$", sql):
            found = REFERENCE.search(match[2])
            assert found is not None, line
            table.rules.append(_reference(match[1], found[1], found[2], cascades=bool(found[3])))
        elif match := COLUMN.match(sql):
            name, kind, rest = match[1], match[2].lower(), match[3]
            default = re.search(r" DEFAULT ('[^']*'|\w+)", rest)
            null = "NOT NULL" not in rest and "PRIMARY KEY" not in rest
            table.columns[name] = Column(kind, null, default and default[1])
            if "PRIMARY KEY" in rest:
                table.rules.append(f"primary key ({name})")
            if " UNIQUE" in rest:
                table.rules.append(f"unique ({name})")
            if found := REFERENCE.search(rest):
                table.rules.append(_reference(name, found[1], found[2], cascades=bool(found[3])))
    return table


def _meanings(lines: str) -> dict[str, str]:
    # A column that was added stands behind the comma of the last one, on SQLite on the same line.
    parts = re.sub(r", (?=[a-z_]+ -- )", "\n", lines).splitlines()
    return {match[1]: match[2] for part in parts if (match := COMMENT.match(part))}


def _reference(columns: str, table: str, others: str, *, cascades: bool) -> str:
    return f"({columns}) refers to {table} ({others})" + (", deleted with it" if cascades else "")


def _index(name: str, columns: str, where: str, *, unique: bool) -> str:
    kind = "unique index" if unique else "index"
    # A condition on a flag reads the same on both engines.
    return f"{kind} {name} ({columns})" + (f" where {where}" if where else "")


def abouts() -> dict[str, str]:
    """What each table is for: the comment above it, SQLite's where there is one."""
    found = {"schema_migrations": RUNNERS_ABOUT}
    for engine in ("postgres", "sqlite"):
        for step in migrations(engine):
            for comment, table in ABOUT.findall(step.sql):
                lines = [line.removeprefix("--").strip() for line in comment.splitlines()]
                found[table] = " ".join(lines)
    return found | {"merchants": "Who sells over chat, and whose everything else is."}


def missing() -> list[str]:
    """What the page would lack, and what should not differ between the engines."""
    lite, post, about = sqlite_tables(), postgres_tables(), abouts()
    found = [f"{name}: what is it for?" for name in {*lite, *post} if not about.get(name)]
    only = lite.keys() ^ post.keys()
    found += [f"{name}: on one engine only" for name in only - {"scope", "scope_secret"}]
    for name in lite.keys() | post.keys():
        one, two = lite.get(name), post.get(name)
        if one and two:
            if set(one.columns) != set(two.columns):
                found.append(f"{name}: {sorted(set(one.columns) ^ set(two.columns))} differ")
            found += [
                f"{name}.{column}: {one.meanings[column]!r} or {two.meanings[column]!r}?"
                for column in one.meanings.keys() & two.meanings.keys()
                if one.meanings[column] != two.meanings[column]
            ]
        some = one or two
        assert some is not None
        meanings = (two.meanings if two else {}) | (one.meanings if one else {})
        found += [
            f"{name}.{column}: no meaning" for column in some.columns if column not in meanings
        ]
    return sorted(found)


def page() -> str:
    """The whole page."""
    lite, post, about = sqlite_tables(), postgres_tables(), abouts()
    names = [*lite, *(name for name in post if name not in lite)]
    parts = [HEAD, ", ".join(f"[{name}](#{name})" for name in names) + "\n"]
    parts += [
        "\n".join(_section(name, about[name], lite.get(name), post.get(name))) for name in names
    ]
    return "\n".join(parts)


def _section(name: str, about: str, lite: Table | None, post: Table | None) -> Iterator[str]:
    yield f"## {name}\n"
    alone = "" if lite and post else f" On {ENGINES[lite is None]} alone."
    yield f"{about}{alone}\n"
    yield "| column | SQLite | Postgres | null | default | meaning |"
    yield "|---|---|---|---|---|---|"
    some = lite or post
    assert some is not None
    meanings = (post.meanings if post else {}) | (lite.meanings if lite else {})
    for column in some.columns:
        here = lite.columns.get(column) if lite else None
        there = post.columns.get(column) if post else None
        one = here or there
        assert one is not None
        cells = (
            f"`{column}`",
            here.type if here else "",
            there.type if there else "",
            "yes" if one.null else "",
            f"`{_default(one.default)}`" if one.default is not None else "",
            meanings.get(column, "").replace("|", "\\|"),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    here_rules = lite.rules if lite else []
    there_rules = post.rules if post else []
    for rule in dict.fromkeys([*here_rules, *there_rules]):
        engines = (rule in here_rules, rule in there_rules)
        only = (
            ""
            if all(engines) or not (lite and post)
            else f" ({'SQLite' if engines[0] else 'Postgres'})"
        )
        yield f"- {rule}{only}"
    yield ""


def _default(text: str) -> str:
    return {"TRUE": "1", "FALSE": "0"}.get(text, text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
