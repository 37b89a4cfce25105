"""Control frames from the client: each decodes, limits hold, what is unknown is ignored."""

import json
from typing import Any

import pytest

from hub.protocol import codec
from hub.protocol.codec import FrameError
from hub.protocol.errors import InvalidParams
from hub.protocol.frames import (
    CLIENT_CONTROL,
    Auth,
    Batch,
    Call,
    ClientFrame,
    ClientPing,
    ClientPong,
    Done,
    Failed,
    Held,
    Progress,
    Ready,
    Subscribe,
    Unsubscribe,
)

SAMPLES: dict[str, tuple[dict[str, Any], ClientFrame]] = {
    "auth": ({"token": "t"}, Auth(token="t")),
    "subscribe": (
        {"types": ["a_*"], "subjects": ["order/1"], "since": 0, "epoch": "e", "last": 1000},
        Subscribe(types=["a_*"], subjects=["order/1"], since=0, epoch="e", last=1000),
    ),
    "unsubscribe": ({}, Unsubscribe()),
    "batch": ({"events": [1, {}], "atomic": True}, Batch(events=[1, {}], atomic=True)),
    "call": (
        {"method": "keys.list", "params": {"limit": 5}, "key": "k", "if_match": "3"},
        Call(method="keys.list", params={"limit": 5}, key="k", if_match="3"),
    ),
    "ready": (
        {
            "queues": ["message_sending"], "credit": 1000, "format": "cloud",
            "resume": [{"job": "j", "attempt": 2}],
        },
        Ready(credit=1000, resume=[Held("j", 2)], format="cloud"),
    ),
    "progress": (
        {"job": "j", "attempt": 1, "percent": 40, "note": "typing"},
        Progress(job="j", attempt=1, percent=40, note="typing"),
    ),
    "done": (
        {"job": "j", "attempt": 1, "result": {"messageId": "wamid"}},
        Done(job="j", attempt=1, result={"messageId": "wamid"}),
    ),
    "failed": (
        {"job": "j", "attempt": 3, "error": "no line", "retry": False, "uncertain": True},
        Failed(job="j", attempt=3, error="no line", retry=False, uncertain=True),
    ),
    "ping": ({}, ClientPing()),
    "pong": ({}, ClientPong()),
}  # fmt: skip


ANSWERS = {"progress", "done", "failed"}


def decode(type_: str, **fields: object) -> object:
    return codec.decode_client(json.dumps({"type": type_} | fields).encode())


def test_every_control_frame_has_a_sample() -> None:
    assert SAMPLES.keys() == CLIENT_CONTROL


@pytest.mark.parametrize("type_", SAMPLES)
def test_a_control_frame_decodes(type_: str) -> None:
    fields, expected = SAMPLES[type_]
    assert decode(type_, **fields) == expected
    more = {"unknown": [1], "data": {}, "offset": "x"}
    with_ref = decode(type_, ref="é" * 64, **more | fields)
    assert isinstance(with_ref, type(expected))
    assert with_ref.ref == "é" * 64


@pytest.mark.parametrize("type_", sorted(SAMPLES.keys() - ANSWERS))
def test_a_control_frame_may_be_bare(type_: str) -> None:
    assert type(decode(type_)) is type(SAMPLES[type_][1])
    assert type(decode(type_, ref=None)) is type(SAMPLES[type_][1])


@pytest.mark.parametrize("type_", sorted(ANSWERS))
def test_what_is_said_of_a_task_names_its_attempt(type_: str) -> None:
    assert type(decode(type_, job="j", attempt=1)) is type(SAMPLES[type_][1])
    for fields, pointer in (({}, "/job"), ({"job": "j"}, "/attempt")):
        with pytest.raises(FrameError) as caught:
            decode(type_, **fields)
        assert [error.pointer for error in caught.value.error.errors] == [pointer]
        assert caught.value.id == fields.get("job"), "the answer says of which job"


@pytest.mark.parametrize("type_", ["task", "settled", "", "Ping", "PING", "ping ", "later"])
def test_a_control_type_of_another_protocol_is_ignored(type_: str) -> None:
    assert decode(type_, ref="r", whatever=1) is None


@pytest.mark.parametrize(
    ("type_", "fields", "pointer"),
    [
        ("ping", {"ref": 5}, "/ref"),
        ("ping", {"ref": "x" * 65}, "/ref"),
        ("auth", {"token": None}, "/token"),
        ("subscribe", {"types": "order_*"}, "/types"),
        ("subscribe", {"types": ["a", 5]}, "/types/1"),
        ("subscribe", {"subjects": [None]}, "/subjects/0"),
        ("subscribe", {"since": -1}, "/since"),
        ("subscribe", {"since": "5"}, "/since"),
        ("subscribe", {"since": 1.5}, "/since"),
        ("subscribe", {"since": 2**53}, "/since"),
        ("subscribe", {"since": 10**30}, "/since"),
        ("subscribe", {"last": 0}, "/last"),
        ("subscribe", {"last": 1001}, "/last"),
        ("subscribe", {"epoch": 1}, "/epoch"),
        ("batch", {"events": {}}, "/events"),
        ("batch", {"events": [0] * 501}, "/events"),
        ("batch", {"atomic": 1}, "/atomic"),
        ("call", {"params": []}, "/params"),
        ("call", {"method": 1}, "/method"),
        ("ready", {"credit": -1}, "/credit"),
        ("ready", {"credit": 1001}, "/credit"),
        ("ready", {"credit": 1.5}, "/credit"),
        ("ready", {"queues": ["order_processing"]}, "/queues/0"),
        ("ready", {"format": "sms"}, "/format"),
        ("ready", {"resume": [{"job": "j"}]}, "/resume/0/attempt"),
        ("ready", {"resume": [{"job": "", "attempt": 1}]}, "/resume/0/job"),
        ("ready", {"resume": [{"job": "j", "attempt": 1}] * 1001}, "/resume"),
        ("progress", {"job": "j", "attempt": 1, "percent": 101}, "/percent"),
        ("progress", {"job": "j", "attempt": 1, "note": "x" * 501}, "/note"),
        ("done", {"job": "x" * 65, "attempt": 1}, "/job"),
        ("done", {"job": "j", "attempt": 0}, "/attempt"),
        ("done", {"job": "j", "attempt": 1, "result": []}, "/result"),
        ("failed", {"job": "j", "attempt": 1, "error": 5}, "/error"),
        ("failed", {"job": "j", "attempt": 1, "error": "x" * 4097}, "/error"),
        ("failed", {"job": "j", "attempt": 1, "retry": "no"}, "/retry"),
    ],
)
def test_what_does_not_fit_is_named(type_: str, fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(FrameError) as caught:
        decode(type_, **{"ref": "r"} | fields)
    assert isinstance(caught.value.error, InvalidParams)
    assert [error.pointer for error in caught.value.error.errors] == [pointer]
    assert caught.value.ref == "r" or "ref" in fields


def test_a_batch_may_have_500_events() -> None:
    frame = decode("batch", events=[0] * 500)
    assert isinstance(frame, Batch)
    assert len(frame.events) == 500


def test_an_offset_may_be_what_javascript_holds() -> None:
    frame = decode("subscribe", since=2**53 - 1)
    assert isinstance(frame, Subscribe)
    assert frame.since == 2**53 - 1
