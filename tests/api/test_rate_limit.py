"""How many REST requests somebody may make: 100 in 15 minutes by key, with the exceptions."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import check_problem
from tests.support.hub_process import HubProcess
from tests.support.rest import Answer, call, merchant_of, new_key, read_answer
from tests.support.ws import connect

STATE = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')
POLICY = re.compile(r'"(\w+)";q=(\d+);w=(\d+)')
REST, ENTRANCE, STREAMS = ("rest", 100, 900), ("entrance", 60, 60), ("streams", 1200, 60)


class Limited:
    """A hub with its own limits, behind a proxy: whoever asks says from which address it came.

    Args:
        hub: it trusts 127.0.0.1.
    """

    def __init__(self, hub: HubProcess) -> None:
        self.hub = hub
        self.merchant = ""
        self._addresses = 0

    async def key(self, role: str = "merchant") -> str:
        """A key that nobody has used."""
        made, _ = await new_key(self.hub, self.hub.admin_key, role, self.merchant)
        return made

    def address(self) -> dict[str, str]:
        """A header for an address from which nobody has come."""
        self._addresses += 1
        return {"X-Forwarded-For": f"192.0.2.{self._addresses}"}


def started(directory: Path, settings: dict[str, str]) -> Iterator[Limited]:
    limited = Limited(HubProcess(directory, {"HUB_TRUSTED_PROXIES": "127.0.0.1"} | settings))

    async def start() -> None:
        await limited.hub.start()
        limited.merchant = await merchant_of(limited.hub, limited.hub.admin_key)

    try:
        asyncio.run(start())
        yield limited
    finally:
        if limited.hub.running:
            asyncio.run(limited.hub.kill())


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    """A hub with the default limits. Tests share it, and take keys and addresses of their own."""
    yield from started(tmp_path_factory.mktemp("hub"), {"HUB_RATE_LIMIT": ""})


async def ask(hub: HubProcess, key: str | None = None, **more: Any) -> Answer:
    """A request that counts."""
    return await call(hub, "GET", "/api/events", key=key, **more)


async def spend(hub: HubProcess, count: int, **more: Any) -> None:
    """So many requests that are answered, all at once."""
    for answer in await asyncio.gather(*(ask(hub, **more) for _ in range(count))):
        assert answer.status == 200, answer.body


def left(answer: Answer, policy: tuple[str, int, int] = REST) -> int:
    """What an answer says is left; it also has to name this policy."""
    state = STATE.fullmatch(answer.headers["ratelimit"])
    named = POLICY.fullmatch(answer.headers["ratelimit-policy"])
    assert state is not None, answer.headers
    assert named is not None, answer.headers
    assert (named[1], int(named[2]), int(named[3])) == policy
    assert state[1] == policy[0]
    assert 0 < int(state[3]) <= policy[2]
    return int(state[2])


def check_refused(answer: Answer, policy: tuple[str, int, int] = REST) -> None:
    """Check that an answer is a refusal that says when to come back, once and the same."""
    problem = check_problem(answer, 429, "rate_limited")
    assert left(answer, policy) == 0
    seconds = answer.headers["retry-after"]
    assert seconds.isdecimal(), seconds
    assert 0 < int(seconds) <= policy[2]
    retry_after = problem["retry_after"]
    assert isinstance(retry_after, float)
    assert int(seconds) - 1 <= retry_after <= int(seconds)


# ── by key ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_hundred_requests_by_key(limited: Limited) -> None:
    hub, key, other = limited.hub, await limited.key(), await limited.key()
    for number in range(100):
        answer = await ask(hub, key)
        assert answer.status == 200
        assert left(answer) == 99 - number
        assert "retry-after" not in answer.headers
    for method, path in (("GET", "/api/events"), ("GET", "/api/keys"), ("POST", "/api/merchants")):
        answer = await call(hub, method, path, {} if method == "POST" else None, key=key)
        check_refused(answer)
    check_refused(await call(hub, "GET", "/api/events", headers={"X-API-Key": key}))
    assert left(await ask(hub, other)) == 99, "another key is another's"


async def test_a_refused_request_does_nothing(limited: Limited) -> None:
    hub, key = limited.hub, await limited.key("bot")
    before = (await ask(hub, key)).json()["offset"]
    await spend(hub, 99, key=key)
    event = {"type": "custom_a", "data": {}}
    check_refused(await call(hub, "POST", "/api/events", event, key=key))
    found = await ask(hub, hub.admin_key, query={"since": before})
    assert found.json()["events"] == []


async def test_every_answer_says_what_is_left(limited: Limited) -> None:
    """Errors too, as soon as it is known who asks."""
    hub, key = limited.hub, await limited.key()
    requests: list[tuple[int, str, str, dict[str, Any]]] = [
        (200, "GET", "/api/merchants", {}),
        (404, "GET", "/api/merchants/nobody", {}),
        (404, "DELETE", "/api/keys/nobody", {}),
        (422, "GET", "/api/events", {"query": {"since": "yesterday"}}),
        (422, "GET", "/api/events", {"query": {"nonsense": 1}}),
        (422, "POST", "/api/keys", {"body": {"role": "emperor"}}),
        (422, "POST", "/api/events", {"body": {"type": "order_created", "data": {}}}),
        (400, "POST", "/api/events", {"raw": b"{"}),
        (400, "POST", "/api/events", {"raw": b""}),
        (403, "POST", "/api/merchants", {"body": {"name": "mine"}}),
        (201, "POST", "/api/events", {"body": {"type": "custom_a", "data": {}}}),
    ]
    for number, (status, method, path, more) in enumerate(requests):
        answer = await call(hub, method, path, key=key, **more)
        assert answer.status == status, (path, answer.body)
        assert left(answer) == 99 - number, (method, path)


async def test_a_cookie_and_a_ticket_count_for_their_key(limited: Limited) -> None:
    hub, key = limited.hub, await limited.key()
    await spend(hub, 90, key=key)
    body, origin = {"key": key}, {"Origin": hub.url}
    signed_in = await call(hub, "POST", "/api/session", body, headers=origin | limited.address())
    assert left(signed_in, ENTRANCE) == 59
    cookie = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    assert left(await ask(hub, headers=cookie)) == 9
    # A write by cookie that does not come from the hub's own pages is refused, and counts too.
    forged = await call(hub, "POST", "/api/events", {}, headers=cookie | limited.address())
    assert forged.status == 403
    assert left(forged) == 99
    ticket = await call(hub, "POST", "/api/tickets", headers=cookie | origin)
    by_ticket = await ask(hub, query={"token": ticket.json()["ticket"]})
    assert by_ticket.status == 200
    assert left(by_ticket) == 8
    await spend(hub, 8, headers=cookie)
    check_refused(await ask(hub, key))
    check_refused(await ask(hub, headers=cookie))
    answer = await call(hub, "GET", "/api/session", headers=cookie)
    assert answer.status == 200, "who has spent everything still sees who it is"


# ── by address ───────────────────────────────────────────────────────────────────────────────────


async def test_without_a_good_key_the_address_counts(limited: Limited) -> None:
    hub, key, address = limited.hub, await limited.key(), limited.address()
    wrong: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {key[:-1]}"},
        {"X-API-Key": "hub_a_" + "x" * 43},
        {"Cookie": "hub_session=nonsense"},
    ]
    for number in range(100):
        answer = await ask(hub, headers=wrong[number % 5] | address)
        check_problem(answer, 401, "unauthenticated")
        assert left(answer) == 99 - number
    for one in wrong:
        check_refused(await ask(hub, headers=one | address))
    # Whoever shares the address and has a key is not concerned, nor is anybody elsewhere.
    assert left(await ask(hub, key, headers=address)) == 99
    assert left(await ask(hub, headers=limited.address())) == 99
    forged = {"X-Forwarded-For": f"203.0.113.9, {address['X-Forwarded-For']}"}
    check_refused(await ask(hub, headers=forged))


async def test_a_line_of_ipv6_is_one_address(limited: Limited) -> None:
    answers = [
        await ask(limited.hub, headers={"X-Forwarded-For": f"2001:db8:1:{part}"})
        for part in ("2::1", "2::2", "2:ffff:ffff:ffff:ffff", "3::1")
    ]
    assert [left(answer) for answer in answers] == [99, 98, 97, 99]


async def test_without_trust_a_forwarded_address_counts_for_nothing(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_RATE_LIMIT": ""}) as hub:
        answers = [await ask(hub, headers={"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(3)]
        assert [left(answer) for answer in answers] == [99, 98, 97]


# ── what is outside of it ────────────────────────────────────────────────────────────────────────


async def test_what_never_counts(limited: Limited) -> None:
    """Pages, probes and the socket, with the key and from the address that have spent all."""
    hub, key, address = limited.hub, await limited.key(), limited.address()
    await spend(hub, 100, key=key)
    for _ in range(100):
        assert (await ask(hub, headers=address)).status == 401
    check_refused(await ask(hub, key))
    check_refused(await ask(hub, headers=address))
    page = (await call(hub, "GET", "/", headers=address)).body.decode()
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert files
    for path in ("/", *files, "/healthz", "/readyz", "/health", "/api/health"):
        for headers in (address, address | {"Authorization": f"Bearer {key}"}):
            answer = await call(hub, "GET", path, headers=headers)
            assert answer.status == 200, (path, answer.body)
            assert "ratelimit" not in answer.headers, path
    assert (await call(hub, "GET", "/metrics")).status == 200  # through a proxy it wants a token
    async with connect(hub, key, headers=address) as socket:
        assert (await socket.next())["type"] == "connected"
        for number in range(30):
            await socket.send({"type": "call", "ref": f"{number}", "method": "merchants.list"})
        assert len(await socket.take(30, type="reply")) == 30
    assert left(await call(hub, "POST", "/api/tickets", key=key), ENTRANCE) == 59
    assert left(await call(hub, "GET", "/api/session", key=key), ENTRANCE) == 58
    answer = await ask(hub, key, query={"wait": 0.01, "since": 10**9})
    assert left(answer, STREAMS) == 1199
    async with stream(hub, key) as answer:
        assert left(answer, STREAMS) == 1198


@asynccontextmanager
async def stream(hub: HubProcess, key: str) -> AsyncIterator[Answer]:
    """Open server-sent events; the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        writer.write(
            f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n"
            f"Accept: text/event-stream\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        )
        async with asyncio.timeout(5):
            answer = await read_answer(reader, "HEAD")
        assert answer.status == 200, answer
        yield answer
    finally:
        writer.transport.abort()


async def test_sign_ins_and_tickets_have_a_limit_of_their_own(limited: Limited) -> None:
    hub, key, address = limited.hub, await limited.key(), limited.address()
    signing: dict[str, Any] = {"headers": {"Origin": hub.url} | address}
    for number in range(60):
        answer = await call(hub, "POST", "/api/session", {"key": key}, **signing)
        assert answer.status == 200
        assert left(answer, ENTRANCE) == 59 - number
    check_refused(await call(hub, "POST", "/api/session", {"key": key}, **signing), ENTRANCE)
    for number in range(60):
        answer = await call(hub, "POST", "/api/tickets", key=key)
        assert answer.status == 200
        assert left(answer, ENTRANCE) == 59 - number, "who signs in does not yet have a key"
    check_refused(await call(hub, "POST", "/api/tickets", key=key), ENTRANCE)
    check_refused(await call(hub, "GET", "/api/session", key=key), ENTRANCE)
    assert left(await ask(hub, key)) == 99


async def test_ten_failed_sign_ins_are_enough(limited: Limited) -> None:
    hub, address = limited.hub, limited.address()
    signing: dict[str, Any] = {"headers": {"Origin": hub.url} | address}
    for _ in range(10):
        answer = await call(hub, "POST", "/api/session", {"key": "nonsense"}, **signing)
        check_problem(answer, 401, "unauthenticated")
    for body in ({"key": "nonsense"}, {"key": hub.admin_key}):
        answer = await call(hub, "POST", "/api/session", body, **signing)
        problem = check_problem(answer, 429, "rate_limited")
        assert 0 < int(answer.headers["retry-after"]) <= 60, problem
    elsewhere = {"Origin": hub.url} | limited.address()
    answer = await call(hub, "POST", "/api/session", {"key": hub.admin_key}, headers=elsewhere)
    assert answer.status == 200


async def test_streams_and_long_polls_have_a_limit_of_their_own(limited: Limited) -> None:
    hub, key = limited.hub, await limited.key()
    request = (
        f"GET /api/events?wait=0.001 HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\n"
        f"Authorization: Bearer {key}\r\n\r\n"
    ).encode()

    async def polls(count: int) -> list[int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        try:
            seen = []
            for _ in range(count):
                writer.write(request)
                answer = await read_answer(reader)
                assert answer.status == 200
                seen.append(left(answer, STREAMS))
            return seen
        finally:
            writer.transport.abort()

    async with asyncio.timeout(30):
        seen = await asyncio.gather(*(polls(300) for _ in range(4)))
    assert sorted(n for some in seen for n in some) == list(range(1200))
    check_refused(await ask(hub, key, query={"wait": 1}), STREAMS)
    for accept in ("text/event-stream", "application/x-ndjson"):
        check_refused(await ask(hub, key, headers={"Accept": accept}), STREAMS)
    assert left(await ask(hub, key)) == 99


# ── time, and other settings ─────────────────────────────────────────────────────────────────────


async def test_waiting_as_told_is_always_enough(tmp_path: Path) -> None:
    """By the header's whole seconds, or by the body's exact ones; at any place in the window."""
    async with HubProcess(tmp_path, {"HUB_RATE_LIMIT": "5/s"}) as hub:
        merchant = await merchant_of(hub, hub.admin_key)
        keys = [(await new_key(hub, hub.admin_key, "viewer", merchant))[0] for _ in range(4)]
        await asyncio.sleep(1)
        keys += [(await new_key(hub, hub.admin_key, "viewer", merchant))[0] for _ in range(4)]

        async def visit(number: int, key: str) -> None:
            await asyncio.sleep(number * 0.05)
            for _ in range(3):
                while (answer := await ask(hub, key)).status == 200:
                    await asyncio.sleep(number * 0.01)
                check_refused(answer, ("rest", 5, 1))
                exact = float(answer.json()["retry_after"])
                await asyncio.sleep(exact if number % 2 else int(answer.headers["retry-after"]))
                answer = await ask(hub, key)
                assert answer.status == 200, answer.body

        async with asyncio.timeout(30):
            await asyncio.gather(*(visit(n, key) for n, key in enumerate(keys)))


async def test_off(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_RATE_LIMIT": "off"}) as hub:
        for key in (hub.admin_key, None):
            for answer in await asyncio.gather(*(ask(hub, key) for _ in range(150))):
                assert answer.status == (200 if key else 401)
                assert "ratelimit" not in answer.headers
        assert left(await call(hub, "POST", "/api/tickets", key=hub.admin_key), ENTRANCE) == 59
