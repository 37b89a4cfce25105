"""Who is connected, and sending somebody away."""

from itertools import islice

from msgspec import Struct

from hub.auth import Principal
from hub.gateway.connections import Connection, Door
from hub.protocol.codes import CloseCode
from hub.protocol.errors import NotFound
from hub.protocol.times import format_ms
from hub.services import Services

from .command import OPERATORS, Command, Invocation, Result
from .params import ById, ListOf

_PAGE_BYTES = 128 * 1024
"""A page ends behind so many bytes: filters may be long."""
_RECORD_BYTES = 500
_PAGE = 200
"""Most connections on a page: it is made in one turn of the loop, 20 µs each."""


class SessionRecord(Struct):
    """One connection, as operators see it.

    Attributes:
        door: how it came in.
        state: `live` follows the log's end, `replaying` catches up, `stalled` does not read what
            it was sent, `idle` has no subscription.
        cursor: the offset up to which it was sent what it wants.
        lag: offsets between its cursor and the log's end.
        bytes_in, bytes_out: since it connected; published: events that it handed to the log.
    """

    id: str
    role: str
    name: str
    key_id: str
    merchant_id: str | None
    door: Door
    address: str
    agent: str | None
    connected_at: str
    state: str
    types: tuple[str, ...] | None
    subjects: tuple[str, ...] | None
    cursor: int
    lag: int
    bytes_in: int
    bytes_out: int
    published: int
    expires_at: str | None


async def list_(call: Invocation, params: ListOf) -> Result:
    """A page of connections by id, which is the order in which they came."""
    services, actor = call.services, call.actor
    # Ids are in the order in which connections came (RFC 9562 section 6.2), and so is the registry.
    found = (
        connection
        for connection in services.gateway.connections
        if connection.id > params.after and _is_of(connection, actor.merchant_id, actor)
    )
    limit = min(params.limit, _PAGE)
    page: list[SessionRecord] = []
    size = 0
    for connection in islice(found, limit):
        page.append(_record(services, connection))
        size += _RECORD_BYTES + sum(map(len, page[-1].types or ()))
        size += sum(map(len, page[-1].subjects or ()))
        if size >= _PAGE_BYTES:
            break
    more = len(page) == limit or size >= _PAGE_BYTES
    return {"sessions": page, "count": len(page), "next": page[-1].id if more else None}


async def disconnect(call: Invocation, params: ById) -> Result:
    """Close a connection with 4004, which tells a client not to come back by itself.

    Raises:
        NotFound: there is no such connection, or it is another merchant's.
    """
    connection = call.services.gateway.connections.get(params.id)
    if connection is None or not _is_of(connection, call.actor.merchant_id, call.actor):
        raise NotFound("no connection has this id; it may be gone already")
    connection.close(CloseCode.REMOVED, "removed by an operator")
    return {"id": params.id}


def _is_of(connection: Connection, merchant_id: str | None, actor: Principal) -> bool:
    """Whether a connection belongs to a merchant; for admins, one that is narrowed to it too."""
    if merchant_id in (None, connection.principal.merchant_id):
        return True
    return actor.role == "admin" and merchant_id == connection.reader.merchant_id


def _record(services: Services, connection: Connection) -> SessionRecord:
    principal, peer, reader = connection.principal, connection.peer, connection.reader
    cursor = services.gateway.fanout.cursor_of(reader)
    lag = services.log.end - cursor if reader.subscribed else 0
    if not reader.subscribed:
        state = "idle"
    elif reader.stalled and connection.door != "poll":
        state = "stalled"
    else:
        state = "replaying" if reader.announce or reader.replaying else "live"
    return SessionRecord(
        id=connection.id,
        role=principal.role,
        name=principal.name,
        key_id=principal.key_id,
        merchant_id=reader.merchant_id,
        door=connection.door,
        address=peer.address,
        agent=peer.agent,
        connected_at=format_ms(peer.opened_ms),
        state=state,
        types=reader.filter.types,
        subjects=reader.filter.subjects,
        cursor=cursor,
        lag=lag,
        bytes_in=connection.received,
        bytes_out=connection.sent,
        published=connection.published,
        expires_at=principal.expires_at,
    )


COMMANDS = (
    Command(
        name="sessions.list", http="GET /api/sessions", roles=OPERATORS,
        summary="The connections that the caller may see, oldest first",
        params=ListOf, run=list_,
        answer={"sessions": list[SessionRecord], "count": int, "next": str | None},
    ),
    Command(
        name="sessions.disconnect", http="DELETE /api/sessions/{id}", roles=OPERATORS,
        summary="Close a connection (4004)",
        params=ById, run=disconnect, answer={"id": str}, message="The connection is closed.",
    ),
)  # fmt: skip
