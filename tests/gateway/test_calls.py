"""`call`: the commands over the socket, one connection's pace, and what is told of an error."""

import json
from typing import Any

import pytest

from storage.database import Database
from tests.gateway.calling import alive, called, refusal, result
from tests.gateway.local_hub import LocalHub, prepared, running
from tests.support.databases import FaultyDatabase
from tests.support.rest import call as rest
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

Frame = dict[str, Any]


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_reply_has_its_ref_and_the_place_in_the_log(local: LocalHub) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        connected = await admin.next(type="connected")
        answer = await called(admin, "merchants.list")
        assert answer.keys() == {"type", "ref", "result", "epoch", "offset"}
        assert (answer["epoch"], answer["offset"]) == (connected["epoch"], connected["offset"])
        assert [row["name"] for row in answer["result"]["merchants"]] == ["ours", "theirs"]
        made = await called(
            admin, "keys.create",
            {"role": "bot", "name": "till", "merchant_id": local.merchant_id},
        )  # fmt: skip
        assert made["offset"] == answer["offset"] + 1, "a write's is from after its commit"
        event = await admin.next(type="key_created")
        assert event["offset"] == made["offset"]
        assert event["data"]["keyId"] == made["result"]["key"]["id"]
        assert made["result"]["token"] not in json.dumps(event)


async def test_a_call_without_a_ref_is_answered_too(local: LocalHub) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        await admin.send({"type": "call", "method": "merchants.list"})
        assert (await admin.next(type="reply")).get("ref") is None


async def test_a_call_and_rest_say_the_same(local: LocalHub) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        await admin.next(type="live")
        for method, path, member in (
            ("merchants.list", "/api/merchants", "merchants"),
            ("keys.list", "/api/keys", "keys"),
            ("sessions.list", "/api/sessions", "sessions"),
        ):
            over_http = (await rest(local, "GET", path, key=local.keys["admin"])).json()
            over_socket = await result(admin, method)
            for found in (over_http, over_socket):
                for row in found[member]:
                    row.pop("bytes_in", None)
                    row.pop("bytes_out", None)
            assert over_socket[member] == over_http[member]
            assert (over_socket["count"], over_socket["next"]) == (
                over_http["count"], over_http["next"],
            )  # fmt: skip


async def test_a_key_lives_and_dies_by_calls(local: LocalHub) -> None:
    async with connect(local, local.keys["merchant"]) as owner:
        made = await result(owner, "keys.create", {"role": "viewer", "name": "anna"})
        async with connect(local, made["token"]) as viewer:
            assert (await viewer.next())["role"] == "viewer"
            revoked = await result(owner, "keys.revoke", {"id": made["key"]["id"]})
            assert revoked["key"]["revoked_at"]
            assert await viewer.closed() == 4001


async def test_a_ticket_by_a_call(local: LocalHub) -> None:
    async with connect(local, local.keys["viewer"]) as viewer:
        made = await result(viewer, "tickets.create")
        assert made["expires_in"] == 30
        async with connect(local, token=made["ticket"]) as other:
            assert (await other.next())["role"] == "viewer"
        async with connect(local, token=made["ticket"]) as other:
            assert await other.closed() == 4001


async def test_a_revoked_key_may_revoke_itself_and_is_gone(local: LocalHub) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        await admin.next(type="live")
        await admin.send(
            {"type": "call", "method": "keys.revoke", "params": {"id": local.key_ids["admin"]}}
        )
        assert await admin.closed() == 4001


# ── errors ───────────────────────────────────────────────────────────────────────────────────────


async def test_an_unknown_method_names_those_there_are(local: LocalHub) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        for method in ("merchants.explode", "", "__class__", "x" * 5000, "merchants.list "):
            error = await refusal(admin, method)
            assert (error["code"], error["retry"]) == ("not_found", False)
            assert "merchants.list" in error["message"]
            assert len(error["message"]) < 4000
        await alive(admin)


@pytest.mark.parametrize(
    ("method", "params", "pointer"),
    [
        ("merchants.create", {}, "/params/name"),
        ("merchants.create", {"name": 5}, "/params/name"),
        ("merchants.create", {"name": ""}, "/params/name"),
        ("merchants.create", {"name": "a\nb"}, "/params/name"),
        ("merchants.create", {"name": "a", "x": 1}, "/params/x"),
        ("merchants.list", {"limit": 0}, "/params/limit"),
        ("merchants.list", {"limit": "10"}, "/params/limit"),
        ("merchants.get", {}, "/params/id"),
        ("keys.create", {"role": "king", "name": "a"}, "/params/role"),
        ("tickets.create", {"seconds": 900}, "/params/seconds"),
    ],
)
async def test_params_that_do_not_fit_are_named(
    local: LocalHub, method: str, params: Frame, pointer: str
) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        error = await refusal(admin, method, params)
        assert error["code"] == "invalid_params"
        assert [each["pointer"] for each in error["errors"]] == [pointer]
        assert all(each["message"] for each in error["errors"])


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"key": ""}, "/key"),
        ({"key": "k" * 256}, "/key"),
        ({"key": "clé"}, "/key"),
        ({"if_match": '"1"'}, "/if_match"),
    ],
)
async def test_a_condition_that_is_not_taken_is_refused(
    local: LocalHub, fields: Frame, pointer: str
) -> None:
    """To ignore a condition would promise what is not kept."""
    async with connect(local, local.keys["admin"]) as admin:
        error = await refusal(admin, "merchants.create", {"name": "once"}, **fields)
        assert error["code"] == "invalid_params"
        assert [each["pointer"] for each in error["errors"]] == [pointer]
        listed = await result(admin, "merchants.list")
        assert "once" not in [row["name"] for row in listed["merchants"]]


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "call", "ref": "r"},
        {"type": "call", "ref": "r", "method": 5},
        {"type": "call", "ref": "r", "method": None},
        {"type": "call", "ref": "r", "method": "merchants.list", "params": []},
        {"type": "call", "ref": "r", "method": "merchants.list", "params": "x"},
    ],
)
async def test_a_frame_that_is_no_call(local: LocalHub, frame: Frame) -> None:
    async with connect(local, local.keys["admin"]) as admin:
        await admin.send(frame)
        error = await admin.next(type="error")
        assert error["ref"] == "r"
        assert error["code"] in ("bad_frame", "invalid_params", "not_found")
        await alive(admin)


@pytest.mark.parametrize(
    ("name", "method", "params"),
    [
        ("viewer", "keys.list", {}),
        ("viewer", "keys.create", {"role": "viewer", "name": "a"}),
        ("viewer", "sessions.list", {}),
        ("viewer", "sessions.disconnect", {"id": "x"}),
        ("viewer", "merchants.create", {"name": "a"}),
        ("bot", "keys.revoke", {"id": "x"}),
        ("bot", "sessions.list", {}),
        ("merchant", "merchants.create", {"name": "a"}),
        ("merchant", "keys.create", {"role": "admin", "name": "a"}),
    ],
)
async def test_a_role_may_not_more_than_over_rest(
    local: LocalHub, name: str, method: str, params: Frame
) -> None:
    async with connect(local, local.keys[name]) as socket:
        assert (await refusal(socket, method, params))["code"] == "forbidden"


async def test_a_failing_database_is_told_and_the_connection_stays(database: Database) -> None:
    faulty = FaultyDatabase(database)
    async with (
        running(await prepared(database), database=faulty) as hub,
        connect(hub, hub.keys["admin"]) as admin,
    ):
        await admin.next(type="live")
        faulty.failing_reads = 1
        error = await refusal(admin, "merchants.list")
        assert (error["code"], error["retry"]) == ("unavailable", True)
        faulty.failing = 1
        error = await refusal(admin, "merchants.create", {"name": "a"})
        assert (error["code"], error["retry"]) == ("unavailable", True)
        assert (await result(admin, "merchants.create", {"name": "a"}))["merchant"]["id"]


# ── narrowed to one merchant ─────────────────────────────────────────────────────────────────────


async def test_a_narrowed_admin_sees_one_merchant(local: LocalHub) -> None:
    await local.add_key("viewer", "theirs", merchant_id=local.other_merchant)
    query = f"merchant_id={local.merchant_id}"
    async with (
        connect(local, local.keys["admin"], query=query) as narrowed,
        connect(local, local.keys["admin"]) as wide,
        connect(local, local.keys["viewer"]) as ours,
        connect(local, local.keys["theirs"]) as theirs,
    ):
        ids = [(await each.next(type="connected"))["session"] for each in (ours, theirs)]
        own = (await narrowed.next(type="connected"))["session"]
        await wide.next(type="live")
        seen = await result(narrowed, "sessions.list")
        assert [row["id"] for row in seen["sessions"]] == [own, ids[0]], "itself and the merchant's"
        every = await result(wide, "sessions.list")
        assert {row["id"] for row in every["sessions"]} > set(ids)
        keys = await result(narrowed, "keys.list")
        assert {row["merchant_id"] for row in keys["keys"]} == {local.merchant_id}
        error = await refusal(narrowed, "sessions.disconnect", {"id": ids[1]})
        assert error["code"] == "not_found"
        await alive(theirs)
        assert (await result(narrowed, "sessions.disconnect", {"id": ids[0]}))["id"] == ids[0]
        assert await ours.closed() == 4004


async def test_a_merchant_disconnects_its_own_alone(local: LocalHub) -> None:
    await local.add_key("viewer", "theirs", merchant_id=local.other_merchant)
    async with (
        connect(local, local.keys["merchant"]) as owner,
        connect(local, local.keys["viewer"]) as ours,
        connect(local, local.keys["theirs"]) as theirs,
    ):
        own, foreign = [(await each.next(type="connected"))["session"] for each in (ours, theirs)]
        error = await refusal(owner, "sessions.disconnect", {"id": foreign})
        assert error["code"] == "not_found"
        await result(owner, "sessions.disconnect", {"id": own})
        assert await ours.closed() == 4004
        await alive(theirs)
        error = await refusal(owner, "sessions.list", {"merchant_id": local.other_merchant})
        assert error["code"] == "forbidden"


async def test_disconnecting_oneself(local: LocalHub) -> None:
    async with connect(local, local.keys["merchant"]) as owner:
        id_ = (await owner.next(type="connected"))["session"]
        await owner.send({"type": "call", "method": "sessions.disconnect", "params": {"id": id_}})
        assert await owner.closed() == 4004
