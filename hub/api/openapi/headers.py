"""Header fields of requests and answers, and the answers to what is refused."""

from http import HTTPStatus
from typing import Any

from hub import problems
from hub.problems import Problem
from hub.protocol.codes import ErrorCode
from hub.protocol.limits import MESSAGE_BYTES

Schema = dict[str, Any]

ASKED: dict[str, Schema] = {
    "Idempotency-Key": {
        "description": "Makes the request repeatable for 24 hours: with the same key it is carried "
        "out once, and answered alike again. One key space for each merchant and operation, "
        "shared with `call` over the socket.",
        # In quotes, as the draft has it, or without them, as most clients send it.
        "schema": {
            "type": "string",
            "maxLength": 255,
            "pattern": '^(?:[!#-~][!-~]*|"[!-~]+)(?!\\n)$',
        },
        "example": "01993e5c-7a40-7000-8000-00000000c0de",
    },
    "If-Match": {
        "description": "Only if the row has this version, as its `ETag` gave it; `*` for any.",
        "schema": {
            "type": "string",
            "pattern": '^(?:\\*|"?[0-9]{1,18}"?(?: *, *"[0-9]{1,18}")*)(?!\\n)$',
        },
    },
    "Last-Event-ID": {
        "description": "`<epoch>:<offset>` of the last event that a browser's EventSource has "
        "read; goes before `since`, `epoch` and `last`, and is for streams alone.",
        "schema": {"type": "string"},
    },
}
"""What a request may bring beside its credential, as parameters without their place."""

FIELDS: dict[str, Schema] = {
    "X-Request-ID": {
        "required": True,
        "description": "Of this request, on each of its lines in the hub's log; the caller's own "
        "where it brought one.",
        "schema": {"type": "string", "pattern": "^[0-9A-Za-z._-]{1,40}$"},
        "example": "01993e5c-7a40-7000-8000-00000000beef",
    },
    "RateLimit": {
        "description": "What is left of the limit that the request counted against: `r` requests, "
        "and `t` seconds until its window ends.",
        "schema": {"type": "string", "pattern": '^"[a-z_]+";r=[0-9]+;t=[0-9]+$'},
        "example": '"rest";r=99;t=900',
    },
    "RateLimit-Policy": {
        "description": "That limit: `q` requests in `w` seconds.",
        "schema": {"type": "string", "pattern": '^"[a-z_]+";q=[0-9]+;w=[0-9]+$'},
        "example": '"rest";q=100;w=900',
    },
    "Retry-After": {
        "description": "Seconds after which the same request may be sent again.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 30,
    },
    "ETag": {
        "description": "The row's version, for `If-Match`; of a file, its SHA-256.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]+"$'},
        "example": '"3"',
    },
    "Location": {
        "description": "Where the row is that was made; of 202, the job that does what was asked.",
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/products/01993e5c-7a40-7000-8000-000000000000",
    },
    "Link": {
        "description": 'The next page, `rel="next"`; missing on the last one (RFC 8288).',
        "schema": {"type": "string", "pattern": '^<[^>]+>; rel="next"$'},
        "example": '</api/products?after=01993e5c-7a40-7000-8000-000000000000>; rel="next"',
    },
    "WWW-Authenticate": {
        "description": "How to say who asks (RFC 9110 section 11.6.1).",
        "schema": {"type": "string"},
        "example": 'Bearer realm="hub"',
    },
    "Set-Cookie": {
        "description": "The browser's session; empty and past when it ends.",
        "schema": {"type": "string"},
    },
    "Accept-Ranges": {
        "description": "`bytes`: parts can be asked for by `Range`.",
        "schema": {"const": "bytes"},
        "example": "bytes",
    },
    "Content-Range": {
        "description": "Which part of the file this is.",
        "schema": {"type": "string"},
        "example": "bytes 0-1023/48213",
    },
    "Content-Disposition": {
        "description": "The name for the file.",
        "schema": {"type": "string"},
        "example": 'attachment; filename="audit-20261122T100000Z.csv"',
    },
}
"""What an answer may bring."""

RATE_LIMITS = ("RateLimit", "RateLimit-Policy")
EVERYWHERE = frozenset({ErrorCode.FORBIDDEN, ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE})
"""What may be refused whatever is asked for: a foreign origin is, at every door."""

_REFUSED: dict[int, tuple[str, str, ErrorCode]] = {
    400: ("BadRequest", "The body is no JSON, or the request none of HTTP.", ErrorCode.BAD_FRAME),
    401: (
        "Unauthenticated",
        "There is no credential, or it is unknown, expired or revoked.",
        ErrorCode.UNAUTHENTICATED,
    ),
    403: (
        "Forbidden",
        "The role may not, the row is another merchant's to name, or the request comes from a "
        "page of a foreign origin.",
        ErrorCode.FORBIDDEN,
    ),
    404: ("NotFound", "There is no such row, or it is another merchant's.", ErrorCode.NOT_FOUND),
    409: (
        "Conflict",
        "The state of a row does not allow it, a name or id is taken, or the idempotency key "
        "stands for another request.",
        ErrorCode.CONFLICT,
    ),
    412: (
        "PreconditionFailed",
        "The row has another version than `If-Match` says.",
        ErrorCode.PRECONDITION_FAILED,
    ),
    413: (
        "TooLarge",
        f"The body has more than {MESSAGE_BYTES} bytes, or something in it is over its limit.",
        ErrorCode.TOO_LARGE,
    ),
    415: ("WrongType", "The body is of a type that is not taken here.", ErrorCode.BAD_FRAME),
    416: ("NoSuchRange", "The file has nothing in this range.", ErrorCode.BAD_FRAME),
    422: (
        "Invalid",
        "Something does not fit; `errors` names the fields. Unknown fields are errors too.",
        ErrorCode.INVALID_PARAMS,
    ),
    429: ("TooMany", "Too many requests; `Retry-After` says when.", ErrorCode.RATE_LIMITED),
    500: ("Failed", "The hub failed; it was logged.", ErrorCode.INTERNAL),
    503: (
        "Unavailable",
        "The database did not answer, or the hub is stopping: it is not known whether it "
        "happened. Send it again with the same idempotency key.",
        ErrorCode.UNAVAILABLE,
    ),
}
"""By status: the name of the component, what it means, and the code of its example."""


def refusal(status: int) -> Schema:
    """The reference to the answer with this status."""
    return {"$ref": f"#/components/responses/{_REFUSED[status][0]}"}


def refusals() -> dict[str, Schema]:
    """The components: every refusal as a problem document (RFC 9457)."""
    return {
        name: {
            "description": description,
            "headers": _headers_of(status),
            "content": {
                problems.MEDIA_TYPE: {
                    "schema": {"$ref": f"#/components/schemas/{Problem.__name__}"},
                    "example": _example(status, description, code),
                }
            },
        }
        for status, (name, description, code) in _REFUSED.items()
    }


def reference(name: str) -> Schema:
    """The reference to a header field of answers."""
    return {"$ref": f"#/components/headers/{name}"}


def components() -> dict[str, Schema]:
    """The header fields of answers; whether one is always there is said beside its reference."""
    return dict(FIELDS)


def _headers_of(status: int) -> Schema:
    names = ["X-Request-ID"]
    if status == 401:
        names.append("WWW-Authenticate")
    if status == 429:
        names += RATE_LIMITS
    if status in (429, 503):
        names.append("Retry-After")
    return {name: reference(name) for name in names}


def _example(status: int, description: str, code: ErrorCode) -> Schema:
    example: Schema = {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status,
        "detail": description, "code": code.value, "success": False, "error": description,
        "retry": code.retry,
    }  # fmt: skip
    if status == 422:
        example["detail"] = example["error"] = "/name: required"
        example["errors"] = [{"pointer": "/name", "message": "required"}]
    if status == 429:
        example["retry_after"] = 30.0
    return example
