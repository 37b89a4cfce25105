"""JSON that is made to hurt, at both doors: refused by name, and nothing of it is stored."""

import json

import pytest

from tests.api.conftest import World
from tests.api.conftest import world as world
from tests.gateway.raw import TEXT, frame, raw, text
from tests.support.rest import call, paged


def in_data(value: bytes) -> bytes:
    return b'{"type":"custom_poison","data":{"v":' + value + b"}}"


POISON = [
    pytest.param(in_data(b"[" * 30_000 + b"]" * 30_000), 400, "bad_frame", id="brackets"),
    pytest.param(in_data(b'{"a":' * 30_000 + b"1" + b"}" * 30_000), 400, "bad_frame", id="braces"),
    pytest.param(in_data(b"[" * 500_000), 400, "bad_frame", id="500,000 open brackets"),
    pytest.param(in_data(b"9" * 100_000), 400, "invalid_event", id="100,000 digits"),
    pytest.param(in_data(b"1" + b"0" * 400), 422, "invalid_event", id="an integer beyond a float"),
    pytest.param(in_data(b"1e999"), 400, "invalid_event", id="1e999"),
    pytest.param(in_data(b"-1e999"), 400, "invalid_event", id="-1e999"),
    pytest.param(in_data(b"0." + b"0" * 500_000 + b"1"), 201, "", id="500,000 decimals"),
    pytest.param(in_data(b"NaN"), 400, "invalid_event", id="NaN"),
    pytest.param(in_data(b'"' + b"x" * 65_537 + b'"'), 413, "too_large", id="65 KiB"),
    pytest.param(in_data(b'"' + b"x" * 1_000_000 + b'"'), 413, "too_large", id="1 MB"),
    pytest.param(in_data(b"[" + b"[]," * 300_000 + b"[]]"), 400, "bad_frame", id="300,000 lists"),
    pytest.param(in_data(b"[" * 32 + b"]" * 32), 422, "invalid_event", id="33 deep"),
    pytest.param(in_data(b'"\\u0000"'), 422, "invalid_event", id="NUL"),
    pytest.param(in_data(b'"\\ud800"'), 400, "invalid_event", id="half a surrogate pair"),
]


@pytest.mark.parametrize(("poison", "status", "code"), POISON)
async def test_poison(world: World, poison: bytes, status: int, code: str) -> None:
    answer = await call(world.hub, "POST", "/api/events", raw=poison, key=world.keys["bot"])
    assert answer.status == status, answer.body[:300]
    async with raw(world.hub, world.keys["bot"]) as client:
        client.write(frame(TEXT, poison) + text({"type": "ping", "ref": "after"}))
        answers = {}
        for _ in range(2):  # an ack waits for its commit: it may come behind the pong
            got = await client.json()
            answers[got.pop("type")] = got
        assert answers.pop("pong") == {"ref": "after"}
        if status == 201:
            assert list(answers) == ["ack"]
        else:
            assert answers["error"]["code"] == code
            assert len(json.dumps(answers)) < 1000


async def test_a_key_given_twice_is_stored_once(world: World) -> None:
    poison = (
        b'{"type":"custom_twice","data":{"a":1,"a":2},"data":{"b":1,"b":2},"type":"custom_two"}'
    )
    assert (
        await call(world.hub, "POST", "/api/events", raw=poison, key=world.keys["bot"])
    ).status == 201
    async with raw(world.hub, world.keys["bot"]) as client:
        client.write(frame(TEXT, poison))
        assert (await client.json())["type"] == "ack"
    stored = await paged(world.hub, world.keys["viewer"], types="custom_two,custom_twice")
    assert [(event["type"], event["data"]) for event in stored] == [("custom_two", {"b": 2})] * 2


async def test_a_batch_of_garbage_is_refused_line_by_line(world: World) -> None:
    kinds: list[object] = [
        1,
        None,
        [],
        {},
        "x",
        {"type": 5},
        {"type": "custom_a"},
        {"type": "a_b", "data": []},
    ]
    garbage = [*(kinds * 63)[:499], {"type": "custom_good", "data": {}}]
    answer = await call(world.hub, "POST", "/api/events", garbage, key=world.keys["bot"])
    assert answer.status == 201, answer.body[:300]
    lines = answer.json()["events"]
    assert [("error" in line) for line in lines] == [True] * 499 + [False]
    async with raw(world.hub, world.keys["bot"]) as client:
        client.write(text({"type": "batch", "ref": "g", "events": garbage}))
        ack = await client.json("ack")
        assert [("error" in line) for line in ack["events"]] == [True] * 499 + [False]
        client.write(text({"type": "batch", "ref": "a", "events": garbage, "atomic": True}))
        error = await client.json()
        assert (error["type"], error["ref"]) == ("error", "a")
    assert len(await paged(world.hub, world.keys["viewer"], types="custom_good")) == 2


async def test_the_log_can_still_be_read_by_everyone(world: World) -> None:
    """After all of the above: nothing that is stored breaks a reader."""
    stored = await paged(world.hub, world.keys["admin"], limit=1000)
    async with raw(world.hub, world.keys["viewer"], query="since=0") as client:
        shown = 0
        while shown < len([e for e in stored if e["merchant_id"] == world.one]):
            frame_ = await client.json()
            shown += "_" in frame_["type"]
    assert "Traceback" not in world.hub.log.read_text()
