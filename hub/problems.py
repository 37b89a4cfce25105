"""Errors as RFC 9457 problem documents, with the members that existing clients read."""

from http import HTTPStatus

import msgspec

from hub.protocol.codes import ErrorCode
from hub.protocol.errors import FieldError, HubError

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, omit_defaults=True):
    """`error` repeats `detail`, and `success` is always false, for clients of the first hubs."""

    type: str
    title: str
    status: int
    detail: str
    code: ErrorCode
    success: bool
    error: str
    retry: bool
    errors: tuple[FieldError, ...] = ()
    retry_after: float | None = None


def problem(error: HubError, status: int | None = None) -> bytes:
    """Encode an error for HTTP.

    Args:
        status: where it is another than the code's own (405, 426).
    """
    status = error.code.status if status is None else status
    return msgspec.json.encode(
        Problem(
            type="about:blank",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=error.message,
            code=error.code,
            success=False,
            error=error.message,
            retry=error.code.retry,
            errors=error.errors,
            retry_after=error.retry_after,
        )
    )
