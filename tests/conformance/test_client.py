"""Every transcript in which an SDK has a part, with the roles swapped: it plays the hub."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from hub.client import Backoff, Closed, Event, EventStream, Gap, Hub, HubError, Lost
from hub.client.command_publish import error_name
from hub.client.terminal import event_json
from hub.protocol.codes import Advice, advice
from tests.client.fake_hub import KEY, FakeConnection, FakeHub, connected, event, subscribed
from tests.conformance.bindings import Bindings, Json
from tests.conformance.transcript import Transcript, message_of, transcripts

DEADLINE = 10.0
_FIELDS = {field.name for field in msgspec.structs.fields(Event)}


def _chosen(sdk: str) -> list[Any]:
    found = [one for one in transcripts("client") if one.sdk == sdk]
    return [pytest.param(one, id=one.name) for one in found]


def _bindings(transcript: Transcript) -> Bindings:
    """The names that a transcript takes for granted; what is given has offsets in its order."""
    names = ("admin_key", "bot_key", "merchant_key", "viewer_key", "merchant_id", "origin")
    bindings = Bindings({name: f"the-{name}" for name in names}, invent=True)
    for step in transcript.given:
        bindings.fill(step.content)
        if step.name:
            bindings.fill(f"${step.name}", "offset")
    return bindings


def _whole(frame: Json) -> Json:
    """A hub's frame with the fields that its transcript leaves out."""
    match frame["type"]:
        case "connected":
            return connected() | frame
        case "subscribed":
            return subscribed(0) | frame
        case "ack":
            return {"duplicate": False} | frame
        case "error":
            return {"code": "conflict", "message": "so it is", "retry": False} | frame
        case type_ if "_" in type_:
            offset = frame.get("offset")
            return event(offset, id=f"id-{offset}") | frame
    return frame


# ── following ────────────────────────────────────────────────────────────────────────────────


@dataclass
class Followed:
    """What a transcript says that a follower sees."""

    events: list[Json] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    refusal: Json = None
    close: int | None = None


async def _play_events(
    connection: FakeConnection, transcript: Transcript, bindings: Bindings, seen: Followed
) -> None:
    for step in transcript.steps:
        match step.kind:
            case "server":
                frame = _whole(bindings.fill(step.content))
                await connection.send(frame)
                if "_" in frame["type"]:
                    seen.events.append(frame)
                elif frame["type"] == "gap":
                    gap = Gap(frame["from"], frame["to"], frame["reason"], frame["resume"])
                    seen.gaps.append(gap)
                elif frame["type"] == "error":
                    seen.refusal = frame
            case "stale":
                await connection.send(_whole(bindings.fill(step.content)))
            case "client":
                bindings.match(step.content, await connection.receive())
            case "close":
                seen.close = step.content
                await connection.socket.close(step.content, "as written")
            case kind:
                raise AssertionError(f"a {kind} step makes no sense for a follower")
    await connection.until_closed()


def _follow(hub: Hub, query: dict[str, Any], gaps: list[Gap]) -> EventStream:
    def patterns(name: str) -> list[str] | None:
        return query[name].split(",") if name in query else None

    return hub.events(
        patterns("types"),
        patterns("subjects"),
        since=query.get("since"),
        epoch=query.get("epoch"),
        last=query.get("last"),
        reconnect=False,
        on_gap=gaps.append,
    )


async def _collect(stream: EventStream, into: list[Event]) -> None:
    async for one in stream:
        into.append(one)


@pytest.mark.parametrize("transcript", _chosen("events"))
async def test_following(transcript: Transcript) -> None:
    bindings = _bindings(transcript)
    query = bindings.fill(transcript.connect.get("query", {}))
    seen = Followed()
    got: list[Event] = []
    gaps: list[Gap] = []

    async def script(connection: FakeConnection) -> None:
        await _play_events(connection, transcript, bindings, seen)

    async with FakeHub(script) as fake, Hub(fake.url, KEY) as hub:
        stream = _follow(hub, query, gaps)
        collecting = asyncio.create_task(_collect(stream, got))
        if any(step.kind == "close" for step in transcript.steps):
            with pytest.raises((Closed, Lost)) as caught:
                await asyncio.wait_for(collecting, DEADLINE)
            _check_end(caught.value, seen)
        else:
            async with asyncio.timeout(DEADLINE):
                while len(got) < len(seen.events) or not stream.live:
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.02)  # for an event that should not come
            await stream.aclose()
            await asyncio.wait_for(collecting, DEADLINE)
        sent = fake.connections[0].query
        assert {k: v for k, v in sent.items() if k != "types" or v != "*"} == {
            k: str(v) for k, v in query.items() if k != "types" or v != "*"
        }
    assert [event_json(one) for one in got] == [
        {name: value for name, value in one.items() if name in _FIELDS} for one in seen.events
    ]
    assert gaps == seen.gaps


def _check_end(error: BaseException, seen: Followed) -> None:
    assert seen.close is not None
    away = advice(seen.close) is Advice.STAY_AWAY
    assert isinstance(error, Closed if away else Lost)
    assert error.close_code == seen.close
    words = seen.refusal["message"] if seen.refusal else "as written"
    assert error.reason == words


# ── publishing ───────────────────────────────────────────────────────────────────────────────


async def _play_answers(
    connection: FakeConnection, transcript: Transcript, bindings: Bindings, outcomes: Json
) -> None:
    """Receive what is written and answer it, each `ref` of the transcript for one of the SDK's."""
    received: dict[str, Json] = {}
    for step in transcript.steps:
        if step.kind == "client":
            expected = bindings.fill(step.content)
            frame = await connection.receive()
            received[expected.pop("ref")] = frame
            bindings.match(expected, frame)
        else:
            assert step.kind == "server", step
            answer = _whole(bindings.fill(step.content))
            if answer["type"] in ("ack", "error"):
                asked = received[answer["ref"]]
                if step.content.get("id", "$str") == "$str":
                    answer["id"] = asked["id"]
                outcomes[answer["ref"]] = answer
                answer = answer | {"ref": asked["ref"]}
            await connection.send(answer)
    await connection.until_closed()


@pytest.mark.parametrize("transcript", _chosen("publish"))
async def test_publishing(transcript: Transcript) -> None:
    bindings = _bindings(transcript)
    outcomes: dict[str, Json] = {}

    async def script(connection: FakeConnection) -> None:
        await _play_answers(connection, transcript, bindings, outcomes)

    async with FakeHub(script) as fake, Hub(fake.url, KEY, backoff=Backoff(0.01, 0.05)) as hub:
        answers: dict[str, Any] = {}
        async with asyncio.timeout(DEADLINE):
            for step in transcript.steps:
                if step.kind == "client":
                    assert message_of(step.content) is None
                    frame = bindings.fill(step.content)
                    ref = frame.pop("ref")
                    if ref not in answers:  # a repeat is the SDK's to send by itself
                        answers[ref] = await hub.submit(
                            frame.pop("type"), frame.pop("data"), **frame
                        )
            results = {ref: await _outcome(answer) for ref, answer in answers.items()}
    assert json.loads(json.dumps(results)) == {
        ref: _expected(answer) for ref, answer in outcomes.items()
    }


async def _outcome(answer: Any) -> Json:
    try:
        ack = await answer
    except HubError as error:
        pointers = [one.pointer for one in error.errors]
        return {"error": error_name(error), "message": str(error), "pointers": pointers}
    return {"id": ack.id, "offset": ack.offset, "duplicate": ack.duplicate}


def _expected(answer: Json) -> Json:
    if answer["type"] == "error":
        pointers = [one["pointer"] for one in answer.get("errors", [])]
        return {"error": answer["code"], "message": answer["message"], "pointers": pointers}
    return {name: answer.get(name) for name in ("id", "offset", "duplicate")}
