"""One hub for all tests of a module, with two merchants and a key of every role."""

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.gateway.conftest import quiet as quiet
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, merchant_of, new_key, new_merchant
from tests.support.ws import DEADLINE, connect


class World(NamedTuple):
    """A running hub and who may do what in it.

    Attributes:
        one, two: the ids of its merchants.
        keys: admin; merchant, viewer and bot of merchant one; owner, reader and driver of two.
        ids: the ids of these keys.
    """

    hub: HubProcess
    one: str
    two: str
    keys: dict[str, str]
    ids: dict[str, str]


PEOPLE = {
    "merchant": ("merchant", 1), "viewer": ("viewer", 1), "bot": ("bot", 1),
    "owner": ("merchant", 2), "reader": ("viewer", 2), "driver": ("bot", 2),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """See `World`. Tests share it: they add to it and take nothing away."""
    hub = HubProcess(tmp_path_factory.mktemp("hub"))

    async def make() -> World:
        await hub.start()
        one = await merchant_of(hub, hub.admin_key)
        two = await new_merchant(hub, hub.admin_key, "two")
        keys, ids = {"admin": hub.admin_key}, {}
        for name, (role, number) in PEOPLE.items():
            merchant = one if number == 1 else two
            keys[name], ids[name] = await new_key(hub, hub.admin_key, role, merchant, name)
        return World(hub, one, two, keys, ids)

    try:
        yield asyncio.run(make())
    finally:
        if hub.running:
            asyncio.run(hub.kill())


async def stand_still(world: World) -> None:
    """Wait until no bot is connected and all that bots have left behind is in the log.

    The hub records a bot's coming and going a moment after the bot has seen it. Who is written
    down at the first acknowledgement may only then be noted as gone, which the second one follows.
    """
    async with connect(world.hub, world.keys["admin"], query="types=none") as socket:
        async with asyncio.timeout(DEADLINE):
            listing = {"type": "call", "ref": "s", "method": "sessions.list"}
            while True:
                await socket.send(listing | {"params": {"limit": 1000}})
                found = (await socket.next(type="reply"))["result"]["sessions"]
                if all(session["role"] != "bot" for session in found):
                    break
                await asyncio.sleep(0.01)
        nothing = {"type": "custom_nothing", "merchant_id": world.one, "data": {}}
        for _ in range(2):
            await socket.send(nothing | {"volatile": True})
            await socket.next(type="ack")


@pytest.fixture(autouse=True)
async def still(request: pytest.FixtureRequest) -> None:
    """The log's end moves by what a test itself does, and by nothing that an earlier one did."""
    if "world" in request.fixturenames:
        await stand_still(request.getfixturevalue("world"))


def check_problem(answer: Answer, status: int, code: str) -> dict[str, object]:
    """Check that an answer is this problem document, whole; the document."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, object] = answer.json()
    assert found["status"] == status
    assert found["code"] == code
    assert found["type"] == "about:blank"
    assert found["title"]
    assert found["detail"]
    assert found["error"] == found["detail"]
    assert found["success"] is False
    assert found["retry"] is (code in ("unavailable", "internal", "rate_limited"))
    assert "Traceback" not in str(found["detail"])
    return found


def pointers(problem: dict[str, object]) -> list[str]:
    """The fields that a problem names."""
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert all(error["message"] for error in errors)
    return [error["pointer"] for error in errors]
