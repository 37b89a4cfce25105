"""One attempt against receivers of every kind: there is always an answer, and in time."""

import gzip
import re
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from ipaddress import ip_network
from pathlib import Path

import pytest

from jobs.webhook_delivery.post import BODY_BYTES, Caller
from tests.support import receiver as behaviours
from tests.support.receiver import Behaviour, Receiver, answering, in_turn, receiving, saying

LOOPBACK = (ip_network("127.0.0.1"),)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    made = Caller(LOOPBACK, timeout=0.5)
    yield made
    await made.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def test_a_success(caller: Caller, receiver: Receiver) -> None:
    answer = await caller.post(receiver.url(path="/a?b=c"), {"X-Event-Type": "x"}, b'{"a":1}')
    assert (answer.error, answer.status, answer.body) == (None, 200, "ok")
    assert answer.duration_ms < 500
    [request] = receiver.received
    assert (request.target, request.body) == ("/a?b=c", b'{"a":1}')
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-event-type"] == "x"
    assert request.headers["user-agent"].startswith("smart-bot-hub")
    assert "cookie" not in request.headers


async def test_connections_are_used_again(caller: Caller, receiver: Receiver) -> None:
    for _ in range(5):
        assert (await caller.post(receiver.url(), {}, b"{}")).error is None
    assert receiver.connections == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_a_success(caller: Caller, receiver: Receiver, status: int) -> None:
    receiver.behave = answering(status, b"")
    assert (await caller.post(receiver.url(), {}, b"{}")).error is None


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 410, 429, 500, 503, 599])
async def test_everything_else_is_none(caller: Caller, receiver: Receiver, status: int) -> None:
    receiver.behave = answering(status, b"" if status == 304 else b"why")
    answer = await caller.post(receiver.url(), {}, b"{}")
    assert str(answer.error).startswith(f"answered {status}")
    assert (answer.status, answer.gone) == (status, status == 410)


@pytest.mark.parametrize(
    ("behave", "status", "word"),
    [
        (behaviours.silent, None, "no answer within 0.5 s"),
        (behaviours.dripping_headers, None, "no answer within 0.5 s"),
        (behaviours.dripping_body, 200, "answered 200, but the body did not end within 0.5 s"),
        (behaviours.slamming, None, "closed|reset"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), None, "ontent-[lL]ength"),
        (saying(b"SSH-2.0-OpenSSH\r\n\r\n"), None, "HTTP"),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"), None, "8190"),
    ],
)
async def test_a_rude_one(
    caller: Caller, receiver: Receiver, behave: Behaviour, status: int | None, word: str
) -> None:
    receiver.behave = behave
    begun = time.monotonic()
    answer = await caller.post(receiver.url(), {}, b"{}")
    assert time.monotonic() - begun < 1.0
    assert answer.status == status
    assert answer.error is not None
    assert re.search(word, answer.error), answer.error


async def test_nobody_listens(caller: Caller, receiver: Receiver) -> None:
    url = receiver.url()
    async with receiving() as other:
        url = other.url()
    answer = await caller.post(url, {}, b"{}")
    assert answer.status is None
    assert "nobody listens at 127.0.0.1:" in str(answer.error)


async def test_of_a_flood_2_kib_are_read(caller: Caller, receiver: Receiver) -> None:
    receiver.behave = behaviours.flooding
    answer = await caller.post(receiver.url(), {}, b"{}")
    assert (answer.error, answer.status) == (None, 200)
    assert answer.body == "x" * BODY_BYTES
    receiver.behave = answering()
    assert (await caller.post(receiver.url(), {}, b"{}")).error is None
    assert receiver.connections == 2, "the first is of no further use"


@pytest.mark.parametrize(
    "body", [b"\xff" * 2048, b"\0" * 2048, "ä".encode() * 1500, b"a" + "€".encode() * 1000]
)
async def test_a_body_is_kept_as_text_within_2_kib(
    caller: Caller, receiver: Receiver, body: bytes
) -> None:
    receiver.behave = answering(500, body)
    answer = await caller.post(receiver.url(), {}, b"{}")
    assert answer.body
    assert len(answer.body.encode()) <= BODY_BYTES
    assert "\0" not in answer.body


async def test_a_compressed_body_is_not_unpacked(caller: Caller, receiver: Receiver) -> None:
    receiver.behave = answering(200, gzip.compress(b"0" * 1_000_000), Content_Encoding="gzip")
    answer = await caller.post(receiver.url(), {}, b"{}")
    assert answer.error is None
    assert "0000" not in str(answer.body)
    assert receiver.received[0].headers["accept-encoding"] == "identity"


async def test_no_cookie_comes_back(caller: Caller, receiver: Receiver) -> None:
    receiver.behave = answering(200, Set_Cookie="a=b; Path=/")
    for _ in range(2):
        await caller.post(receiver.url(), {}, b"{}")
    assert "cookie" not in receiver.received[1].headers


async def test_an_idle_connection_that_was_closed_costs_no_attempt(
    caller: Caller, receiver: Receiver
) -> None:
    receiver.behave = in_turn(answering(), behaviours.slamming, answering())
    assert (await caller.post(receiver.url(), {}, b"1")).error is None
    assert (await caller.post(receiver.url(), {}, b"2")).error is None
    assert [request.body for request in receiver.received] == [b"1", b"2", b"2"]


@pytest.mark.parametrize("status", [429, 503])
async def test_what_a_receiver_asks_for(caller: Caller, receiver: Receiver, status: int) -> None:
    soon = formatdate(time.time() + 100, usegmt=True)
    for text, low, high in (("7", 7, 7), ("9" * 30, 1e8, 1e9), (soon, 90, 101)):
        receiver.behave = answering(status, Retry_After=text)
        asked = (await caller.post(receiver.url(), {}, b"{}")).retry_after
        assert asked is not None
        assert low <= asked <= high
    for text in ("", "-1", "soon", "1e3", formatdate(0, usegmt=True)):
        receiver.behave = answering(status, Retry_After=text)
        assert not (await caller.post(receiver.url(), {}, b"{}")).retry_after
    receiver.behave = answering(500, Retry_After="7")
    assert (await caller.post(receiver.url(), {}, b"{}")).retry_after is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody else has signed, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    made.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return made


async def test_certificates_are_checked(caller: Caller, certificate: Path) -> None:
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate)
    async with receiving(tls=served) as receiver:
        answer = await caller.post(receiver.url(), {}, b"{}")
        assert "certificate is not good" in str(answer.error)
        assert not receiver.received
        trusting = Caller(LOOPBACK, ssl.create_default_context(cafile=str(certificate)))
        assert (await trusting.post(receiver.url(), {}, b"{}")).error is None
        answer = await trusting.post(receiver.url("localhost"), {}, b"{}")
        assert answer.error is not None
        await trusting.close()
