"""Every transcript, replayed against the real hub over a real socket."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
import websockets.sync.client
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.conformance.bindings import Bindings, Json, Mismatch
from tests.conformance.transcript import Step, Transcript, message_of, transcripts
from tests.support.hub_process import HubProcess

DEADLINE = 10.0
SLOW_DEADLINE = 15.0


@dataclass(frozen=True)
class Stage:
    """The hub under test, and what the transcripts may name.

    Attributes:
        names: keys, merchants and the hub's own origin.
        bot: a bot's connection that stays open: it puts the given events into the log, and keeps
            the comings and goings of the other connections of its key out of it.
    """

    ws_url: str
    names: dict[str, str]
    bot: websockets.sync.client.ClientConnection

    def publish(self, event: Json) -> int:
        """Put an event into the log; its offset."""
        self.bot.send(json.dumps(event | {"ref": "given"}))
        while True:
            answer = json.loads(self.bot.recv(timeout=DEADLINE))
            if answer.get("ref") == "given":
                assert answer["type"] == "ack", answer
                return int(answer["offset"])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    hub = HubProcess(tmp_path_factory.mktemp("conformance"))
    asyncio.run(hub.start())
    try:
        names = _names(hub)
        headers = {"Authorization": f"Bearer {hub.bot_key}"}
        with websockets.sync.client.connect(
            hub.ws_url, additional_headers=headers, compression=None, proxy=None
        ) as bot:
            yield Stage(hub.ws_url, names, bot)
    finally:
        if hub.running:
            asyncio.run(hub.terminate())


def _names(hub: HubProcess) -> dict[str, str]:
    def call(method: str, path: str, body: Json = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=DEADLINE)
        headers = {"Authorization": f"Bearer {hub.admin_key}", "Content-Type": "application/json"}
        with closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status in (200, 201), text
        return json.loads(text)

    merchant = call("GET", "/api/merchants")["merchants"][0]["id"]
    other = call("POST", "/api/merchants", {"name": "other"})["merchant"]["id"]

    def key(role: str) -> str:
        body = {"merchant_id": merchant, "role": role, "name": f"conformance {role}"}
        return str(call("POST", "/api/keys", body)["token"])

    return {
        "admin_key": hub.admin_key,
        "bot_key": hub.bot_key,
        "merchant_key": key("merchant"),
        "viewer_key": key("viewer"),
        "merchant_id": merchant,
        "other_merchant": other,
        "origin": hub.url,
    }


def _marked(transcript: Transcript) -> Any:
    marks = [pytest.mark.slow] if transcript.slow else []
    return pytest.param(transcript, id=transcript.name, marks=marks)


@pytest.mark.parametrize("transcript", [_marked(one) for one in transcripts("server")])
async def test_the_hub_does_as_written(transcript: Transcript, stage: Stage) -> None:
    bindings = Bindings(dict(stage.names))
    for step in transcript.given:
        offset = await asyncio.to_thread(stage.publish, bindings.fill(step.content))
        if step.name:
            bindings.values[step.name] = offset
    url, headers = _opening(stage, bindings, transcript.connect)
    deadline = SLOW_DEADLINE if transcript.slow else DEADLINE
    try:
        async with (
            asyncio.timeout(deadline),
            open_socket(
                url,
                additional_headers=headers,
                compression=None,
                max_size=None,
                ping_interval=None,
                close_timeout=1,
                proxy=None,
            ) as socket,
        ):
            await _play(Replay(socket, bindings, deadline), transcript)
    except InvalidStatus as refused:
        Bindings().match([transcript.steps[0].content], [refused.response.status_code])


def _opening(stage: Stage, bindings: Bindings, connect: Json) -> tuple[str, dict[str, str]]:
    query = {k: str(v) for k, v in bindings.fill(connect.get("query", {})).items()}
    headers = dict(bindings.fill(connect.get("headers", {})))
    key = stage.names.get(f"{connect.get('role')}_key", "")
    match connect.get("by", "header"):
        case "header":
            headers["Authorization"] = f"Bearer {key}"
        case "x-api-key":
            headers["X-API-Key"] = key
        case "query":
            query["token"] = key
    return stage.ws_url + ("?" + urlencode(query, safe="*,/") if query else ""), headers


@dataclass
class Replay:
    """The client's side of one transcript."""

    socket: ClientConnection
    bindings: Bindings
    deadline: float

    async def send(self, content: Json) -> None:
        message = message_of(content)
        if "binary" in content:
            await self.socket.send(bytes.fromhex(content["binary"]))
        elif message is None:
            await self.socket.send(json.dumps(self.bindings.fill(content)))
        else:
            await self.socket.send(message, text=True)

    async def next(self, *, heartbeats: bool = False) -> Json:
        while True:
            frame = json.loads(await self.socket.recv())
            if heartbeats or frame["type"] != "ping":
                return frame

    async def expect(self, pattern: Json) -> None:
        frame = await self.next(heartbeats=pattern.get("type") == "ping")
        self.bindings.match(pattern, frame)

    async def expect_unordered(self, patterns: list[Json]) -> None:
        left = list(patterns)
        while left:
            frame = await self.next()
            fits = next((p for p in left if self.bindings.matches(p, frame)), None)
            if fits is None:
                raise Mismatch(f"none of {left} is {frame}")
            left.remove(fits)

    async def expect_close(self, code: int) -> None:
        try:
            while True:
                frame = await self.next()
                assert frame["type"] in ("error", "bye"), f"{frame} instead of a close"
        except ConnectionClosed as closed:
            self.bindings.match(code, closed.rcvd.code if closed.rcvd else 1006, "close")


async def _play(replay: Replay, transcript: Transcript) -> None:
    step = Step("", None, 0)
    try:
        for step in transcript.steps:
            match step.kind:
                case "client":
                    await replay.send(step.content)
                case "server":
                    await replay.expect(step.content)
                case "unordered":
                    await replay.expect_unordered(step.content)
                case "close":
                    await replay.expect_close(step.content)
                    return
                case "refused":
                    raise Mismatch("the handshake was to be refused")
                case kind:
                    raise AssertionError(f"a {kind} step makes no sense for a hub")
        # Nothing else is on its way: the next frame is the answer to this.
        await replay.send({"type": "ping", "ref": "the end"})
        await replay.expect({"type": "pong", "ref": "the end"})
    except (AssertionError, ConnectionClosed, TimeoutError, asyncio.CancelledError) as error:
        error.add_note(f"{transcript.name}.jsonl, line {step.line}: {transcript.note}")
        raise
