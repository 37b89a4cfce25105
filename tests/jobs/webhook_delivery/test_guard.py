"""No connection is ever made to what is refused: listeners on this machine count them."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from typing import Any

import pytest

from jobs.webhook_delivery.guard import Names
from jobs.webhook_delivery.post import Caller
from tests.support.receiver import Receiver, answering, receiving

LOOPBACK = (ip_network("127.0.0.1"),)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on every address of this machine, which counts who connects."""
    async with receiving(host="") as found:
        for number, host in enumerate(("127.0.0.1", "127.0.0.2", "::1"), 1):
            _, writer = await asyncio.open_connection(host, found.port)
            writer.close()
            await writer.wait_closed()
            await _until(lambda n=number: found.connections == n)  # type: ignore[misc]
        found.connections = 0
        yield found


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    made = Caller(timeout=3.0)
    yield made
    await made.close()


@pytest.fixture
async def allowing() -> AsyncIterator[Caller]:
    """One that may reach 127.0.0.1."""
    made = Caller(LOOPBACK, timeout=3.0)
    yield made
    await made.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; a list of one is the same every time, of several one after another."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host not in known:
            return real(host, port, *rest, **more)
        found = known[host]
        address = found.pop(0) if len(found) > 1 else found[0]
        return [
            info for each in address.split(",") for info in real(each, port, *rest, **more)
        ]  # fmt: skip

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


HOSTS = [
    # loopback and what is this machine, in the forms that getaddrinfo or the system take
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "0", "127.1", "127.0.1", "2130706433", "0x7f000001",
    "0x7f.0.0.1", "0x7f.1", "017700000001", "0177.0.0.1", "0177.1", "00000177.0.0.1", "localhost",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::ffff:0.0.0.0]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]", "[::ffff:0:127.0.0.1]",
    "[2a00::5efe:127.0.0.1]", "[fe80::1%25lo]",
    # not here, and never to be reached
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "[fd00::1]",
    "[fe80::1]", "[ff02::1]", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1",
    "[2001:db8::1]", "[fec0::1]", "[100::1]",
    # userinfo that looks like a host
    "shop.example@127.0.0.1", "shop.example:443@127.0.0.1", "8.8.8.8@[::1]",
    # digits that look like others
    "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
async def test_no_connection_is_made(receiver: Receiver, caller: Caller, host: str) -> None:
    answer = await caller.post(f"http://{host}:{receiver.port}/", {}, b"{}")
    assert answer.status is None
    assert answer.error is not None
    await asyncio.sleep(0.01)
    assert receiver.connections == 0


async def test_the_refusal_says_what_to_do(caller: Caller) -> None:
    answer = await caller.post("http://127.0.0.1:9/", {}, b"{}")
    assert answer.error == (
        "127.0.0.1 is loopback: webhooks reach public addresses alone, "
        "and those that HUB_WEBHOOK_ALLOW names"
    )


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "127.0.0.1,::1"]
)
async def test_a_name_that_leads_inside(
    receiver: Receiver, caller: Caller, names: dict[str, list[str]], address: str
) -> None:
    names["shop.example"] = [address]
    answer = await caller.post(receiver.url("shop.example"), {}, b"{}")
    assert "HUB_WEBHOOK_ALLOW" in str(answer.error)
    assert receiver.connections == 0


async def test_a_name_that_changes_between_a_look_and_the_connection(
    receiver: Receiver, caller: Caller, names: dict[str, list[str]]
) -> None:
    """Whoever is asked first, and how often: the address that is connected to is judged."""
    names["shop.example"] = ["8.8.8.8", "127.0.0.1"]
    socket.getaddrinfo("shop.example", 80)  # somebody's look beforehand: it is public
    answer = await caller.post(receiver.url("shop.example"), {}, b"{}")
    assert "loopback" in str(answer.error)
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2:{port}/", "http://[::1]:{port}/", "//127.0.0.2:{port}/", "/again",
     "http://0x7f.2:{port}/"],
)  # fmt: skip
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(allowing: Caller, status: int, target: str) -> None:
    async with receiving(host="") as inside, receiving() as outside:
        location = target.format(port=inside.port)
        outside.behave = answering(status, Location=location)
        answer = await allowing.post(outside.url(), {}, b"{}")
        assert answer.status == status
        assert answer.error == (
            f"answered {status} to {location!r}: no redirect is followed; name the last address"
        )
        assert len(outside.received) == 1
        assert inside.connections == 0


async def test_only_what_is_allowed_is_reached(receiver: Receiver, allowing: Caller) -> None:
    assert (await allowing.post(receiver.url(), {}, b"{}")).error is None
    assert (await allowing.post(receiver.url("[::ffff:127.0.0.1]"), {}, b"{}")).error is None
    reached = receiver.connections
    for host in ("127.0.0.2", "[::1]"):
        assert "loopback" in str((await allowing.post(receiver.url(host), {}, b"{}")).error)
    assert receiver.connections == reached


async def test_a_proxy_of_the_environment_is_not_used(
    receiver: Receiver, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, receiver.url(path=""))
    answer = await caller.post("http://10.0.0.1/", {}, b"{}")
    assert "private" in str(answer.error)
    assert receiver.connections == 0


async def test_names_that_hang_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up goes on in its thread; whoever asked has long been answered."""
    real, held = socket.getaddrinfo, threading.Event()

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        if host == "slow.example":
            held.wait(5)
        return real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    caller = Caller(LOOPBACK, timeout=0.2)
    try:
        async with receiving() as receiver:
            slow, fine = await asyncio.gather(
                caller.post("http://slow.example/", {}, b"{}"),
                caller.post(receiver.url("localhost"), {}, b"{}"),
            )
    finally:
        held.set()
        await caller.close()
    assert slow.error == "no answer within 0.2 s"
    assert fine.error is None, "one that hangs is not in the way of another"


async def test_a_name_without_an_address(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    answer = await caller.post("http://shop.example/", {}, b"{}")
    assert "'shop.example' has no address" in str(answer.error)
    with pytest.raises(OSError, match="not known"):
        await Names().resolve("shop.example")
