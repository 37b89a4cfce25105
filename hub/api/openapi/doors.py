"""The operations of routes with a door of their own.

What they take and give stands in their own modules; here it has its names, statuses and refusals.
"""

from typing import Any

from msgspec import Struct, structs
from msgspec.structs import fields

from hub.api.audit import AuditQuery
from hub.api.content import ContentQuery, Signature
from hub.api.events import EventsQuery, Published, PublishedList
from hub.api.health import Status
from hub.api.session import SignedIn, SignedOut, SignIn
from hub.api.uploads import FormFields
from hub.commands.health import Health
from hub.commands.params import Word
from hub.commands.table import COMMANDS
from hub.protocol.codes import ErrorCode
from hub.protocol.events import CORE_TYPES, PUBLISHED_TYPES
from hub.protocol.frames import Event, Gap
from hub.protocol.limits import BATCH_EVENTS, DATA_BYTES, ID_CHARS, SUBJECT_CHARS, TYPE_CHARS

from .commands import answer, operation
from .headers import RATE_LIMITS
from .operation import Answer, Operation

Schema = dict[str, Any]

JSON = "application/json"
_ALWAYS = ("X-Request-ID",)
_ASKED = frozenset({ErrorCode.UNAUTHENTICATED, ErrorCode.INVALID_PARAMS, ErrorCode.RATE_LIMITED})
_TOLD = _ASKED | {ErrorCode.BAD_FRAME, ErrorCode.TOO_LARGE}


class EventsPage(Struct):
    """A stretch of the log.

    Attributes:
        epoch, offset: of the log, taken before its events were read.
        next: the `since` of the next page.
        gap: what could not be read, if anything.
    """

    success: bool
    events: list[Event]
    epoch: str
    offset: int
    next: int
    gap: Gap | None


_HEALTH = {field.name: field.type for field in fields(Health)}
_HEALTH_BRIEF = {"success": bool, "status": _HEALTH["status"]}


def _health(path: str, id_: str) -> Operation:
    shown = {JSON: (_HEALTH_BRIEF, {"success": bool, **_HEALTH})}
    return Operation(
        id=id_, method="GET", path=path, tag="health",
        summary="Whether the hub can be used, and for who shows a key all about it",
        answers={
            200: Answer("It can be used.", shown, _ALWAYS),
            503: Answer("It cannot be used, or it is stopping.", shown, _ALWAYS),
        },
        refusals=frozenset({ErrorCode.UNAUTHENTICATED}), access="optional", limited=False,
    )  # fmt: skip


def _text(description: str, **more: Any) -> Schema:
    return {"description": description, "anyOf": [{"type": "string", **more}, {"type": "null"}]}


def publishable() -> Schema:
    """The schema of an event that a client may publish: a case for each type that there is."""
    more = {
        "id": _text(
            "Unique for its merchant for ever; sent again it is a duplicate and changes nothing. "
            "The hub makes one where it is missing.",
            pattern=f"^[!-~]{{1,{ID_CHARS}}}(?!\\n)$",
        ),
        "timestamp": _text("When it happened; else when it came.", format="date-time"),
        "subject": _text(
            "What it is about: `order/ORD-1`, `chat/2637…`", minLength=1, maxLength=SUBJECT_CHARS
        ),
        "merchant_id": _text("Whose event it is: for an admin to say."),
        "volatile": {
            "type": "boolean",
            "description": "Only for who is connected: without an offset, never stored.",
        },
    }
    data = {"type": "object", "description": f"At most {DATA_BYTES} bytes, and 32 deep."}
    cases: list[tuple[Schema, Schema]] = [
        ({"const": name}, {"$ref": f"#/components/schemas/{kind.__name__}"})
        for name, kind in CORE_TYPES.items()
    ]
    cases.append(({"enum": sorted(PUBLISHED_TYPES)}, data))
    custom = {"type": "string", "pattern": f"^custom_[A-Za-z0-9_.-]{{1,{TYPE_CHARS - 7}}}(?!\\n)$"}
    cases.append((custom, data))
    return {
        "title": "Publish",
        "description": "An event on its way to the hub. Other members are ignored.",
        "anyOf": [
            {
                "type": "object",
                "properties": {"type": type_, "data": data, **more},
                "required": ["type", "data"],
            }
            for type_, data in cases
        ],
    }


_EVENT = {"type": "custom_note", "data": {"text": "hello"}, "subject": "note/1"}
_EVENTS: Schema = {
    "anyOf": [
        {"$ref": "#/components/schemas/Publish"},
        {
            "type": "array",
            "items": {},
            "maxItems": BATCH_EVENTS,
            "description": "Events, each on its own: what is wrong with one is told in its place.",
        },
    ]
}

_AUDIT = COMMANDS["audit.list"]
_COOKIE = "By the hub's own pages alone: `Origin` is the hub's own."

_FILE: Schema = {"type": "string", "format": "binary", "description": "A picture."}
_FORM: Schema = {
    "type": "object",
    "properties": {
        "file": _FILE,
        **{name: {"type": "string"} for name in FormFields.__struct_fields__},
    },
    "required": ["file"],
    "additionalProperties": False,
}
_PICTURE = ("image/jpeg", "image/png", "image/webp")


def _upload() -> Operation:
    """JSON as the command takes it, a form, or the bare picture."""
    command = operation(COMMANDS["media.upload"])
    return structs.replace(
        command,
        description="The bare picture may have `merchant_id`, `id` and `expires_at` in the query, "
        "and its name in `X-File-Name`.",
        forms={"multipart/form-data": _FORM, **dict.fromkeys(_PICTURE, _FILE)},
        statuses=frozenset({415}),
        makes=False,
    )


def _picture(id_: str, last: str, said: type[Struct], summary: str, member: str) -> Operation:
    told = (*_ALWAYS, "ETag", "Accept-Ranges")
    return Operation(
        id=id_, method="GET", path=f"/api/media/{{id}}/{last}", tag="media",
        summary=summary,
        description=f"By a key, or without one by the signed address that `{member}` of its row "
        "has: `exp` and `sig` are from there. Until its sizes are made, the upload stands for all.",
        said=said,
        answers={
            200: Answer("The whole picture.", dict.fromkeys(_PICTURE), told, RATE_LIMITS),
            206: Answer(
                "The part that was asked for.", dict.fromkeys(_PICTURE),
                (*told, "Content-Range"), RATE_LIMITS,
            ),
            304: Answer("`If-None-Match` has it.", {}, (*_ALWAYS, "ETag"), RATE_LIMITS),
        },
        refusals=_ASKED | {ErrorCode.NOT_FOUND}, statuses=frozenset({416}),
    )  # fmt: skip


class SignedPicture(ContentQuery, forbid_unknown_fields=True, kw_only=True):
    """Which picture in which size, and by what right."""

    id: Word


class SignedThumbnail(Signature, forbid_unknown_fields=True, kw_only=True):
    """Which picture, and by what right."""

    id: Word


DOORS: tuple[Operation, ...] = (
    _upload(),
    _picture(
        "media.content", "content", SignedPicture,
        "The picture itself, or a part of it by `Range`", "url",
    ),
    _picture(
        "media.thumbnail", "thumbnail", SignedThumbnail,
        "The picture within 200 by 200 pixels, or a part of it by `Range`", "thumbnail_url",
    ),
    Operation(
        id="health.alive", method="GET", path="/healthz", tag="health",
        summary="Whether the process lives; touches nothing",
        answers={200: Answer("It lives.", {JSON: Status}, _ALWAYS)},
        access="open", limited=False,
    ),
    Operation(
        id="health.ready", method="GET", path="/readyz", tag="health",
        summary="Whether the hub can be used",
        answers={200: Answer("It can.", {JSON: Status}, _ALWAYS)}, access="open", limited=False,
    ),
    _health("/health", "health.show"),
    _health("/api/health", "health.show_api"),
    Operation(
        id="metrics.show", method="GET", path="/metrics", tag="health",
        summary="All measures for Prometheus",
        description="With `HUB_METRICS_TOKEN` as the bearer's token where it is set; otherwise for "
        "this machine alone.",
        answers={200: Answer("Text of Prometheus, or OpenMetrics.", {"text/plain": None}, _ALWAYS)},
        refusals=frozenset({ErrorCode.UNAUTHENTICATED}), access="optional", limited=False,
    ),
    Operation(
        id="session.show", method="GET", path="/api/session", tag="session",
        summary="Who the caller is",
        answers={200: Answer("The caller.", {JSON: SignedIn}, _ALWAYS, RATE_LIMITS)},
        refusals=frozenset({ErrorCode.UNAUTHENTICATED, ErrorCode.RATE_LIMITED}),
    ),
    Operation(
        id="session.sign_in", method="POST", path="/api/session", tag="session",
        summary="Exchange a ticket of the sign-in link, or a key, for a browser's session",
        description=_COOKIE,
        body=SignIn, examples={"a key": {"key": "hub_m_…"}, "a ticket": {"ticket": "hub_t_…"}},
        answers={
            200: Answer("Signed in.", {JSON: SignedIn}, (*_ALWAYS, "Set-Cookie"), RATE_LIMITS)
        },
        refusals=_TOLD, access="open",
    ),
    Operation(
        id="session.sign_out", method="DELETE", path="/api/session", tag="session",
        summary="End this browser's session, its connections and its tickets",
        description=_COOKIE,
        answers={
            200: Answer("Signed out.", {JSON: SignedOut}, (*_ALWAYS, "Set-Cookie"), RATE_LIMITS)
        },
        refusals=_ASKED, access="cookie",
    ),
    Operation(
        id="events.list", method="GET", path="/api/events", tag="events",
        summary="The log: a page of it, a long poll, or a stream",
        description="With `Accept: text/event-stream` server-sent events, with "
        "`application/x-ndjson` an event a line: as they happen, from the log's end without "
        "`since`. With `wait`, an answer without events comes only after that many seconds.",
        said=EventsQuery, fields=("Last-Event-ID",),
        answers={
            200: Answer(
                "The matching events.",
                {JSON: EventsPage, "text/event-stream": None, "application/x-ndjson": None},
                _ALWAYS, RATE_LIMITS,
            )
        },
        refusals=_ASKED | {ErrorCode.BAD_FRAME},
    ),
    Operation(
        id="events.publish", method="POST", path="/api/events", tag="events",
        summary="Publish one event, or a list of up to 500",
        body=_EVENTS, examples={"one": _EVENT, "a list": [_EVENT, {**_EVENT, "id": "note-2"}]},
        answers={
            201: Answer("Durable, unless its line says what is wrong with it.",
                        {JSON: (Published, PublishedList)}, _ALWAYS, RATE_LIMITS)
        },
        refusals=_TOLD | {ErrorCode.CONFLICT},
        roles=frozenset({"admin", "merchant", "bot"}),
    ),
    Operation(
        id=_AUDIT.name, method="GET", path="/api/audit", tag="audit",
        summary=_AUDIT.summary,
        description="A page, or with `format` (or `Accept`) all rows that match as a file, which "
        "is cut in the middle of a chunk where something goes wrong.",
        said=AuditQuery,
        answers={
            200: Answer(
                "The matching changes.",
                {**answer(_AUDIT).content, "text/csv": None, "application/x-ndjson": None},
                _ALWAYS, (*RATE_LIMITS, "Link", "Content-Disposition"),
            )
        },
        refusals=_ASKED | {ErrorCode.BAD_FRAME}, roles=frozenset(_AUDIT.roles),
    ),
)  # fmt: skip
