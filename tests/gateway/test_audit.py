"""Who changed what, by both doors, and as a file."""

import asyncio
import csv
import io
import json
from typing import Any

import pytest

from hub.protocol.ids import uuid7
from storage import keys
from storage.database import Database, Transaction
from storage.records import ApiKey
from storage.scope import Scope
from tests.gateway.calling import called, refusal, result
from tests.gateway.local_hub import NOW, LocalHub, prepared, running
from tests.support.databases import FaultyDatabase
from tests.support.download import Download
from tests.support.rest import Answer, call, exchange
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

Row = dict[str, Any]
CSV, NDJSON = "text/csv", "application/x-ndjson"


async def asked(
    local: LocalHub, key: str = "admin", accept: str = "*/*", /, **query: object
) -> Answer:
    return await call(
        local, "GET", "/api/audit", key=local.keys[key], query=query, headers={"Accept": accept}
    )


async def listed(local: LocalHub, key: str = "admin", /, **query: object) -> list[Row]:
    """All matching rows, page by page."""
    rows: list[Row] = []
    while True:
        answer = await asked(local, key, **query)
        assert answer.status == 200, answer.body
        page = answer.json()
        assert page.keys() == {"success", "audit", "count", "next", "epoch", "offset"}
        assert page["count"] == len(page["audit"])
        rows += page["audit"]
        if page["next"] is None:
            return rows
        query["after"] = page["next"]


async def made(local: LocalHub, name: str = "till", key: str = "merchant") -> str:
    """A bot's key made over REST; its id."""
    body = {"role": "bot", "name": name, "merchant_id": local.merchant_id}
    answer = await call(
        local, "POST", "/api/keys", body, key=local.keys[key], headers={"User-Agent": "till/7"}
    )
    assert answer.status == 201, answer.body
    return str(answer.json()["key"]["id"])


async def revoked(local: LocalHub, id_: str, key: str = "merchant") -> None:
    answer = await call(local, "DELETE", f"/api/keys/{id_}", key=local.keys[key])
    assert answer.status == 200, answer.body


async def many(database: Database, merchant_id: str, count: int) -> None:
    """So many changes of one merchant; some at a time, since a unit may take 4.5 s at the most."""

    async def work(tx: Transaction, first: int) -> None:
        for n in range(first, min(first + 200, count)):
            id_ = uuid7()
            key = ApiKey(id_, merchant_id, "bot", f"{n} {'x' * 90}", "hub_b", 1, NOW, None, None)
            await keys.insert(tx, key, f"{id_.replace('-', '')}{id_.replace('-', '')}")

    for first in range(0, count, 200):
        await database.write(lambda tx, first=first: work(tx, first), Scope(merchant_id))  # type: ignore[misc]


# ── a row ────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_done_with_a_key(local: LocalHub) -> None:
    id_ = await made(local)
    await revoked(local, id_)
    changed, created = await listed(local, "merchant", target_id=id_)
    assert created.keys() == {
        "id", "merchant_id", "actor", "action", "target_type", "target_id", "before", "after",
        "changes", "address", "agent", "created_at",
    }  # fmt: skip
    assert created["actor"] == {
        "id": local.key_ids["merchant"], "role": "merchant", "name": "merchant",
    }  # fmt: skip
    assert (created["action"], created["target_type"]) == ("CREATE", "key")
    assert (created["merchant_id"], created["before"]) == (local.merchant_id, None)
    assert created["after"]["name"] == "till"
    assert (created["address"], created["agent"]) == ("127.0.0.1", "till/7")
    names = [change["field"] for change in created["changes"]]
    assert names == sorted(names)
    assert {"field": "name", "before": None, "after": "till"} in created["changes"]
    assert (changed["action"], changed["before"]) == ("UPDATE", created["after"])
    assert [change["field"] for change in changed["changes"]] == ["revoked_at", "version"]
    assert changed["changes"][1] == {"field": "version", "before": 1, "after": 2}
    text = json.dumps([changed, created])
    assert "token_hash" not in text
    assert changed["created_at"] > created["created_at"] or changed["id"] > created["id"]


async def test_an_answer_is_from_before_its_read(local: LocalHub) -> None:
    """State, then stream: who follows on from `offset` misses no later change."""
    before = (await asked(local)).json()
    assert before["offset"] == local.services.log.end
    await made(local)
    after = (await asked(local)).json()
    assert after["offset"] == before["offset"] + 1
    assert (after["epoch"], after["count"]) == (before["epoch"], before["count"] + 1)


# ── whose ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["viewer", "bot"])
async def test_others_are_refused_at_every_door(local: LocalHub, role: str) -> None:
    for accept in ("*/*", CSV, NDJSON):
        answer = await asked(local, role, accept)
        assert (answer.status, answer.json()["code"]) == (403, "forbidden")
    async with connect(local, local.keys[role]) as socket:
        assert (await refusal(socket, "audit.list"))["code"] == "forbidden"
    assert (await call(local, "GET", "/api/audit")).status == 401


async def test_a_merchant_sees_its_own_alone(local: LocalHub) -> None:
    await local.add_key("merchant", "theirs", merchant_id=local.other_merchant)
    ours = await made(local)
    own, foreign = await listed(local, "merchant"), await listed(local, "theirs")
    assert {row["merchant_id"] for row in own} == {local.merchant_id}
    assert {row["merchant_id"] for row in foreign} == {local.other_merchant}
    # An admin's key made them in the tests' place: its name is no merchant's to know.
    everything = await listed(local)
    assert {row["merchant_id"] for row in everything} == {
        None, local.merchant_id, local.other_merchant,
    }  # fmt: skip
    assert sorted(row["id"] for row in everything if row["merchant_id"]) == sorted(
        row["id"] for row in own + foreign
    )
    narrowed = await listed(local, merchant_id=local.other_merchant)
    assert narrowed == [row for row in everything if row["merchant_id"] == local.other_merchant]
    # What is another's is not there, however it is asked for; to name its merchant is refused.
    for query in ({"target_id": ours}, {"actor_id": local.key_ids["merchant"]}):
        assert await listed(local, "theirs", **query) == []
    after = max(row["id"] for row in own)
    assert all(row["merchant_id"] == local.other_merchant
               for row in await listed(local, "theirs", after=after))  # fmt: skip
    for accept in ("*/*", CSV, NDJSON):
        answer = await asked(local, "theirs", accept, merchant_id=local.merchant_id)
        assert (answer.status, answer.json()["code"]) == (403, "forbidden")
    file = await asked(local, "theirs", NDJSON)
    assert ours not in file.body.decode()


async def test_a_narrowed_admin_asks_for_one_merchant(local: LocalHub) -> None:
    query = f"merchant_id={local.merchant_id}"
    async with connect(local, local.keys["admin"], query=query) as admin:
        rows = (await result(admin, "audit.list"))["audit"]
        assert {row["merchant_id"] for row in rows} == {local.merchant_id}
        error = await refusal(admin, "audit.list", {"merchant_id": local.other_merchant})
        assert error["code"] == "forbidden"


# ── which ────────────────────────────────────────────────────────────────────────────────────────


async def test_both_doors_say_the_same(local: LocalHub) -> None:
    id_ = await made(local)
    await revoked(local, id_)
    async with connect(local, local.keys["merchant"]) as owner:
        for params in (
            {}, {"limit": 1}, {"target_id": id_}, {"action": "UPDATE"}, {"target_type": "key"},
            {"actor_id": local.key_ids["merchant"], "action": "CREATE"},
            {"from": "2020-01-01T00:00:00Z", "to": "2021-01-01T00:00:00+02:00"},
        ):  # fmt: skip
            over_rest = (await asked(local, "merchant", **params)).json()
            answer = await called(owner, "audit.list", params)
            assert answer["result"] == {
                name: over_rest[name] for name in ("audit", "count", "next")
            }  # fmt: skip
            assert answer["offset"] == over_rest["offset"]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"action": "REMOVE"}, "/action"),
        ({"action": ""}, "/action"),
        ({"from": "yesterday"}, "/from"),
        ({"from": "2026-02-30T00:00:00Z"}, "/from"),
        ({"from": "2026-02-01"}, "/from"),
        ({"to": "1700000000"}, "/to"),
        ({"target_type": ""}, "/target_type"),
        ({"actor_id": "x" * 257}, "/actor_id"),
        ({"target_id": ""}, "/target_id"),
        ({"limit": 0}, "/limit"),
        ({"limit": 1001}, "/limit"),
        ({"unknown": "1"}, "/unknown"),
    ],
)
async def test_what_does_not_fit_is_named(
    local: LocalHub, params: dict[str, Any], pointer: str
) -> None:
    answer = await asked(local, **params)
    assert (answer.status, answer.json()["code"]) == (422, "invalid_params")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    async with connect(local, local.keys["admin"]) as admin:
        error = await refusal(admin, "audit.list", params)
        assert error["code"] == "invalid_params"
        assert [each["pointer"] for each in error["errors"]] == [f"/params{pointer}"]


async def test_pages_have_no_hole_while_rows_are_written(local: LocalHub) -> None:
    ids = [await made(local, f"key {n}") for n in range(11)]
    seen, after = [], ""
    while True:
        page = (await asked(local, "merchant", action="CREATE", after=after, limit=3)).json()
        seen += [row["target_id"] for row in page["audit"]]
        await made(local, "between")
        if page["next"] is None:
            break
        after = page["next"]
    assert seen[: len(ids)] == ids[::-1]
    assert len(seen) == len(set(seen))


# ── files ────────────────────────────────────────────────────────────────────────────────────────


async def downloaded(local: LocalHub, accept: str, key: str = "merchant", **query: object) -> bytes:
    async with Download(local, "/api/audit", local.keys[key], accept, query) as file:
        assert file.status == 200, await file.rest()
        body = await file.rest()
        assert file.whole
    return body


@pytest.mark.parametrize("count", [0, 190, 201, 650])
async def test_a_file_has_all_rows(local: LocalHub, count: int) -> None:
    await many(local.database, local.merchant_id, count)
    rows = await listed(local, "merchant", limit=1000)
    lines = (await downloaded(local, NDJSON)).decode().splitlines()
    assert [json.loads(line) for line in lines] == rows
    text = (await downloaded(local, CSV)).decode()
    head, *records = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head[:2] == ["id", "created_at"]
    assert [record[0] for record in records] == [row["id"] for row in rows]
    assert text.endswith("\r\n")


async def test_a_file_of_what_is_filtered(local: LocalHub) -> None:
    id_ = await made(local)
    await revoked(local, id_)
    [line] = (await downloaded(local, NDJSON, target_id=id_, action="UPDATE")).splitlines()
    assert json.loads(line)["target_id"] == id_
    first, second = await listed(local, "merchant", target_id=id_)
    # `after` goes on with a file that was cut.
    [line] = (await downloaded(local, NDJSON, target_id=id_, after=first["id"])).splitlines()
    assert json.loads(line) == second


@pytest.mark.parametrize(
    ("accept", "query", "media_type", "suffix"),
    [
        (CSV, {}, "text/csv; charset=utf-8; header=present", "csv"),
        (NDJSON, {}, "application/x-ndjson", "ndjson"),
        ("*/*", {"format": "csv"}, "text/csv; charset=utf-8; header=present", "csv"),
        ("text/html,*/*;q=0.8", {"format": "ndjson"}, "application/x-ndjson", "ndjson"),
        ("text/csv;q=0.5, application/x-ndjson", {}, "application/x-ndjson", "ndjson"),
    ],
)
async def test_a_file_says_what_it_is(
    local: LocalHub, accept: str, query: dict[str, str], media_type: str, suffix: str
) -> None:
    async with Download(local, "/api/audit", local.keys["admin"], accept, query) as file:
        assert file.headers["content-type"] == media_type
        disposition = file.headers["content-disposition"]
        assert disposition.startswith('attachment; filename="audit-20')
        assert disposition.endswith(f'Z.{suffix}"')
        assert file.headers["cache-control"] == "no-store"
        assert file.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/csv;q=0, */*", "text/html"])
async def test_else_it_is_a_page(local: LocalHub, accept: str) -> None:
    answer = await asked(local, "admin", accept)
    assert answer.headers["content-type"] == "application/json"
    assert (await asked(local, "admin", CSV, format="json")).json()["success"] is True


async def test_what_a_file_does_not_take(local: LocalHub) -> None:
    for query, pointer in (
        ({"limit": "5", "format": "csv"}, "/limit"),
        ({"format": "xlsx"}, "/format"),
    ):
        answer = await asked(local, **query)
        assert (answer.status, answer.json()["code"]) == (422, "invalid_params")
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_a_cell_is_no_formula(local: LocalHub) -> None:
    id_ = await made(local, '=HYPERLINK("http://evil.example","x")')
    by = {"User-Agent": "@SUM(1+9)*cmd|' /C calc'!A0", "Content-Type": "application/json"}
    body = {"role": "bot", "name": "+1"}
    assert (await call(local, "POST", "/api/keys", body, key=local.keys["merchant"],
                       headers=by)).status == 201  # fmt: skip
    text = (await downloaded(local, CSV)).decode()
    head, *records = csv.reader(io.StringIO(text, newline=""), strict=True)
    for record in records:
        assert not [cell for cell in record if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    agents = [record[head.index("agent")] for record in records]
    assert "'@SUM(1+9)*cmd|' /C calc'!A0" in agents
    [first] = [record for record in records if record[head.index("target_id")] == id_]
    assert json.loads(first[head.index("after")])["name"].startswith("=HYPERLINK")


async def test_an_old_client_is_refused_a_file_that_could_be_cut(local: LocalHub) -> None:
    request = (
        f"GET /api/audit HTTP/1.0\r\nAuthorization: Bearer {local.keys['admin']}\r\n"
        f"Accept: {CSV}\r\n\r\n"
    )
    answer = await exchange(local, request.encode())
    assert answer.status == 400
    assert "HTTP/1.1" in answer.json()["detail"]


async def test_the_head_of_a_file_comes_alone(local: LocalHub) -> None:
    answer = await call(local, "HEAD", "/api/audit?format=csv", key=local.keys["admin"])
    assert (answer.status, answer.body) == (200, b"")
    assert "attachment" in answer.headers["content-disposition"]


async def test_a_connection_goes_on_after_a_file(local: LocalHub) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", local.port)
    head = f"Host: 127.0.0.1:{local.port}\r\nAuthorization: Bearer {local.keys['admin']}\r\n\r\n"
    for target, expected in (("/api/audit?format=ndjson", b"0\r\n\r\n"), ("/api/audit", b"}")):
        writer.write(f"GET {target} HTTP/1.1\r\n{head}".encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            assert await reader.readuntil(expected)
    writer.close()


# ── files that are cut ───────────────────────────────────────────────────────────────────────────

MANY = 3_000
"""Rows of a file that is longer than what lies between the hub and a client that does not read."""


async def test_a_database_that_fails_midway_cuts_the_file(database: Database) -> None:
    faulty = FaultyDatabase(database)
    hub = await prepared(database)
    await many(database, hub.merchant_id, MANY)
    async with (
        running(hub, database=faulty) as local,
        Download(local, "/api/audit", local.keys["admin"], NDJSON, {}) as file,
    ):
        assert await file.some()
        faulty.failing_reads = 1
        await file.rest()
        assert not file.whole
        assert file.body.count(b"\n") < MANY
        # At its beginning it is an answer like any other.
        faulty.failing_reads = 1
        answer = await asked(local, "admin", CSV)
        assert (answer.status, answer.json()["code"]) == (503, "unavailable")
        assert (await asked(local)).status == 200


async def test_a_key_that_is_revoked_ends_its_files(database: Database) -> None:
    hub = await prepared(database)
    await many(database, hub.merchant_id, MANY)
    async with running(hub) as local:
        await local.add_key("merchant", "second")
        async with Download(local, "/api/audit", local.keys["second"], CSV, {}) as file:
            assert await file.some()
            await revoked(local, local.key_ids["second"])
            await file.rest()
            assert not file.whole
        assert (await asked(local, "merchant")).status == 200


async def test_who_leaves_costs_no_further_reads(database: Database) -> None:
    faulty = FaultyDatabase(database)
    hub = await prepared(database)
    await many(database, hub.merchant_id, MANY)
    async with running(hub, database=faulty) as local:
        async with Download(local, "/api/audit", local.keys["admin"], CSV, {}) as file:
            assert await file.some()
        await asyncio.sleep(0.3)
        reads = faulty.reads
        assert reads < MANY // 200
        await asyncio.sleep(0.2)
        assert faulty.reads == reads


async def test_who_does_not_read_holds_a_page_and_is_cut(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.api.exports.STALL_SECONDS", 0.5)
    faulty = FaultyDatabase(database)
    hub = await prepared(database)
    await many(database, hub.merchant_id, MANY)
    async with (
        running(hub, database=faulty) as local,
        Download(local, "/api/audit", local.keys["admin"], NDJSON, {}) as file,
    ):
        await asyncio.sleep(0.3)
        reads = faulty.reads
        assert reads < MANY // 200, "it waits for the client"
        await asyncio.sleep(0.6)
        assert faulty.reads == reads
        await file.rest()
        assert not file.whole
