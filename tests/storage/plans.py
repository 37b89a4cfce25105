"""A transaction that explains every statement before it runs it, and what is wrong with a plan."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from storage.database import Engine, Row, Transaction, Value
from storage.postgres_sql import wanted_unnested
from storage.scope import Scope
from storage.sqlite import _wanted
from tests.support.tracing import INFRASTRUCTURE

_EXPLAINED = re.compile(r"\s*(SELECT|WITH|UPDATE|DELETE)\b")
_UNBOUNDED = {"merchants", "paused_queues", "workers"}
"""Tables that may be read as a whole, from an index: all merchants are known to each hub, and so
are the few workers and the queues that stand still."""
_BOUNDED = {"counted", "stretch"}
"""Subqueries with a LIMIT of their own; what they read is looked at by itself."""
_NO_TABLE = (
    INFRASTRUCTURE | _BOUNDED | {"wanted", "scope_secret", "CONSTANT", "pragma_foreign_key_list"}
)


class Explaining:
    """A transaction whose statements are explained.

    Attributes:
        plans: each statement with its plan and what is wrong with it.
    """

    def __init__(self, inner: Transaction, engine: Engine, partial: frozenset[str]) -> None:
        self.plans: list[tuple[str, str, list[str]]] = []
        self._inner = inner
        self._engine = engine
        self._partial = partial

    @property
    def scope(self) -> Scope:
        return self._inner.scope

    async def execute(self, sql: str, params: Sequence[Value] = ()) -> int:
        await self._explain(sql, params)
        return await self._inner.execute(sql, params)

    async def fetch(self, sql: str, params: Sequence[Value] = ()) -> list[Row]:
        await self._explain(sql, params)
        return await self._inner.fetch(sql, params)

    async def scan(self, sql: str, params: Sequence[Value] = ()) -> AsyncIterator[Row]:
        await self._explain(sql, params)
        async for row in self._inner.scan(sql, params):
            yield row

    async def insert(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]]
    ) -> None:
        await self._inner.insert(table, columns, rows)

    async def fetch_wanted(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str | None]],
        sql: str,
        params: Sequence[Value] = (),
    ) -> list[Row]:
        values: list[Any]
        if self._engine == "sqlite":
            whole = _wanted(tuple(columns), sql, len(rows))
            values = [text for row in rows for text in row]
        else:
            whole = wanted_unnested(tuple(columns), sql)
            values = [list(column) for column in zip(*rows, strict=True)]
        await self._explain(whole, [*values, *params])
        return await self._inner.fetch_wanted(columns, rows, sql, params)

    @asynccontextmanager
    async def savepoint(self, scope: Scope | None = None) -> AsyncIterator[None]:
        async with self._inner.savepoint(scope):
            yield

    async def script(self, sql: str) -> None:
        await self._inner.script(sql)

    async def tables(self) -> list[str]:
        return await self._inner.tables()

    async def _explain(self, sql: str, params: Sequence[Value]) -> None:
        if _EXPLAINED.match(sql) is None or "pg_catalog" in sql or "sqlite_master" in sql:
            return
        if self._engine == "sqlite":
            rows = await self._inner.fetch(f"EXPLAIN QUERY PLAN {sql}", params)
            steps = [str(row[3]) for row in rows]
            problems = [p for step in steps if (p := self._of_sqlite(step, sql))]
            self.plans.append((sql, "\n".join(steps), problems))
        else:
            [(text,)] = await self._inner.fetch(f"EXPLAIN (COSTS OFF, FORMAT JSON) {sql}", params)
            [plan] = msgspec.json.decode(text)
            problems = list(self._of_postgres(plan["Plan"], limited=False))
            self.plans.append((sql, _outline(plan["Plan"]), problems))

    def _of_sqlite(self, step: str, sql: str) -> str | None:
        if "TEMP B-TREE" in step:
            return step
        match = re.match(r"SCAN (\S+)(?: USING (?:COVERING )?INDEX (\S+))?", step)
        if match is None or match[1] in _NO_TABLE or match[1].isdigit():
            return None
        index = match[2]
        if index in self._partial or (index and match[1] in _UNBOUNDED):
            return None
        # In the order of an index, or of the table itself, a page is read and no more.
        if re.search(r"ORDER BY (\w+( DESC)?, )?[\w.]+( ASC| DESC)? LIMIT \?$", sql):
            return None if index or "log_offset" in sql else step
        return step

    def _of_postgres(self, node: dict[str, Any], *, limited: bool) -> list[str]:
        kind, table = node["Node Type"], node.get("Relation Name", "")
        problems = []
        if kind == "Seq Scan" and table not in _NO_TABLE:
            problems.append(f"Seq Scan on {table}")
        if "Sort" in kind:
            problems.append(f"{kind} by {node.get('Sort Key')}")
        if kind.startswith("Index") and not _entered(node) and not limited:
            index = node["Index Name"]
            if index not in self._partial and table not in _UNBOUNDED and table not in _NO_TABLE:
                problems.append(f"all of {index}")
        within = limited or kind == "Limit"
        for part in node.get("Plans", []):
            problems += self._of_postgres(part, limited=within)
        return problems


_OF_THE_POLICY = re.compile(r"\((?:\w+\.)?(?:merchant_id|id) [<>]= \$\d+\)(?: AND )?")


def _entered(node: dict[str, Any]) -> bool:
    """Whether an index is entered by more than the policy's range, which may be all merchants."""
    return _OF_THE_POLICY.sub("", node.get("Index Cond", "")).strip("()") != ""


def _outline(node: dict[str, Any], depth: int = 0) -> str:
    shown = [
        f"{name}: {node[name]}"
        for name in ("Relation Name", "Index Name", "Index Cond", "Filter", "Sort Key")
        if name in node
    ]
    lines = ["  " * depth + f"{node['Node Type']}  {'; '.join(shown)}"]
    return "\n".join(lines + [_outline(part, depth + 1) for part in node.get("Plans", [])])


async def partial_indexes(tx: Transaction, engine: Engine) -> frozenset[str]:
    """The indexes that hold a part of their table alone; to read one of them whole is meant."""
    if engine == "sqlite":
        rows = await tx.fetch(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'"
        )
    else:
        rows = await tx.fetch(
            "SELECT c.relname::text FROM pg_catalog.pg_index i"
            " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indpred IS NOT NULL"
        )
    return frozenset(name for (name,) in rows)
