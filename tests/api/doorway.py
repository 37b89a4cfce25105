"""A hub as browsers meet it: behind a proxy on the loopback, with an origin that is allowed."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.api.conftest import PEOPLE, World, check_problem
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, merchant_of, new_key, new_merchant

ALLOWED = "https://panel.example"
PUBLIC = "https://hub.example:8443"
SETTINGS = {
    "HUB_RATE_LIMIT": "off",
    "HUB_TRUSTED_PROXIES": "127.0.0.1",
    "HUB_ALLOWED_ORIGINS": f"{ALLOWED}, http://shop.example:3000",
}

_numbers = itertools.count()


def fresh_address() -> str:
    """A client's address that no test has used: limits of addresses begin anew with it."""
    number = next(_numbers)
    return f"203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@contextmanager
def opened(directory: Path, settings: Mapping[str, str] | None = None) -> Iterator[World]:
    """A running hub with the people of `World`; for a fixture, which has no event loop yet.

    Args:
        settings: beside `SETTINGS`.
    """
    hub = HubProcess(directory, SETTINGS | dict(settings or {}))

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


# ── what a page of another origin is told (Fetch Standard, section 3.3) ──────────────────────────

EXPOSED = {"ratelimit", "ratelimit-policy", "retry-after", "location", "x-request-id"}
"""Header fields that a page may read beside the few it always may."""


def listed(answer: Answer, name: str) -> set[str]:
    return {part.strip().lower() for part in answer.headers[name].split(",")}


def check_cors(answer: Answer) -> None:
    """What an allowed page must be told, so that it sees the answer."""
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert "origin" in listed(answer, "vary")
    assert "access-control-allow-credentials" not in answer.headers
    assert listed(answer, "access-control-expose-headers") >= EXPOSED


def without_cors(answer: Answer) -> bool:
    return not any(name.startswith("access-control-") for name in answer.headers)


def check_refused(answer: Answer, *, head: bool = False) -> None:
    assert answer.status == 403
    assert without_cors(answer)
    if not head:
        detail = str(check_problem(answer, 403, "forbidden")["detail"])
        assert "HUB_PUBLIC_URL" in detail
        assert "HUB_ALLOWED_ORIGINS" in detail
