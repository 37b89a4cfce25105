"""Error codes and close codes: complete, and consistent with each other."""

from http import HTTPStatus

import pytest

from hub.protocol import errors
from hub.protocol.codes import Advice, CloseCode, ErrorCode, advice
from hub.protocol.errors import FieldError, HubError, InvalidEvent, invalid

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HubError)
]  # fmt: skip


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_status_and_says_whether_to_retry(code: ErrorCode) -> None:
    assert 400 <= HTTPStatus(code.status) < 600
    assert code.retry == (code.status == 429 or code.status >= 500)


def test_every_exception_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes) >= 11


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *((code, Advice.STAY_AWAY) for code in (1002, 1003, 1007, 1009)),
        *((code, Advice.BACKOFF) for code in (1000, 1001, 1005, 1006, 1008, 1011, 1012, 1013)),
        *((code, Advice.STAY_AWAY) for code in (4000, 4001, 4003, 4004, 4005, 4042, 4099)),
        *((code, Advice.BACKOFF) for code in (4100, 4101, 4103, 4104, 4105, 4106, 4177, 4199)),
        *((code, Advice.AS_TOLD) for code in (4200, 4201, 4250, 4299)),
        *((code, Advice.BACKOFF) for code in (3000, 3999, 4300, 4999)),
    ],
)  # fmt: skip
def test_a_close_code_is_read_by_its_hundred(code: int, expected: Advice) -> None:
    assert advice(code) is expected


def test_the_codes_of_the_protocol() -> None:
    numbers = {int(code) for code in CloseCode if code >= 4000}
    assert numbers == {
        4000, 4001, 4003, 4004, 4005, 4100, 4101, 4102, 4103, 4104, 4105, 4106, 4200, 4201,
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_below_moves_the_pointers(kind: type[HubError]) -> None:
    error = kind("wrong", (FieldError("/data/a", "x"), FieldError("", "y"))).below("/events/3")
    assert type(error) is kind
    assert [e.pointer for e in error.errors] == ["/events/3/data/a", "/events/3"]
    assert [e.pointer for e in kind("wrong").below("/events/0").errors] == ["/events/0"]


def test_invalid_names_its_field() -> None:
    error = invalid(InvalidEvent, "/data/a~1b", "required")
    assert error.message == "/data/a~1b: required"
    assert error.errors == (FieldError("/data/a~1b", "required"),)
