"""Templates by both doors: from a draft to one that is sent, with every fault named."""

import asyncio
from typing import Any

import pytest

from hub.commands.params import PAGE
from hub.protocol.ids import uuid7
from storage import media, templates
from storage.database import Transaction
from storage.merchant_records import Template
from storage.scope import HUB
from tests.gateway.calling import called, refusal, result
from tests.gateway.local_hub import LocalHub
from tests.storage import samples
from tests.support.rest import Answer
from tests.support.rest import call as rest
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

Body = dict[str, Any]
PATH = "/api/templates"
TEXT: Body = {"name": "hello", "type": "text", "body": "Hello {{ name }}, {{order_id}} is here."}
BUTTONS: Body = {
    "name": "ask_again", "type": "buttons", "body": "Again?",
    "buttons": [{"id": "yes", "label": "Yes"}, {"id": "no", "label": "No", "callback_data": "n"}],
}  # fmt: skip
SEEDED = ["order_confirmation", "payment_request", "order_status"]


async def ask(
    hub: LocalHub, method: str, path: str = "", body: Body | None = None, who: str = "merchant",
    /, headers: dict[str, str] | None = None, **query: Any,
) -> Answer:  # fmt: skip
    return await rest(
        hub, method, PATH + path, body, key=hub.keys[who], query=query, headers=headers
    )


async def made(hub: LocalHub, body: Body = TEXT, who: str = "merchant") -> Body:
    """A template that was made; it."""
    answer = await ask(hub, "POST", "", body, who)
    assert answer.status == 201, answer.body
    template: Body = answer.json()["template"]
    return template


async def changed(hub: LocalHub, id_: str, body: Body) -> Body:
    answer = await ask(hub, "PATCH", f"/{id_}", body)
    assert answer.status == 200, answer.body
    template: Body = answer.json()["template"]
    return template


def check_refused(answer: Answer, status: int, *pointers: str) -> Body:
    """Check that an answer is this refusal and names these fields; the problem."""
    assert answer.status == status, answer.body
    problem: Body = answer.json()
    assert [error["pointer"] for error in problem.get("errors", [])] == [*pointers], problem
    assert problem["success"] is False
    return problem


async def events_of(hub: LocalHub, id_: str) -> list[tuple[str, Body]]:
    query = {"subjects": f"template/{id_}"}
    answer = await rest(hub, "GET", "/api/events", key=hub.keys["merchant"], query=query)
    return [(event["type"], event["data"]) for event in answer.json()["events"]]


# ── making one ───────────────────────────────────────────────────────────────────────────────────


async def test_a_template_is_made_as_a_draft(local: LocalHub) -> None:
    answer = await ask(local, "POST", "", {**TEXT, "example_payload": {"name": "Anna"}})
    assert answer.status == 201
    said = answer.json()
    assert said.keys() == {"success", "template", "message", "epoch", "offset"}
    template = said["template"]
    assert template["status"] == "draft"
    assert template["variables"] == ["name", "order_id"]
    assert (template["version"], template["language"], template["description"]) == (1, "en", "")
    assert template["merchant_id"] == local.merchant_id
    assert template["created_by"] == local.key_ids["merchant"]
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"{PATH}/{template['id']}"
    found = await ask(local, "GET", f"/{template['id']}")
    assert found.json()["template"] == template
    assert found.headers["etag"] == '"1"'
    data = {
        "templateId": template["id"], "name": "hello", "type": "text", "status": "draft",
        "version": 1,
    }  # fmt: skip
    assert await events_of(local, template["id"]) == [("template_created", data)]


async def test_both_doors_make_the_same(local: LocalHub) -> None:
    over_http = await made(local, BUTTONS)
    async with connect(local, local.keys["merchant"]) as socket:
        body = {**BUTTONS, "name": "over_the_socket"}
        over_socket = (await result(socket, "templates.create", body))["template"]
        found = await result(socket, "templates.get", {"id": over_http["id"]})
        assert found["template"] == over_http
    own = ("id", "name", "created_at", "updated_at")
    assert {k: v for k, v in over_http.items() if k not in own} == {
        k: v for k, v in over_socket.items() if k not in own
    }


async def test_variables_are_those_of_the_text(local: LocalHub) -> None:
    assert (await made(local, {**TEXT, "variables": ["order_id", "name"]}))["variables"] == [
        "name", "order_id",
    ]  # fmt: skip
    answer = await ask(local, "POST", "", {**TEXT, "name": "other", "variables": ["name"]})
    problem = check_refused(answer, 422, "/variables")
    assert "order_id" in problem["detail"]


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"name": "ab"}, ["/name"]),
        ({"name": "Hello"}, ["/name"]),
        ({"name": "hello\n"}, ["/name"]),
        ({"name": "x" * 51}, ["/name"]),
        ({"type": "poem"}, ["/type"]),
        ({"description": "x" * 201}, ["/description"]),
        ({"language": "x"}, ["/language"]),
        ({"body": None}, ["/body"]),
        ({"body": ""}, ["/body"]),
        ({"body": "a\x00b"}, ["/body"]),
        ({"body": "x" * 4097}, ["/body"]),
        ({"body": "x" * 9000}, ["/body"]),
        ({"header": "x" * 61, "footer": "x" * 61}, ["/header", "/footer"]),
        ({"status": "active"}, ["/status"]),
        ({"body": "{{first name}}"}, ["/body"]),
        ({"buttons": [{"id": "a", "label": "A"}]}, ["/buttons"]),
        ({"type": "buttons"}, ["/buttons"]),
        ({"type": "list", "sections": []}, ["/sections"]),
        ({"type": "media", "body": None}, ["/media"]),
        (
            {"type": "buttons", "buttons": [
                {"id": "a", "label": "x" * 21}, {"id": "a", "label": ""}]},
            ["/buttons/1/id", "/buttons/0/label", "/buttons/1/label"],
        ),
        ({"type": "buttons", "buttons": [{"id": "a", "label": "A"}] * 11}, ["/buttons"]),
        ({"type": "buttons", "buttons": [{"id": "a", "label": "A", "x": 1}]}, ["/buttons/0/x"]),
        (
            {"type": "list", "sections": [
                {"rows": [{"id": "a", "title": "A", "description": "x" * 73}]}]},
            ["/sections/0/rows/0/description"],
        ),
        ({"type": "media", "body": None, "media": {"type": "film", "url": "x"}}, ["/media/type"]),
        (
            {"type": "media", "body": None, "media": {"type": "image", "url": "ftp://a/b"}},
            ["/media/url"],
        ),
        (
            {"type": "media", "body": None, "media": {"type": "image", "media_id": "none"}},
            ["/media/media_id"],
        ),
        ({"example_payload": {"a": "x" * 9000}}, ["/example_payload"]),
        ({"example_payload": {"a": ["\x00"]}}, ["/example_payload"]),
        ({"example_payload": {"a": [{"b": 1e300}]}}, ["/example_payload"]),
        ({"example_payload": {"a": -1e-300}}, ["/example_payload"]),
        ({"id": "1"}, ["/id"]),
    ],
)  # fmt: skip
async def test_every_fault_is_named_by_its_field(
    local: LocalHub, change: Body, pointers: list[str]
) -> None:
    body = {**TEXT, **change}
    problem = check_refused(await ask(local, "POST", "", body), 422, *pointers)
    assert problem["code"] == "invalid_params"
    async with connect(local, local.keys["merchant"]) as socket:
        error = await refusal(socket, "templates.create", body)
        assert [each["pointer"] for each in error["errors"]] == [f"/params{p}" for p in pointers]
    assert "hello" not in [t["name"] for t in (await ask(local, "GET")).json()["templates"]]


async def test_a_placeholder_counts_by_its_value(local: LocalHub) -> None:
    """What stands in a text for a value may be longer than the text that comes of it."""
    long = "{{a_rather_long_name_of_a_variable_that_stands_in_a_header_line}}"
    template = await made(local, {**BUTTONS, "header": long, "footer": long, "button_text": long})
    found = await ask(local, "GET", f"/{template['id']}")
    assert found.json()["template"]["header"] == long


async def test_a_name_belongs_to_one_template_of_a_merchant(local: LocalHub) -> None:
    await local.add_key("merchant", "theirs", merchant_id=local.other_merchant)
    first = await made(local)
    problem = check_refused(await ask(local, "POST", "", TEXT), 409, "/name")
    assert "'hello'" in problem["detail"]
    assert (await made(local, TEXT, "theirs"))["merchant_id"] == local.other_merchant
    other = await made(local, {**TEXT, "name": "other"})
    answer = await ask(local, "PATCH", f"/{other['id']}", {"name": "hello"})
    check_refused(answer, 409, "/name")
    assert await changed(local, first["id"], {"name": "hello"}) == first, "its own name is free"


async def test_many_that_want_one_name_at_once(local: LocalHub) -> None:
    answers = await asyncio.gather(*(ask(local, "POST", "", TEXT) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7


async def test_a_repeat_by_key_or_id_makes_one(local: LocalHub) -> None:
    headers = {"Idempotency-Key": "t-1"}
    answers = [await ask(local, "POST", "", TEXT, headers=headers) for _ in range(2)]
    assert answers[0].json()["template"] == answers[1].json()["template"]
    body = {**BUTTONS, "id": uuid7()}
    assert (await made(local, body)) == (await made(local, body))
    async with connect(local, local.keys["merchant"]) as socket:
        again = await called(socket, "templates.create", TEXT, key="t-1")
        assert again["result"]["template"] == answers[0].json()["template"]
    names = [t["name"] for t in (await ask(local, "GET")).json()["templates"]]
    assert sorted(names) == sorted([*SEEDED, "hello", "ask_again"])


# ── lists ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_by_type_and_status(local: LocalHub) -> None:
    await made(local)
    everything = (await ask(local, "GET")).json()
    assert everything.keys() == {"success", "templates", "count", "next", "epoch", "offset"}
    assert (everything["count"], everything["next"]) == (4, None)

    async def names(**query: Any) -> list[str]:
        answer = await ask(local, "GET", **query)
        assert answer.status == 200, answer.body
        return [template["name"] for template in answer.json()["templates"]]

    assert await names(type="text", status="active") == ["order_status"]
    assert await names(type="text") == ["order_status", "hello"]
    assert await names(status="draft") == ["hello"]
    assert await names(status="archived") == []
    check_refused(await ask(local, "GET", status="lost"), 422, "/status")
    check_refused(await ask(local, "GET", state="draft"), 422, "/state")


async def test_a_list_goes_on_where_it_ended(local: LocalHub) -> None:
    seen: list[str] = []
    answer = await ask(local, "GET", limit=2, type="buttons")
    while True:
        seen += [template["name"] for template in answer.json()["templates"]]
        if answer.json()["next"] is None:
            break
        target = answer.headers["link"].partition("<")[2].partition(">")[0]
        assert target.startswith(PATH)
        answer = await rest(local, "GET", target, key=local.keys["merchant"])
    assert seen == ["order_confirmation", "payment_request"]


async def test_a_page_of_a_list_is_of_a_size_that_holds_up_nobody(local: LocalHub) -> None:
    rows = [samples.template(name=f"t_{n}", merchant_id=local.merchant_id) for n in range(PAGE)]

    async def insert(tx: Transaction, some: list[Template]) -> None:
        for row in some:
            await templates.insert(tx, row, samples.new_id)

    for n in range(0, PAGE, 20):  # a unit of work has a few seconds
        await local.database.write(lambda tx, n=n: insert(tx, rows[n : n + 20]), HUB)  # type: ignore[misc]
    first = (await ask(local, "GET", limit=1000)).json()
    rest_ = (await ask(local, "GET", limit=1000, after=first["next"])).json()
    assert (first["count"], rest_["count"], rest_["next"]) == (PAGE, len(SEEDED), None)
    ids = [template["id"] for template in (*first["templates"], *rest_["templates"])]
    assert ids == sorted({*ids})
    assert {row.id for row in rows} < {*ids}


# ── changing one ─────────────────────────────────────────────────────────────────────────────────


async def test_what_is_left_out_stays_and_null_clears(local: LocalHub) -> None:
    first = await made(local, {**TEXT, "header": "Hi", "description": "greets"})
    second = await changed(local, first["id"], {"body": "Bye {{name}}"})
    assert (second["body"], second["header"], second["version"]) == ("Bye {{name}}", "Hi", 2)
    assert second["variables"] == ["name"]
    assert second["created_at"] == first["created_at"]
    third = await changed(local, first["id"], {"header": None, "description": None})
    assert (third["header"], third["description"], third["body"]) == (None, "", "Bye {{name}}")
    check_refused(await ask(local, "PATCH", f"/{first['id']}", {"body": None}), 422, "/body")
    check_refused(await ask(local, "PATCH", f"/{first['id']}", {"name": None}), 422, "/name")
    events = await events_of(local, first["id"])
    assert [(type_, data["version"]) for type_, data in events] == [
        ("template_created", 1), ("template_updated", 2), ("template_updated", 3),
    ]  # fmt: skip


async def test_a_change_that_changes_nothing_is_none(local: LocalHub) -> None:
    first = await made(local, {**BUTTONS, "example_payload": {"a": 1, "b": {"c": 2}}})
    same = {key: BUTTONS[key] for key in ("type", "body", "buttons")} | {
        "example_payload": {"b": {"c": 2}, "a": 1}, "header": "",
    }  # fmt: skip
    assert await changed(local, first["id"], same) == first
    assert await changed(local, first["id"], {}) == first
    assert len(await events_of(local, first["id"])) == 1
    assert (await ask(local, "GET", f"/{first['id']}/versions")).json()["count"] == 1
    other = await changed(local, first["id"], {"example_payload": {"a": True, "b": {"c": 2}}})
    assert (other["version"], other["example_payload"]["a"]) == (2, True)


async def test_another_type_needs_its_own_members(local: LocalHub) -> None:
    first = await made(local, BUTTONS)
    answer = await ask(local, "PATCH", f"/{first['id']}", {"type": "text"})
    check_refused(answer, 422, "/buttons")
    text = await changed(local, first["id"], {"type": "text", "buttons": None})
    assert (text["type"], text["buttons"]) == ("text", None)


CHANGES: list[tuple[str, str, str, Body | None]] = [
    ("PATCH", "", "templates.update", {"body": "changed"}),
    ("POST", "/activate", "templates.activate", None),
    ("POST", "/archive", "templates.archive", None),
    ("POST", "/versions/1/restore", "templates.restore", None),
    ("DELETE", "", "templates.delete", None),
]


@pytest.mark.parametrize(("method", "path", "name", "body"), CHANGES)
async def test_a_change_of_another_version_is_refused(
    local: LocalHub, method: str, path: str, name: str, body: Body | None
) -> None:
    first = await made(local)
    second = await changed(local, first["id"], {"body": "second"})
    for version in ('"1"', '"3"', '"1", "3"'):
        answer = await ask(
            local, method, f"/{first['id']}{path}", body, headers={"If-Match": version}
        )
        check_refused(answer, 412)
    async with connect(local, local.keys["merchant"]) as socket:
        params = {"id": first["id"], **(body or {})}
        params |= {"number": 1} if path.startswith("/versions") else {}
        error = await refusal(socket, name, params, if_match='"1"')
        assert error["code"] == "precondition_failed"
        assert (await result(socket, "templates.get", {"id": first["id"]}))["template"] == second
        await called(socket, name, params, if_match='"2"')
    answer = await ask(local, "GET", f"/{first['id']}")
    assert answer.status == 404 if method == "DELETE" else answer.headers["etag"] == '"3"'


async def test_two_that_change_one_version_at_once(local: LocalHub) -> None:
    first = await made(local)
    answers = await asyncio.gather(
        *(
            ask(local, "PATCH", f"/{first['id']}", {"body": f"{n}"}, headers={"If-Match": '"1"'})
            for n in range(4)
        )
    )
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412]


async def test_a_template_is_deleted_with_its_versions(local: LocalHub) -> None:
    first = await made(local)
    answer = await ask(local, "DELETE", f"/{first['id']}")
    assert answer.status == 200
    assert answer.json()["id"] == first["id"]
    assert answer.json()["message"]
    for path in ("", "/versions", "/versions/1"):
        check_refused(await ask(local, "GET", f"/{first['id']}{path}"), 404)
    check_refused(await ask(local, "DELETE", f"/{first['id']}"), 404)
    events = await events_of(local, first["id"])
    assert [type_ for type_, _ in events] == ["template_created", "template_deleted"]
    assert events[1][1]["name"] == "hello"
    await made(local)  # its name is free


# ── sent or not ──────────────────────────────────────────────────────────────────────────────────


async def test_activated_archived_and_activated_again(local: LocalHub) -> None:
    template = await made(local)
    statuses = []
    for verb in ("activate", "activate", "archive", "archive", "activate", "archive"):
        answer = await ask(local, "POST", f"/{template['id']}/{verb}")
        assert answer.status == 200, answer.body
        found = answer.json()["template"]
        statuses.append((found["status"], found["version"]))
    assert statuses == [
        ("active", 2), ("active", 2), ("archived", 3), ("archived", 3), ("active", 4),
        ("archived", 5),
    ]  # fmt: skip
    events = await events_of(local, template["id"])
    assert [data["status"] for _, data in events] == [
        "draft", "active", "archived", "active", "archived",
    ]  # fmt: skip


async def test_what_shows_a_picture_needs_it_to_be_sent(local: LocalHub) -> None:
    picture = samples.file(merchant_id=local.merchant_id, status="ready")
    theirs = samples.file(merchant_id=local.other_merchant, status="ready")
    for row in (picture, theirs):
        await local.database.write(lambda tx, row=row: media.insert(tx, row), HUB)  # type: ignore[misc]
    shows: Body = {"type": "image", "media_id": picture.id, "caption": "For {{name}}"}
    body = {"name": "picture", "type": "media", "media": shows}
    foreign = {**body, "media": {**shows, "media_id": theirs.id}}
    check_refused(await ask(local, "POST", "", foreign), 422, "/media/media_id")
    template = await made(local, body)
    assert template["variables"] == ["name"]
    await local.database.write(lambda tx: media.delete(tx, picture.id), HUB)
    answer = await ask(local, "POST", f"/{template['id']}/activate")
    problem = check_refused(answer, 409, "/media/media_id")
    assert "no media" in problem["detail"]
    # It is changed and archived all the same.
    await changed(local, template["id"], {"description": "without its picture"})
    assert (await ask(local, "POST", f"/{template['id']}/archive")).status == 200


async def test_the_seeded_templates_are_active_and_pass_every_check(local: LocalHub) -> None:
    for template in (await ask(local, "GET")).json()["templates"]:
        assert (await ask(local, "POST", f"/{template['id']}/archive")).status == 200
        answer = await ask(local, "POST", f"/{template['id']}/activate")
        assert answer.status == 200, answer.body
        again = answer.json()["template"]
        assert again["variables"] == template["variables"], "as the rules derive them"


# ── whose ────────────────────────────────────────────────────────────────────────────────────────


async def test_an_admin_works_for_a_templates_merchant(local: LocalHub) -> None:
    answer = await ask(local, "POST", "", TEXT, "admin")
    check_refused(answer, 422, "/merchant_id")
    template = await made(local, {**TEXT, "merchant_id": local.other_merchant}, "admin")
    assert template["merchant_id"] == local.other_merchant
    body = {"description": "by an admin"}
    answer = await ask(local, "PATCH", f"/{template['id']}", body, "admin")
    assert answer.json()["template"]["version"] == 2
    versions = await ask(local, "GET", f"/{template['id']}/versions", None, "admin")
    assert versions.json()["versions"][0]["changed_by"] == local.key_ids["admin"]
    everyones = (await ask(local, "GET", "", None, "admin")).json()["templates"]
    assert {t["merchant_id"] for t in everyones} == {local.merchant_id, local.other_merchant}
    for path in ("", "/versions", "/versions/1", "/diff?from=1&to=2"):
        check_refused(await ask(local, "GET", f"/{template['id']}{path}"), 404)


async def test_everyone_of_a_merchant_hears_of_a_change(local: LocalHub) -> None:
    async with connect(local, local.keys["viewer"]) as viewer:
        await viewer.next(type="live")
        template = await made(local)
        event = await viewer.next(type="template_created")
        assert event["subject"] == f"template/{template['id']}"
        await changed(local, template["id"], {"body": "changed"})
        event = await viewer.next(type="template_updated")
        assert (event["data"]["version"], event["data"]["status"]) == (2, "draft")
