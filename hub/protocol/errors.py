"""What can be refused, as exceptions that carry the envelope of the wire.

HubError                  code, message, errors, retry_after
├── BadFrame              not a frame of this protocol
├── Unauthenticated       no credential, or an unknown, expired or revoked one
├── Forbidden             known, but not allowed
├── NotFound              no such thing, or not yours
├── Conflict              the id is taken by something else, or the state does not allow it
├── StaleAttempt          an answer to a task of which a later attempt is under way
├── PreconditionFailed    the row has another version than `If-Match` says
├── TooLarge              over a limit of `connected.limits`
├── UnknownType           an event type that the hub does not know
├── InvalidEvent          a known type with data that does not fit
├── InvalidParams         arguments of a control frame, query or body that do not fit
├── RateLimited           too often: try again after `retry_after`
└── Unavailable           not known whether it happened: send it again with the same id
"""

from typing import ClassVar

import msgspec

from .codes import ErrorCode


class FieldError(msgspec.Struct, frozen=True):
    """One invalid field: `pointer` is an RFC 6901 JSON Pointer into what was sent."""

    pointer: str
    message: str


class HubError(Exception):
    """A refusal, as it goes out at every door.

    Args:
        message: one sentence: what was wrong, where, and what to do.
        errors: the fields that are wrong.
        retry_after: seconds after which to try again, when the hub knows.
    """

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def __init__(
        self,
        message: str,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors
        self.retry_after = retry_after

    def below(self, prefix: str) -> "HubError":
        """The same refusal, its pointers moved under `prefix` (`/events/3`)."""
        errors = tuple(FieldError(prefix + e.pointer, e.message) for e in self.errors)
        return type(self)(
            self.message, errors or (FieldError(prefix, self.message),), self.retry_after
        )


class BadFrame(HubError):
    code = ErrorCode.BAD_FRAME


class Unauthenticated(HubError):
    code = ErrorCode.UNAUTHENTICATED


class Forbidden(HubError):
    code = ErrorCode.FORBIDDEN


class NotFound(HubError):
    code = ErrorCode.NOT_FOUND


class Conflict(HubError):
    code = ErrorCode.CONFLICT


class StaleAttempt(HubError):
    code = ErrorCode.STALE_ATTEMPT


class PreconditionFailed(HubError):
    code = ErrorCode.PRECONDITION_FAILED


class TooLarge(HubError):
    code = ErrorCode.TOO_LARGE


class UnknownType(HubError):
    code = ErrorCode.UNKNOWN_TYPE


class InvalidEvent(HubError):
    code = ErrorCode.INVALID_EVENT


class InvalidParams(HubError):
    code = ErrorCode.INVALID_PARAMS


class RateLimited(HubError):
    code = ErrorCode.RATE_LIMITED


class Unavailable(HubError):
    code = ErrorCode.UNAVAILABLE


def invalid(kind: type[HubError], pointer: str, message: str) -> HubError:
    """A refusal of exactly one field."""
    return kind(f"{pointer or '/'}: {message}", (FieldError(pointer, message),))
