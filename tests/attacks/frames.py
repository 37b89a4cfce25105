"""Attacks below the protocol: what RFC 6455 lets a client put into frames, and what it does not."""

import json
import os
import zlib
from itertools import chain, repeat

from tests.attacks.lines import Attack, Feed, Plan, Seen, Target, upgrade, whole
from tests.gateway.raw import CONTINUATION, MASK, PING, PONG, TEXT, frame

MEGABYTE = 1 << 20


def _many(target: Target, count: int, feed: Feed) -> Seen:
    return Attack(target, [Plan(upgrade(target, "viewer"), feed)] * count).run()


def _forever(piece: bytes) -> Feed:
    return lambda: repeat(piece)


# ── compression ──────────────────────────────────────────────────────────────────────────────


def compressed(target: Target) -> Seen:
    """Ten connections offer permessage-deflate and go on as if it had been accepted.

    Half of them send 950 KiB that would become 900 MB, half small messages of 40 KB each.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    part = packer.compress(b"[" * (16 * MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = frame(TEXT, part * (950 * 1024 // len(part)), rsv=4)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    crumb = packer.compress(b" " * 40_000) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
    crumbs = frame(TEXT, crumb, rsv=4) * 500
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    opening = upgrade(target, "viewer", extra=offer)
    return Attack(target, [Plan(opening, _forever(piece)) for piece in (bomb, crumbs)] * 5).run()


# ── fragments ────────────────────────────────────────────────────────────────────────────────


def endless_fragments(target: Target) -> Seen:
    """Four connections send messages that never end: of empty fragments, and of one byte each."""

    def plan(content: bytes) -> Plan:
        first = frame(TEXT, content, fin=False)
        more = frame(CONTINUATION, content, fin=False) * 5000
        return Plan(upgrade(target, "viewer"), lambda: chain((first,), repeat(more)))

    return Attack(target, [plan(b""), plan(b" ")] * 2).run()


def fragments_and_pings(target: Target) -> Seen:
    """Messages of a thousand fragments with a ping between any two, which is allowed."""
    part = frame(CONTINUATION, b" ", fin=False) + frame(PING, b"x")
    message = frame(TEXT, b" ", fin=False) + part * 1000 + frame(CONTINUATION, b"{}")
    return _many(target, 4, _forever(message))


# ── size ─────────────────────────────────────────────────────────────────────────────────────


def giant_frames(target: Target) -> Seen:
    """Ten connections send frames of 10 MB, with and without a beginning that is taken."""
    size = 10 * MEGABYTE
    giant = bytes((0x81, 0xFF)) + size.to_bytes(8) + MASK + os.urandom(size)
    parted = frame(TEXT, b"x" * (MEGABYTE - 1), fin=False)
    parted += bytes((0x80, 0xFF)) + size.to_bytes(8) + MASK + bytes(size)
    plans = [Plan(upgrade(target, "viewer"), _forever(piece)) for piece in (giant, parted)]
    return Attack(target, plans * 5).run()


def half_messages(target: Target) -> Seen:
    """Sixty connections send all of a 1 MiB message but its end, and stay.

    What they may occupy is bounded by the size of a message, once for each of them.
    """
    half = frame(TEXT, b'"' + b"x" * (MEGABYTE - 1))[:-1]
    return _many(target, 60, lambda: (half,))


# ── control frames ───────────────────────────────────────────────────────────────────────────


def tiny_ping_flood(target: Target) -> Seen:
    """One connection sends empty pings."""
    return _many(target, 1, _forever(whole(PING, b"")))


def tiny_ping_floods(target: Target) -> Seen:
    """Four connections send empty pings."""
    return _many(target, 4, _forever(whole(PING, b"")))


def big_ping_floods(target: Target) -> Seen:
    """Four connections send pings of 125 bytes."""
    return _many(target, 4, _forever(whole(PING, b"p" * 125)))


def deaf_ping_floods(target: Target) -> Seen:
    """Four connections send pings and read no pong."""
    plan = Plan(upgrade(target, "viewer"), _forever(whole(PING, b"p" * 125)), reads=False)
    return Attack(target, [plan] * 4).run()


def pong_floods(target: Target) -> Seen:
    """Four connections send pongs that nobody asked for."""
    return _many(target, 4, _forever(whole(PONG, b"p" * 20)))


def json_ping_floods(target: Target) -> Seen:
    """Four connections send the protocol's own pings."""
    ping = json.dumps({"type": "ping", "ref": "r" * 20}).encode()
    return _many(target, 4, _forever(whole(TEXT, ping)))
