"""What the SDK reads from the hub."""

import json
from typing import Any

import pytest

from hub.client import Event
from hub.client.errors import Lost, after_close, after_handshake
from hub.client.wire import OtherRefusal, Refused, decode_server, refusal
from hub.protocol.codes import Advice, CloseCode, ErrorCode, advice
from hub.protocol.errors import BadFrame, Conflict, FieldError, HubError
from tests.client.fake_hub import connected, event, subscribed


def decode(frame: Any) -> Any:
    return decode_server(json.dumps(frame).encode())


@pytest.mark.parametrize(
    "frame",
    [
        connected(),
        connected(merchant_id=None, expires_at="2026-11-22T10:00:00Z"),
        subscribed(4),
        {"type": "gap", "from": None, "to": None, "reason": "epoch", "resume": 3},
        {"type": "live", "offset": 3},
        {"type": "ack", "id": "a", "offset": 3, "duplicate": False},
        {"type": "ack", "ref": "r", "events": [{"id": "a", "offset": 1, "duplicate": True}]},
        {"type": "error", "code": "bad_frame", "message": "no", "retry": False},
        {"type": "ping", "timestamp": "2026-11-22T10:00:00Z", "offset": 3},
        {"type": "pong"},
        {"type": "bye", "code": 4200, "reason": "over", "reconnect": [1, 2]},
        event(3),
        event(None),
        event(3, subject="order/1", cause="unknown to this version"),
    ],
)
def test_every_frame_of_the_hub_is_read_with_fields_to_come(frame: dict[str, Any]) -> None:
    assert decode(frame) is not None
    assert decode(frame | {"novelty": {"a": 1}}) == decode(frame)


def test_unknown_control_types_are_none() -> None:
    assert decode({"type": "weather", "sun": True}) is None


def test_an_unknown_event_type_is_an_event_like_any_other() -> None:
    assert isinstance(decode(event(1, type="moon_landed")), Event)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nope",
        b"[]",
        b"{}",
        b'{"type":7}',
        b'{"type":"order_created"}',
        b'{"type":"live"}',
        b'{"type":"custom_x","id":"\xff"}',
        b'{"type":"custom_x","data":' + b"[" * 30_000,
    ],
)
def test_what_cannot_be_read_is_an_error(payload: bytes) -> None:
    with pytest.raises(BadFrame, match="cannot be read"):
        decode_server(payload)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_code_has_an_exception_that_names_it(code: ErrorCode) -> None:
    error = refusal(Refused(code, "why", errors=(FieldError("/a", "b"),), retry_after=2.0))
    assert isinstance(error, HubError)
    assert (error.errors, error.retry_after) == ((FieldError("/a", "b"),), 2.0)
    if isinstance(error, OtherRefusal):
        assert error.name == code
    else:
        assert error.code is code
    assert "why" in str(error)


def test_a_refusal_has_its_own_class() -> None:
    assert type(refusal(Refused("conflict", "taken"))) is Conflict


@pytest.mark.parametrize("code", [*CloseCode, 4042, 4142, 4242, 4999])
def test_close_codes_are_read_as_the_protocol_says(code: int) -> None:
    ending = after_close(code, "why", (1.0, 2.0))
    assert isinstance(ending, Lost) is (advice(code) is not Advice.STAY_AWAY)
    assert "why" in str(ending)
    if isinstance(ending, Lost):
        assert ending.wait == (1.0, 2.0)


def test_a_busy_hub_may_say_when_to_come_back() -> None:
    ending = after_handshake(503, "draining", 4.0)
    assert isinstance(ending, Lost)
    assert ending.wait == (4.0, 6.0)
    assert isinstance(after_handshake(429, "", None), Lost)
    assert not isinstance(after_handshake(426, "", None), Lost)
