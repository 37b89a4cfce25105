"""Attacks in the protocol's own words: messages as fast as they go, good ones and bad ones."""

import json
import re
from collections.abc import Iterable
from itertools import cycle, repeat

from tests.attacks.lines import Attack, Plan, Seen, Target, upgrade, whole
from tests.gateway.raw import TEXT, frame

_OFFSET = re.compile(rb'"offset":(\d+)')


def _encoded(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _publish(target: Target, events: Iterable[bytes], connections: int) -> Seen:
    """Publish at full speed; then every event must be acknowledged, in order."""
    pieces = [frame(TEXT, event) for event in events]
    sent = [0] * connections
    acknowledged = [0] * connections
    last = [0] * connections

    def on_text(number: int, payload: bytes) -> None:
        if not payload.startswith(b'{"type":"ack"'):
            return
        acknowledged[number] += 1
        found = _OFFSET.search(payload)
        offset = int(found[1]) if found else 0
        if offset <= last[number]:
            attack.seen.faults.append(f"acknowledged {offset} after {last[number]}")
        last[number] = offset

    def feed(number: int) -> Iterable[bytes]:
        for piece in cycle(pieces):
            sent[number] += 1
            yield piece

    def plan(number: int) -> Plan:
        return Plan(upgrade(target, "bot"), lambda: feed(number), again=False)

    attack = Attack(
        target,
        [plan(number) for number in range(connections)],
        on_text=on_text,
        done=lambda: acknowledged == sent,
        drain=5.0,
    )
    seen = attack.run()
    if acknowledged != sent:
        seen.faults.append(f"sent {sent}, acknowledged {acknowledged}")
    return seen


def event_floods(target: Target) -> Seen:
    """Four bots publish small events as fast as the hub takes them."""
    event = _encoded({"type": "custom_flood", "data": {"n": 1, "text": "x" * 100}})
    return _publish(target, [event], 4)


def big_event_floods(target: Target) -> Seen:
    """Ten bots publish events with nearly 64 KiB of data each."""
    event = _encoded({"type": "custom_flood", "data": {"text": "x" * 64_000}})
    return _publish(target, [event], 10)


def costly_event_floods(target: Target) -> Seen:
    """Four bots publish what costs most to check and to encode: thousands of small lists."""
    event = _encoded({"type": "custom_flood", "data": {"a": [[1.5]] * 9000}})
    return _publish(target, [event], 4)


def _flood(target: Target, role: str, *pieces: bytes, connections: int = 4) -> Seen:
    plan = Plan(upgrade(target, role), lambda: cycle(pieces))
    return Attack(target, [plan] * connections).run()


def broken_json_floods(target: Target) -> Seen:
    """Four connections send what is no JSON, and come back when they are closed."""
    return _flood(target, "bot", whole(TEXT, b'{"type":"custom_a","data":', 4096))


def invalid_event_floods(target: Target) -> Seen:
    """Four connections send events that are refused, each with an answer."""
    bad = [{"type": "custom_a", "data": 1}, {"type": "no_such", "data": {}}, {"type": "custom_a"}]
    return _flood(target, "bot", b"".join(frame(TEXT, _encoded(event)) for event in bad) * 100)


def subscribe_floods(target: Target) -> Seen:
    """Four connections subscribe again and again: from the beginning, to the last thousand, to
    nothing; each with as many patterns as are allowed."""
    patterns = [f"custom_{n:03}*" for n in range(31)] + ["order_*"]
    pieces = [
        _encoded({"type": "subscribe", "since": 0, "types": patterns}),
        _encoded({"type": "subscribe", "last": 1000}),
        _encoded({"type": "unsubscribe"}),
        _encoded({"type": "subscribe", "since": 0}),
        _encoded({"type": "subscribe", "last": 1000, "subjects": ["nowhere/*"]}),
    ]
    return _flood(target, "viewer", *(frame(TEXT, piece) for piece in pieces))


def nested_json_floods(target: Target) -> Seen:
    """Four connections send brackets: 30,000 deep, and a megabyte of empty lists."""
    deep = b'{"type":"custom_a","data":{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}}"
    wide = b'{"type":"custom_a","data":{"a":[' + b"[]," * 340_000 + b"[]]}}"
    return _flood(target, "bot", frame(TEXT, deep), frame(TEXT, wide))


def number_floods(target: Target) -> Seen:
    """Four connections send integers of 100,000 digits, 1e999, and a megabyte of small ones."""
    pieces = (b"9" * 100_000, b"1e999", b"[" + b"9" * 308 + b",9" * 500_000 + b"]")
    events = [b'{"type":"custom_a","data":{"a":' + piece + b"}}" for piece in pieces]
    return _flood(target, "bot", *(frame(TEXT, event) for event in events))


def garbage_batches(target: Target) -> Seen:
    """Four connections send batches of 500 things that are no events."""
    events: list[object] = [1, None, [], {}, {"type": 5}, {"type": "custom_a", "data": []}]
    batch = _encoded({"type": "batch", "ref": "r", "events": (events * 84)[:500]})
    return _flood(target, "bot", frame(TEXT, batch))


def duplicate_floods(target: Target) -> Seen:
    """Four bots publish one known id for ever, half of the time with other data."""
    same = _encoded({"type": "custom_a", "id": "always", "data": {"a": list(range(1000))}})
    other = _encoded({"type": "custom_a", "id": "always", "data": {"a": list(range(999))}})
    return _flood(target, "bot", frame(TEXT, same) + frame(TEXT, other))


def credential_floods(target: Target) -> Seen:
    """Four connections send `auth` with keys that are good, for ever."""
    auth = _encoded({"type": "auth", "token": target.keys["viewer"]})
    plan = Plan(upgrade(target, "viewer"), lambda: repeat(whole(TEXT, auth, 4096)))
    return Attack(target, [plan] * 4).run()
