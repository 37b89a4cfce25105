"""Every error code and close code, and what each one asks of the client.

The thousand-and-hundred of a close code says whether to come back: 40xx not unchanged, 41xx with
backoff, 42xx within the range that `bye` gave. The registered codes below 4000 are those of
RFC 6455 section 7.4.
"""

from enum import Enum, IntEnum, StrEnum


class ErrorCode(StrEnum):
    """The `code` of an `error` frame and of a problem document."""

    BAD_FRAME = "bad_frame"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    STALE_ATTEMPT = "stale_attempt"
    PRECONDITION_FAILED = "precondition_failed"
    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    INVALID_EVENT = "invalid_event"
    INVALID_PARAMS = "invalid_params"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"

    @property
    def status(self) -> int:
        """The HTTP status that carries this code."""
        return _STATUS[self]

    @property
    def retry(self) -> bool:
        """Whether the same request may succeed when it is sent again as it is."""
        return self in _RETRY


_STATUS = {
    ErrorCode.BAD_FRAME: 400,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 409,
    ErrorCode.STALE_ATTEMPT: 409,
    ErrorCode.PRECONDITION_FAILED: 412,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNKNOWN_TYPE: 422,
    ErrorCode.INVALID_EVENT: 422,
    ErrorCode.INVALID_PARAMS: 422,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
}
_RETRY = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE})


class CloseCode(IntEnum):
    """The status code of a WebSocket close frame."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    ABNORMAL = 1006
    INVALID_UTF8 = 1007
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    BAD_FRAMES = 4000
    NOT_AUTHENTICATED = 4001
    FORBIDDEN = 4003
    REMOVED = 4004
    AUTH_TIMEOUT = 4005
    INTERNAL = 4100
    OVERLOADED = 4101
    RATE_LIMITED = 4102
    SLOW_CONSUMER = 4103
    NO_HEARTBEAT = 4104
    TOKEN_EXPIRED = 4105
    TOO_MANY_CONNECTIONS = 4106
    SHUTTING_DOWN = 4200
    MOVING = 4201


class Advice(Enum):
    """What a client does after a connection has ended."""

    STAY_AWAY = "stay_away"
    """Do not come back unchanged: the same connection would be refused again."""
    BACKOFF = "backoff"
    """Come back with exponential backoff and full jitter."""
    AS_TOLD = "as_told"
    """Come back within the range of milliseconds that `bye` gave."""


_STAY_AWAY = frozenset({1002, 1003, 1007, 1009})


def advice(code: int) -> Advice:
    """Whether to come back after a close with `code`; an unknown one is read by its hundred."""
    if code in _STAY_AWAY or 4000 <= code < 4100:
        return Advice.STAY_AWAY
    if 4200 <= code < 4300:
        return Advice.AS_TOLD
    return Advice.BACKOFF
