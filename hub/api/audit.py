"""`/api/audit`: who changed what; a page of it, or all that matches as a file."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from hub.auth import Principal
from hub.commands import audit
from hub.commands.audit import AuditQuestion, AuditRecord, ListAudit
from hub.commands.invoke import admit, invoke
from hub.commands.params import Limit
from hub.commands.table import COMMANDS
from hub.protocol.errors import InvalidParams, invalid

from .commands import answer
from .exports import ExportResponse, check_can_be_cut, csv_line
from .requests import principal_of, query_of, services_of, still_good
from .streams import preferred

_PAGE = 100
_EXPORT_ROWS = 200
"""Rows of a file that are read, and made, at a time."""
_CSV = (
    "id", "created_at", "merchant_id", "actor_id", "actor_role", "actor_name", "action",
    "target_type", "target_id", "changes", "before", "after", "address", "agent",
)  # fmt: skip
_FILES: Mapping[str, Literal["csv", "ndjson"]] = {
    "text/csv": "csv", "application/x-ndjson": "ndjson",
}  # fmt: skip

_encoder = msgspec.json.Encoder()


class AuditQuery(ListAudit, forbid_unknown_fields=True):
    """`format` is for a link, which cannot say what it accepts."""

    limit: Limit | None = None  # type: ignore[assignment]
    format: Literal["json", "csv", "ndjson"] | None = None


async def read(request: Request) -> Response:
    """GET: a page of the matching rows, newest first, or all of them as a file."""
    principal = await principal_of(request)
    services = services_of(request)
    query = query_of(request, AuditQuery)
    command = COMMANDS["audit.list"]
    file = query.format or preferred(request, _FILES) or "json"
    if file != "json":
        principal = await admit(services, principal, command, query)
        asked = audit.question(principal, query)
        return await _export(request, principal, asked, query, _EXPORTS[file])
    page = structs.replace(query, limit=query.limit or _PAGE)
    result, offset = await invoke(services, principal, command, page)
    return answer(request, command, result, services.log.epoch, offset)


# ── files ────────────────────────────────────────────────────────────────────────────────────────


class _Export(NamedTuple):
    """One kind of file."""

    media_type: str
    suffix: str
    head: bytes
    lines: Callable[[list[AuditRecord]], bytes]


async def _export(
    request: Request,
    principal: Principal,
    asked: AuditQuestion,
    query: AuditQuery,
    kind: _Export,
) -> Response:
    if query.limit is not None:
        raise invalid(InvalidParams, "/limit", "is for pages; a file has all rows that match")
    check_can_be_cut(request)
    services = services_of(request)

    async def piece(after: str) -> tuple[bytes, str | None]:
        # Only the bytes stay while a client takes its time: the records are four times as large.
        found, next_ = await audit.page(services, principal, asked, after, _EXPORT_ROWS)
        return kind.lines(found), next_

    first, next_ = await piece(query.after)

    async def content() -> AsyncIterator[bytes]:
        yield kind.head + first
        after = next_
        while after is not None:
            # What a key has begun ends with it.
            await still_good(request)
            lines, after = await piece(after)
            yield lines

    name = f"audit-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.{kind.suffix}"
    return ExportResponse(request, content(), kind.media_type, name)


def _csv_lines(rows: list[AuditRecord]) -> bytes:
    return "".join(
        csv_line((
            row.id, row.created_at, row.merchant_id, row.actor.id, row.actor.role, row.actor.name,
            row.action, row.target_type, row.target_id, _text(row.changes), _text(row.before),
            _text(row.after), row.address, row.agent,
        ))
        for row in rows
    ).encode()  # fmt: skip


def _text(value: Any) -> str | None:
    return None if value is None else _encoder.encode(value).decode()


_EXPORTS = {
    "csv": _Export("text/csv; charset=utf-8; header=present", "csv", csv_line(_CSV).encode(),
                   _csv_lines),
    "ndjson": _Export("application/x-ndjson", "ndjson", b"", _encoder.encode_lines),
}  # fmt: skip
