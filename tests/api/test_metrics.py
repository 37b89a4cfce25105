"""`/metrics`: what is measured, who may read it, and that it names nobody."""

import asyncio
import re
import socket
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from tests.api.conftest import World, check_problem
from tests.support.hub_process import REPOSITORY, HubProcess
from tests.support.rest import call, new_key
from tests.support.ws import connect

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
TOKEN = "a token for metrics ".replace(" ", "-") + "0123456789"
FORWARDED = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"]


class Scrape:
    """One reading of `/metrics`."""

    def __init__(self, families: list[Metric]) -> None:
        self.names = {family.name for family in families}
        self.samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum over what has these labels."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"there is no {name} {labels}"
        return sum(found)


async def scrape(hub: HubProcess, **headers: str) -> Scrape:
    answer = await call(hub, "GET", "/metrics", headers=headers)
    assert answer.status == 200, answer.body
    return Scrape(list(plain_text(answer.body.decode())))


# ── what is measured ─────────────────────────────────────────────────────────────────────────


async def test_events_connections_and_closes(hub: HubProcess) -> None:
    before = await scrape(hub)
    async with connect(hub, hub.admin_key) as dashboard, connect(hub, hub.bot_key) as bot:
        await dashboard.next(type="live")
        await bot.next(type="connected")
        events = [{"type": "custom_a", "data": {}} for _ in range(20)]
        await bot.send({"type": "batch", "events": events, "ref": "1"})
        await bot.next(type="ack")
        await dashboard.take(20, type="custom_a")
        during = await scrape(hub)
        assert during.value("hub_connections", role="admin", door="websocket") == 1
        assert during.value("hub_connections", role="bot", door="websocket") == 1
        assert during.value("hub_connections") == 2
        assert during.value("hub_connections_open") == 2
        assert during.value("hub_connections_limit") == 20_000
        assert during.value("hub_connections_lagging") == 0
        await bot.send_raw(b"\0")
        assert await bot.closed() == 1003
    events_in = during.value("hub_events_in_total") - before.value("hub_events_in_total")
    assert events_in == 21, "twenty, and bot_connected"
    assert during.value("hub_events_out_total") >= 20
    assert during.value("hub_events_out_bytes_total") > 20 * 50
    assert during.value("hub_log_offset") == before.value("hub_log_offset") + 21
    assert during.value("hub_log_oldest_offset") == 1
    assert during.value("hub_ring_events") == during.value("hub_log_offset")
    assert during.value("hub_commit_events_sum") == during.value("hub_events_in_total")
    assert during.value("hub_commit_events_bucket", le="16.0") < during.value(
        "hub_commit_events_count"
    )
    assert 0 < during.value("hub_commit_seconds_sum") < 10
    after = await scrape(hub)
    assert after.value("hub_closes_total", code="1003") == 1
    assert after.value("hub_connections", role="bot", door="websocket") == 0
    assert after.value("process_resident_memory_bytes") > 10_000_000
    assert after.value("python_gc_collections_total") > 0


async def test_where_replays_come_from(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_RING_SIZE": "5"}) as hub:
        events = [{"type": "custom_a", "data": {}} for _ in range(20)]
        answer = await call(hub, "POST", "/api/events", events, key=hub.bot_key)
        assert answer.status == 201
        before = await scrape(hub)
        assert before.value("hub_ring_events") == 5
        for since, source in ((18, "ring"), (0, "database")):
            async with connect(hub, hub.admin_key, query=f"since={since}") as reader:
                await reader.next(type="live")
            after = await scrape(hub)
            assert after.value("hub_replays_total", source=source) > before.value(
                "hub_replays_total", source=source
            )


async def test_requests_are_told_apart_by_route_and_not_by_path(world: World) -> None:
    hub, key = world.hub, world.keys["admin"]
    before = await scrape(hub)
    for number in range(30):
        assert (await call(hub, "GET", f"/api/merchants/m{number}", key=key)).status == 404
        assert (await call(hub, "GET", f"/nothing/{number}")).status == 404
        assert (await call(hub, f"X{number}", "/readyz")).status in (400, 405)
    await call(hub, "DELETE", "/metrics")
    after = await scrape(hub)

    def counted(**labels: str) -> float:
        return after.value("hub_request_seconds_count", method="GET", **labels)

    assert counted(route="/api/merchants/{id}", status="404") == 30
    assert counted(route="other", status="404") >= 30
    routes = {s.labels["route"] for s in after.samples if "route" in s.labels}
    assert "m1" not in str(routes)
    methods = {s.labels["method"] for s in after.samples if "method" in s.labels}
    assert methods <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}
    series = len(after.samples) - len(before.samples)
    assert series < 6 * 15, "a series for every path would fill Prometheus"


async def test_refusals_are_counted_by_their_limit(tmp_path: Path) -> None:
    settings = {"HUB_RATE_LIMIT": "1/1h", "HUB_CALL_RATE": "1/h", "HUB_PUBLISH_RATE": "2/h"}
    async with HubProcess(tmp_path, settings) as hub:
        for status in (200, 429, 429):
            assert (await call(hub, "GET", "/api/keys", key=hub.admin_key)).status == status
        async with connect(hub, hub.bot_key) as bot:
            await bot.next(type="connected")
            for number in range(3):
                await bot.send({"type": "custom_a", "data": {}, "ref": f"event {number}"})
            assert (await bot.next(type="error"))["code"] == "rate_limited"
            for number in range(2):
                await bot.send({"type": "call", "method": "keys.list", "ref": f"call {number}"})
            assert (await bot.next(type="error"))["code"] in ("rate_limited", "forbidden")
            assert (await bot.next(type="error"))["code"] in ("rate_limited", "forbidden")
        own = {"Origin": hub.url}
        for number in range(11):
            answer = await call(hub, "POST", "/api/session", {"key": "wrong"}, headers=own)
            assert answer.status == (429 if number == 10 else 401)
        found = await scrape(hub)
        refused = {
            sample.labels["limit"]: sample.value
            for sample in found.samples
            if sample.name == "hub_rate_limited_total"
        }
        assert refused == {
            "rest": 2, "publish": 1, "call": 1, "failed_sign_ins": 1,
            "entrance": 0, "streams": 0, "wrong_keys": 0,
        }  # fmt: skip


async def test_no_label_names_anybody(world: World) -> None:
    hub = world.hub
    key, id_ = await new_key(hub, hub.admin_key, "viewer", world.one, "the watcher of the shop")
    async with connect(hub, key) as viewer:
        await viewer.next(type="live")
        await call(hub, "GET", f"/api/keys/{id_}", key=key)
        await call(hub, "GET", "/api/events", key=key, query={"types": "custom_secret"})
        answer = await call(hub, "GET", "/metrics")
    text = answer.body.decode()
    told = (key, id_, world.one, world.two, "watcher", "127.0.0.1", "custom_secret", "hub_a_")
    assert [name for name in told if name in text] == []


# ── how it is written ────────────────────────────────────────────────────────────────────────


async def test_prometheus_gets_the_form_that_it_asks_for(world: World) -> None:
    plain = await call(world.hub, "GET", "/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert plain.headers["cache-control"] == "no-store"
    families = list(plain_text(plain.body.decode()))
    open_ = await call(world.hub, "GET", "/metrics", headers={"Accept": OPEN_METRICS})
    assert open_.headers["content-type"].startswith(OPEN_METRICS)
    assert open_.body.endswith(b"# EOF\n")
    found = {family.name for family in open_metrics(open_.body.decode())}  # type: ignore[no-untyped-call]
    assert found == {family.name for family in families}
    for family in families:
        assert family.documentation, family.name
        assert family.name.startswith(("hub_", "process_", "python_gc_"))


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/plain; version=abc", "application/openmetrics-text; version=x.y", ";;=,,;="],
)
async def test_any_accept_is_answered(world: World, accept: str) -> None:
    answer = await call(world.hub, "GET", "/metrics", headers={"Accept": accept})
    assert answer.status == 200
    assert b"hub_events_in_total" in answer.body


# ── who may read it ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("field", FORWARDED)
async def test_without_a_token_nobody_behind_a_proxy_reads_it(world: World, field: str) -> None:
    answer = await call(world.hub, "GET", "/metrics", headers={field: "127.0.0.1"})
    problem = check_problem(answer, 403, "forbidden")
    assert "HUB_METRICS_TOKEN" in str(problem["detail"])
    with_key = {field: "127.0.0.1", "Authorization": f"Bearer {world.hub.admin_key}"}
    answer = await call(world.hub, "GET", "/metrics", headers=with_key)
    check_problem(answer, 403, "forbidden")


async def test_without_a_token_another_address_does_not_read_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it asks for the way there
        except OSError:
            pytest.skip("this machine has no address but loopback")
        own = probe.getsockname()[0]
    settings = {"HUB_HOST": "0.0.0.0", "HUB_TRUSTED_PROXIES": f"{own},127.0.0.1"}
    async with HubProcess(tmp_path, settings) as hub:
        assert (await call(hub, "GET", "/metrics")).status == 200
        for forwarded in ("", "X-Forwarded-For: 127.0.0.1\r\n"):
            async with asyncio.timeout(5.0):
                reader, writer = await asyncio.open_connection(own, hub.port)
                request = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{forwarded}\r\n"
                writer.write(request.encode())
                assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
                writer.transport.abort()


async def test_with_a_token_it_is_the_token_that_counts(tmp_path: Path) -> None:
    async with HubProcess(tmp_path, {"HUB_METRICS_TOKEN": TOKEN}) as hub:
        admin = hub.admin_key
        wrong: tuple[dict[str, str], ...] = (
            {},
            {"Authorization": "Bearer " + TOKEN[:-1]},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": f"Bearer {admin}"},
            {"Authorization": "Bearer \xff\xfe"},
            {"X-API-Key": TOKEN},
        )
        for headers in wrong:
            answer = await call(hub, "GET", "/metrics", headers=headers)
            check_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert TOKEN not in answer.body.decode()
        for further in ({}, {"X-Forwarded-For": "203.0.113.9"}, {"Via": "1.1 proxy"}):
            answer = await call(hub, "GET", "/metrics", key=TOKEN, headers=further)
            assert answer.status == 200
        # It opens nothing else.
        assert (await call(hub, "GET", "/api/keys", key=TOKEN)).status == 401
        assert (await call(hub, "GET", "/health", key=TOKEN)).status == 401


# ── its documentation ────────────────────────────────────────────────────────────────────────


async def test_every_metric_is_documented_and_every_documented_one_exists(world: World) -> None:
    answer = await call(world.hub, "GET", "/metrics")
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", answer.body.decode(), re.MULTILINE))
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `((?:hub|process|python)_\w+)` \| (\w+) ", page, re.M))
    assert documented.pop("hub_broker_up") == "gauge", "this hub has no broker"
    assert documented == kinds
