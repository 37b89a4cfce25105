"""The socket over TCP: bytes in any pieces, backpressure, and how connections end."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hub.protocol.limits import CONTROL_BURST
from storage.database import Database
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.gateway.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawClient,
    close_payload,
    event,
    frame,
    raw,
    text,
)
from tests.gateway.wire import Wire, opened
from tests.support.databases import FaultyDatabase, until
from tests.support.rest import call, paged

# ── bytes in any pieces ──────────────────────────────────────────────────────────────────────────


def three_events(prefix: str) -> bytes:
    """Headers of 6 and of 8 bytes, and a frame of another kind between them."""
    return (
        event(f"{prefix}-1")
        + event(f"{prefix}-2", data={"text": "x" * 100})
        + frame(PING, b"p")
        + event(f"{prefix}-3", ref="r")
    )


async def test_events_split_at_every_byte_are_the_same(local: LocalHub) -> None:
    key = local.keys["merchant"]  # a bot's coming and going would be in the log too
    cuts = range(len(three_events("000")) + 1)
    # One connection may not send as many pings at once.
    for some in batched(cuts, CONTROL_BURST - 10):
        async with raw(local, key) as client:
            for cut in some:
                prefix = f"{cut:03}"
                data = three_events(prefix)
                await client.pieces(data[:cut], data[cut:])
                acks = await client.acks(3)
                assert [ack["id"] for ack in acks] == [f"{prefix}-{n}" for n in (1, 2, 3)]
    found = await paged(local, key, types="custom_a")
    assert len(found) == 3 * len(cuts)
    offsets = [one["offset"] for one in found]
    assert offsets == list(range(offsets[0], offsets[0] + len(found)))


def batched(numbers: range, size: int) -> Iterator[range]:
    return (numbers[at : at + size] for at in range(0, len(numbers), size))


async def test_a_stream_in_random_pieces_is_the_same(local: LocalHub) -> None:
    random_ = random.Random(7)
    data, expected = b"", []
    for number in range(600):
        id_ = f"id-{number}"
        # Control frames, which "f" and "p" have, are rare enough to be within their rate.
        kind = random_.choice("sssssssssmmmmmmllllllffp")
        # Six bytes each: the longest is a message of 120 KB with data of 40 KB.
        size = {"s": 2, "m": 50, "l": 20_000 if number % 40 == 0 else 9, "f": 8, "p": 1}[kind]
        content = {"type": "custom_a", "id": id_, "data": {"t": "é" * size}}
        payload = json.dumps(content).encode()
        if kind == "f":
            at = random_.randrange(len(payload))
            data += frame(TEXT, payload[:at], fin=False) + frame(PONG)
            data += frame(CONTINUATION, payload[at:])
        else:
            data += frame(TEXT, payload) + (frame(PING, b"p") if kind == "p" else b"")
        expected.append(id_)
    async with raw(local, local.keys["bot"]) as bot:
        reading = asyncio.create_task(bot.acks(len(expected)))
        at = 0
        while at < len(data):
            size = random_.choice((1, 2, 5, 7, 13, 100, 1000, 50_000))
            bot.write(data[at : at + size])
            at += size
            await asyncio.sleep(0)
        assert [ack["id"] for ack in await reading] == expected
    found = await paged(local, local.keys["bot"], types="custom_a")
    assert [one["id"] for one in found] == expected


async def test_many_events_in_one_write_are_acknowledged_in_order(local: LocalHub) -> None:
    async with raw(local, local.keys["bot"]) as bot:
        bot.write(b"".join(event(f"id-{n}", ref=f"r{n}") for n in range(3000)))
        acks = await bot.acks(3000)
    assert [ack["id"] for ack in acks] == [f"id-{n}" for n in range(3000)]
    assert [ack["ref"] for ack in acks] == [f"r{n}" for n in range(3000)]
    first = acks[0]["offset"]
    assert [ack["offset"] for ack in acks] == list(range(first, first + 3000))


async def test_every_publish_has_one_answer(local: LocalHub) -> None:
    """Good, bad, batches and pings mixed; acks in order, and none is missing."""
    random_ = random.Random(3)
    frames, acks, errors, pongs = [], [], [], []
    for number in range(400):
        ref = f"r{number}"
        match random_.choice(("event", "event", "event", "bad", "batch", "atomic", "ping")):
            case "event":
                frames.append(event(None, ref=ref))
                acks.append(ref)
            case "bad":
                frames.append(text({"type": "order_created", "ref": ref, "data": {}}))
                errors.append(ref)
            case "batch":
                events: list[dict[str, Any]] = [
                    {"type": random_.choice(("custom_a", "nonsense_a")), "data": {}}
                ] * 3
                frames.append(text({"type": "batch", "ref": ref, "events": events}))
                acks.append(ref)
            case "atomic":
                events = [{"type": "custom_a", "data": {}}, {"type": "nonsense_a", "data": {}}]
                batch = {"type": "batch", "ref": ref, "events": events, "atomic": True}
                frames.append(text(batch))
                errors.append(ref)
            case "ping":
                frames.append(text({"type": "ping", "ref": ref}))
                pongs.append(ref)
    async with raw(local, local.keys["bot"]) as bot:
        bot.write(b"".join(frames))
        found: dict[str, list[str]] = {"ack": [], "error": [], "pong": []}
        while sum(map(len, found.values())) < 400:
            answer = await bot.json()
            found[answer["type"]].append(answer["ref"])
    assert found == {"ack": acks, "error": errors, "pong": pongs}


# ── holding back ─────────────────────────────────────────────────────────────────────────────────


async def test_a_fast_publisher_feels_backpressure_and_loses_nothing(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        async with raw(hub, hub.keys["bot"]) as bot:
            faulty.writing.clear()
            count = 9000
            data = {"text": "x" * 2000}
            for number in range(count):
                bot.write(event(f"id-{number}", data=data))
            transport = bot.writer.transport
            left = await steady(transport)
            # The hub took 1,024 events and what one read brought with them; the kernel holds some.
            assert left > count * 2000 / 4, "the hub reads on although nothing is committed"
            faulty.writing.set()
            acks = await bot.acks(count)
            assert [ack["id"] for ack in acks] == [f"id-{n}" for n in range(count)]
        found = await paged(hub, hub.keys["bot"], types="custom_a", limit=1000)
        assert [one["id"] for one in found] == [f"id-{n}" for n in range(count)]


async def steady(transport: asyncio.WriteTransport) -> int:
    """The bytes that wait on this side once nothing moves any more."""
    left, same = -1, 0
    async with asyncio.timeout(5):
        while same < 5:
            await asyncio.sleep(0.02)
            now = transport.get_write_buffer_size()
            left, same = now, same + 1 if now == left else 0
    return left


async def test_batches_are_held_back_too(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with (
        running(await prepared(database), database=faulty) as hub,
        raw(hub, hub.keys["bot"]) as bot,
    ):
        faulty.writing.clear()
        events = [{"type": "custom_a", "data": {"t": "x" * 100}}] * 500
        for number in range(150):
            bot.write(text({"type": "batch", "ref": f"{number}", "events": events}))
        assert await steady(bot.writer.transport) > 0
        faulty.writing.set()
        acks = await bot.acks(150)
        assert [ack["ref"] for ack in acks] == [str(n) for n in range(150)]
        assert all(len(ack["events"]) == 500 for ack in acks)


async def test_what_follows_a_slow_frame_waits_for_it(database: Database) -> None:
    """`subscribe` with `last` asks the database; nothing behind it may overtake it."""
    faulty = FaultyDatabase(database)
    async with running(await prepared(database), database=faulty) as hub:
        async with raw(hub, hub.keys["bot"]) as bot:
            bot.write(b"".join(event() for _ in range(1200)))
            await bot.acks(1200)
            faulty.reading.clear()
            bot.write(text({"type": "subscribe", "last": 1000, "types": ["custom_z"], "ref": "s"}))
            bot.write(text({"type": "ping", "ref": "p"}) + frame(PING, b"x") + event("e"))
            await until(lambda: faulty.reads > 0)
            await bot.arrived()
            faulty.reading.set()
            kinds: list[str] = []
            while len(kinds) < 5:
                got = await bot.next()
                kinds.append(json.loads(got.payload)["type"] if got.opcode == TEXT else "PONG")
        assert kinds == ["subscribed", "live", "pong", "PONG", "ack"]


async def logged(hub: LocalHub) -> list[str]:
    """The ids of the events in the log, once everything that was taken is there."""
    marker = {"type": "custom_marker", "data": {}}
    assert (await call(hub, "POST", "/api/events", marker, key=hub.keys["bot"])).status == 201
    return [one["id"] for one in await paged(hub, hub.keys["bot"], types="custom_a")]


async def acknowledged(wire: Wire, *ids: bytes) -> None:
    """Wait for these acknowledgements, and check their order."""
    await until(lambda: wire.sent.count(b'"type":"ack"') == len(ids))
    at = [wire.sent.index(b'"ack","id":"' + id_) for id_ in ids]
    assert at == sorted(at)


async def test_bytes_that_come_while_it_is_held_are_kept_in_order(local: LocalHub) -> None:
    for cut in (0, 1, 3, 10, 60, 90):
        protocol, wire = opened(local)
        data = event(f"{cut}-a") + frame(PING, b"p") + event(f"{cut}-b") + event(f"{cut}-c")
        for piece in (data[:cut], data[cut : cut + 30], data[cut + 30 :]):
            protocol.data_received(piece)
        assert b"connected" not in wire.sent
        await acknowledged(wire, *(b"%d-%b" % (cut, letter) for letter in (b"a", b"b", b"c")))
        protocol.connection_lost(None)


async def test_one_hold_after_another_keeps_the_order(local: LocalHub) -> None:
    """Two slow frames among what the careful reader has parsed, and bytes behind them."""
    protocol, wire = opened(local)
    await until(lambda: b'"live"' in wire.sent)
    slow = text({"type": "subscribe", "types": ["custom_z"], "last": 5})
    protocol.data_received(frame(PONG) + event("a") + slow + event("b") + slow + event("c"))
    protocol.data_received(event("d"))
    await acknowledged(wire, b"a", b"b", b"c", b"d")
    protocol.connection_lost(None)


# ── how connections end ──────────────────────────────────────────────────────────────────────────

# 120 KB with data of 40 KB: an escape has six bytes for two.
BIG = json.dumps({"type": "custom_a", "id": "big", "data": {"t": "é" * 20_000}}).encode()
ENDS = {
    "binary": (frame(BINARY, b"{}"), 1003),
    "no utf-8": (frame(TEXT, b'{"type":"\xff"}'), 1007),
    "no utf-8 in parts": (frame(TEXT, b"\xff", fin=False) + frame(CONTINUATION), 1007),
    "no utf-8 in a long one": (frame(TEXT, b"\xff" * 66_000), 1007),
    "not masked": (frame(TEXT, b"{}", masked=False), 1002),
    "not masked, long": (frame(TEXT, b"{}" * 100, masked=False), 1002),
    "reserved bits": (frame(TEXT, b"{}", rsv=4), 1002),
    "continuation of nothing": (frame(CONTINUATION, b"{}"), 1002),
    "too big": (frame(TEXT, b"x" * (1024 * 1024 + 1)), 1009),
    "too big by its header": (b"\x81\xff" + (2**60).to_bytes(8, "big") + b"abcd", 1009),
    "64 bad frames": (frame(TEXT, b"nonsense") * 64, 4000),
}


@pytest.mark.parametrize(("data", "code"), ENDS.values(), ids=ENDS)
async def test_a_client_that_breaks_the_rules_is_told_why(
    data: bytes, code: int, local: LocalHub
) -> None:
    async with raw(local, local.keys["bot"]) as bot:
        bot.write(event("before") + data + event("after"))
        got = await bot.until_close()
        assert got.code == code
        bot.write(frame(CLOSE, got.payload))
        assert await bot.ended() == b""
        await until(lambda: len(local.services.gateway) == 0)
    assert await logged(local) == ["before"], "what came before counts, nothing after it"


async def test_a_mebibyte_is_taken(local: LocalHub) -> None:
    padding = " " * (1024 * 1024 - len('{"type":"ping"}'))
    async with raw(local, local.keys["bot"]) as bot:
        bot.write(frame(TEXT, f'{{"type":"ping"{padding}}}'.encode()))
        assert (await bot.json())["type"] == "pong"


@pytest.mark.parametrize(
    "before",
    [
        event("one"),
        frame(TEXT, BIG),
        frame(PONG) + event("one"),
        frame(TEXT, BIG[:100], fin=False) + frame(CONTINUATION, BIG[100:]),
    ],
    ids=["short", "long", "behind a pong", "fragmented"],
)
async def test_what_was_sent_before_a_close_counts(before: bytes, local: LocalHub) -> None:
    """A script that publishes one event and closes sends both in one packet."""
    async with raw(local, local.keys["bot"]) as bot:
        bot.write(before + frame(CLOSE, close_payload(1000)))
        assert (await bot.until_close()).code == 1000
        await bot.ended()
    assert len(await logged(local)) == 1


async def test_a_ping_is_answered_by_its_pong(local: LocalHub) -> None:
    async with raw(local, local.keys["bot"]) as bot:
        for payload in (b"", b"hello", b"x" * 125):
            bot.write(frame(PING, payload))
            assert await bot.next() == Frame(PONG, payload)


async def test_a_client_that_vanishes_is_forgotten(local: LocalHub) -> None:
    async with raw(local, local.keys["admin"]) as one, raw(local, local.keys["bot"]):
        await until(lambda: len(local.services.gateway) == 2)
        one.writer.transport.abort()
        await until(lambda: len(local.services.gateway) == 1)
        for number in range(20):
            answer = await call(
                local, "POST", "/api/events", {"type": "custom_a", "data": {"n": number}},
                key=local.keys["bot"],
            )  # fmt: skip
            assert answer.status == 201


@pytest.mark.parametrize("half", [b"\x81", event()[:1], event()[:7], frame(TEXT, BIG)[:5000]])
async def test_a_client_that_vanishes_inside_a_frame_is_forgotten(
    half: bytes, local: LocalHub
) -> None:
    async with raw(local, local.keys["bot"]) as bot:
        await bot.pieces(event("whole"), half)
        bot.writer.transport.abort()
        await until(lambda: len(local.services.gateway) == 0)
    assert await logged(local) == ["whole"]


async def test_a_close_that_nobody_answers_is_cut(
    local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.gateway.socket.CLOSE_SECONDS", 0.05)
    async with raw(local, local.keys["bot"]) as bot:
        bot.write(frame(BINARY))
        assert (await bot.until_close()).code == 1003
        await bot.ended()
        await until(lambda: len(local.services.gateway) == 0)


async def test_nothing_more_is_sent_after_our_close(local: LocalHub) -> None:
    async with raw(local, local.keys["admin"]) as admin, raw(local, local.keys["bot"]) as bot:
        await admin.json("live")
        admin.write(frame(BINARY))
        assert (await admin.until_close()).code == 1003
        bot.write(event())
        await bot.acks(1)
        admin.write(frame(CLOSE, close_payload(1003)))
        assert await admin.ended() == b""


# ── one client may not hold up the others ────────────────────────────────────────────────────────

PATIENCE = 0.6
"""Seconds; a hub that takes a flood in one turn of the loop keeps others for 1.3 to 5."""
FLOODS = {
    "pings": frame(PING) * 250_000,
    "empty fragments": frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 250_000,
    "bad frames": frame(TEXT, b"{}") * 250_000,
    "pings in JSON": text({"type": "ping"}) * 80_000,
}


@pytest.mark.parametrize("anonymous", [False, True], ids=["known", "anonymous"])
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_a_flood_does_not_keep_others_waiting(
    flood: bytes, anonymous: bool, local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two megabytes of tiny frames; in between the hub has to turn to everyone else."""
    monkeypatch.setattr("hub.gateway.socket.CLOSE_SECONDS", 0.01)

    async def drained(client: RawClient) -> None:
        """Read until the end without looking at it, as cheaply as can be."""
        with contextlib.suppress(ConnectionError):
            while await client.reader.read(2**20):
                pass

    key = None if anonymous else local.keys["bot"]
    async with raw(local, local.keys["viewer"]) as other, raw(local, key) as client:
        await other.json("live")
        flooding = asyncio.create_task(drained(client))
        client.write(flood + frame(BINARY))  # refused: then it is over
        longest = 0.0
        async with asyncio.timeout(9):
            while not flooding.done():
                before = time.perf_counter()
                other.write(text({"type": "ping"}))
                await other.json("pong")
                longest = max(longest, time.perf_counter() - before)
    assert longest < PATIENCE, f"another client waited {longest:.2f} s for its pong"
