"""Fixtures of the HTTP door's tests."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from tests.http1.serving import Door, serving


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop on which the hub runs; what needs no waiting also on the other one, whose
    transports differ from it in detail."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]]
    factories = {"uvloop": uvloop.new_event_loop}
    if item.path.stem == "test_framing":
        factories["asyncio"] = asyncio.new_event_loop
    return factories


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with serving() as running:
        yield running
