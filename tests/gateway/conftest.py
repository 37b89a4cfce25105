"""Fixtures of the gateway's tests."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from hub.peers import Peers
from hub.stream.log import EventLog
from hub.tasks.dispatcher import Dispatcher
from jobs.webhook_delivery.feeder import Feeder
from storage.database import Database, Engine
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.support.databases import ENGINES


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop on which the hub runs; its transports differ from asyncio's in detail."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = metafunc.definition.get_closest_marker("both_engines")
    own = [m.args[0] for m in metafunc.definition.iter_markers("parametrize")]
    if marked and "engine" in metafunc.fixturenames and "engine" not in own:
        metafunc.parametrize("engine", ENGINES, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    """SQLite: what sockets do is the same on each engine. Tests of what reaches the database are
    marked `both_engines`."""
    name: Engine = getattr(request, "param", "sqlite")
    return name


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub in this process asks its database nothing by itself: tests count what it asks for."""

    async def nothing(peers: Peers) -> None:
        pass

    async def nothing_kept(event_log: EventLog) -> None:
        pass

    async def nothing_held(dispatcher: Dispatcher) -> None:
        pass

    async def nothing_fed(feeder: Feeder) -> None:
        pass

    monkeypatch.setattr("hub.services.forget_answers", nothing_kept)
    monkeypatch.setattr("hub.stream.log._LOOK_SECONDS", 3600)
    monkeypatch.setattr("hub.peers._BEAT_SECONDS", 3600)
    monkeypatch.setattr(Peers, "_look_again", nothing)
    monkeypatch.setattr(Dispatcher, "run", nothing_held)
    monkeypatch.setattr(Feeder, "run", nothing_fed)


@pytest.fixture
async def local(database: Database) -> AsyncIterator[LocalHub]:
    """A hub with its defaults. For settings or a database of its own, a test uses `running`."""
    async with running(await prepared(database)) as hub:
        yield hub
