"""Attacks by taking nothing: readers that ask for everything and stop."""

import json
from itertools import repeat

from tests.attacks.lines import Attack, Plan, Seen, Target, upgrade
from tests.attacks.requests import get
from tests.gateway.raw import TEXT, frame


def _publisher(target: Target, size: int) -> Plan:
    event = {"type": "custom_flood", "data": {"text": "x" * size}}
    piece = frame(TEXT, json.dumps(event).encode())
    return Plan(upgrade(target, "bot"), lambda: repeat(piece))


def _stopped(target: Target, count: int, size: int) -> Seen:
    reader = Plan(upgrade(target, "viewer", "since=0"), reads=False, again=False)
    return Attack(target, [_publisher(target, size), *[reader] * count]).run()


def one_stopped_reader(target: Target) -> Seen:
    """One follower stops reading while a bot publishes at full speed."""
    return _stopped(target, 1, 2000)


def stopped_readers(target: Target) -> Seen:
    """Twenty followers stop reading while a bot publishes at full speed."""
    return _stopped(target, 20, 2000)


def _stopped_streams(target: Target, path: str) -> Seen:
    key = f"Authorization: Bearer {target.keys['viewer']}"
    request = get(target, path, key, "Accept: text/event-stream")
    reader = Plan(request, websocket=False, reads=False, again=False)
    return Attack(target, [_publisher(target, 2000), *[reader] * 200]).run()


def stopped_streams(target: Target) -> Seen:
    """200 readers of server-sent events stop reading while a bot publishes at full speed."""
    return _stopped_streams(target, "/api/events")


def stopped_replays(target: Target) -> Seen:
    """The same, and each of them asks for the whole log first."""
    return _stopped_streams(target, "/api/events?since=0")


def stopped_pages(target: Target) -> Seen:
    """Fifty clients ask for big pages and read nothing."""
    key = f"Authorization: Bearer {target.keys['viewer']}"
    request = get(target, "/api/events?limit=1000&since=0", key)
    reader = Plan(request, websocket=False, reads=False, again=False)
    return Attack(target, [_publisher(target, 2000), *[reader] * 50]).run()
