"""Attacks on the HTTP door, and on the sockets before any request."""

import random
import string
from collections.abc import Iterator
from itertools import cycle, repeat

from tests.attacks.lines import HOST, Attack, Plan, Seen, Target, upgrade
from tests.gateway.raw import TEXT, frame

_LETTERS = string.ascii_letters + string.digits


def get(target: Target, path: str, *lines: str, method: str = "GET") -> bytes:
    """One whole request without a body."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {HOST}:{target.port}", *lines, "", ""]
    return "\r\n".join(head).encode()


def big_heads(target: Target) -> Seen:
    """Headers of 200 KB, headers that never end, many small ones, and a URL that never ends."""
    whole = get(target, "/healthz", *(f"X-{n}: {'x' * 4000}" for n in range(50)))
    many = get(target, "/healthz", *(f"X-{n}: x" for n in range(1200)))
    endless = f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\nX: ".encode()
    plans = [Plan(head, websocket=False) for head in (whole, many)]
    plans += [
        Plan(head, lambda: repeat(b"x" * 65536), websocket=False) for head in (endless, b"GET /")
    ]
    return Attack(target, plans * 3).run()


def waiting(target: Target) -> Seen:
    """1,900 connections that keep the hub waiting, and do not come back.

    500 send half a request, 200 an octet of one every half second, 500 nothing at all, and 500
    upgrade to WebSocket and say nothing then; 200 send half a body.
    """
    half = get(target, "/healthz")[:-2]
    head = get(target, "/healthz", *(f"X-{n}: x" for n in range(40)))
    key = f"Authorization: Bearer {target.keys['merchant']}"
    body = get(target, "/api/events", key, "Content-Length: 1000", method="POST") + b" " * 500

    def drip() -> Iterator[bytes | float]:
        for octet in head[1:]:
            yield bytes((octet,))
            yield 0.5

    plans = [Plan(half, websocket=False, again=False)] * 500
    plans += [Plan(head[:1], drip, websocket=False, again=False)] * 200
    plans += [Plan(b"", websocket=False, again=False)] * 500
    plans += [Plan(upgrade(target), again=False)] * 500
    plans += [Plan(body, websocket=False, again=False)] * 200
    return Attack(target, plans).run()


def big_bodies(target: Target) -> Seen:
    """100 connections send bodies of 1 MiB but their last octet, half of them with a wrong key.

    Ten more announce 100 MB, or send chunks that never end.
    """
    plans = []
    for key in (target.keys["merchant"], _wrong_key()):
        line = f"Authorization: Bearer {key}"
        head = get(target, "/api/events", line, "Content-Length: 1048576", method="POST")
        plans += [Plan(head + b" " * 1_048_575, websocket=False)] * 50
    line = f"Authorization: Bearer {target.keys['merchant']}"
    giant = get(target, "/api/events", line, "Content-Length: 100000000", method="POST")
    chunked = get(target, "/api/events", line, "Transfer-Encoding: chunked", method="POST")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    plans += [Plan(giant, lambda: repeat(b" " * 0x10000), websocket=False)] * 5
    plans += [Plan(chunked, lambda: repeat(chunk), websocket=False)] * 5
    return Attack(target, plans).run()


def coming_and_going(target: Target) -> Seen:
    """Fifty clients connect, upgrade with a good key, break the protocol and come back."""
    plan = Plan(upgrade(target, "viewer"), lambda: (frame(TEXT, b"", masked=False),))
    return Attack(target, [plan] * 50).run()


def pipelined(target: Target) -> Seen:
    """Two connections send 10,000 requests in one piece, and come back for more."""
    key = f"Authorization: Bearer {target.keys['viewer']}"
    plans = [
        Plan(get(target, "/healthz") * 10_000, websocket=False),
        Plan(get(target, "/api/events", key) * 10_000, websocket=False),
    ]
    return Attack(target, plans).run()


def deaf_pipeline(target: Target) -> Seen:
    """Two connections ask for the dashboard's page as often as the hub lets them, reading none."""
    plan = Plan(b"", lambda: repeat(get(target, "/") * 100), websocket=False, reads=False)
    return Attack(target, [plan] * 2).run()


def big_pages(target: Target) -> Seen:
    """Twenty connections ask for the biggest pages that there are, each with its answer read."""
    key = f"Authorization: Bearer {target.keys['viewer']}"
    request = get(target, "/api/events?limit=1000&since=0", key)
    plan = Plan(request, lambda: cycle((0.1, request)), websocket=False)
    return Attack(target, [plan] * 20).run()


def _wrong_key() -> str:
    return "hub_m_" + "".join(random.choices(_LETTERS, k=43))


def wrong_keys(target: Target) -> Seen:
    """Four connections try keys at the HTTP door, far more than a thousand a second."""

    def guesses() -> Iterator[bytes]:
        while True:
            yield get(target, "/api/events", f"X-API-Key: {_wrong_key()}") * 4

    return Attack(target, [Plan(b"", guesses, websocket=False)] * 4).run()


def wrong_keys_at_the_socket(target: Target) -> Seen:
    """Fifty clients at a time try keys at `/ws`: in a header, in the query, in a first frame."""

    def auth() -> Iterator[bytes]:
        yield frame(TEXT, b'{"type":"auth","token":"%b"}' % _wrong_key().encode())

    plans = [
        Plan(lambda: upgrade(target, extra=f"X-API-Key: {_wrong_key()}\r\n")),
        Plan(lambda: upgrade(target, query=f"token={_wrong_key()}")),
        Plan(upgrade(target), auth),
    ]
    return Attack(target, plans * 17).run()
