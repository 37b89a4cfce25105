"""What a template was: its versions, what differs between two, and one that is written again."""

from typing import Any

import pytest

from tests.commands.test_templates import (
    BUTTONS,
    PATH,
    SEEDED,
    TEXT,
    ask,
    changed,
    check_refused,
    events_of,
    made,
)
from tests.gateway.calling import result
from tests.gateway.local_hub import LocalHub
from tests.support.rest import call as rest
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

Body = dict[str, Any]


async def diffed(hub: LocalHub, id_: str, before: int, after: int) -> list[tuple[str, Any, Any]]:
    pair: dict[str, Any] = {"from": before, "to": after}
    answer = await ask(hub, "GET", f"/{id_}/diff", **pair)
    assert answer.status == 200, answer.body
    return [
        (change["field"], change["before"], change["after"]) for change in answer.json()["changes"]
    ]


async def test_every_change_is_kept_newest_first(local: LocalHub) -> None:
    first = await made(local)
    await changed(local, first["id"], {"body": "second {{x}}"})
    await ask(local, "POST", f"/{first['id']}/activate")
    said = (await ask(local, "GET", f"/{first['id']}/versions")).json()
    assert said.keys() == {"success", "versions", "count", "next", "epoch", "offset"}
    found = said["versions"]
    assert [(one["version"], one["body"], one["status"]) for one in found] == [
        (3, "second {{x}}", "active"), (2, "second {{x}}", "draft"), (1, TEXT["body"], "draft"),
    ]  # fmt: skip
    assert {one["changed_by"] for one in found} == {local.key_ids["merchant"]}
    one = await ask(local, "GET", f"/{first['id']}/versions/2")
    assert one.json()["version"] == found[1]
    async with connect(local, local.keys["viewer"]) as socket:
        params = {"id": first["id"], "number": 2}
        assert (await result(socket, "templates.version", params))["version"] == found[1]
        params = {"id": first["id"]}
        assert (await result(socket, "templates.versions", params))["versions"] == found


async def test_versions_come_in_pages(local: LocalHub) -> None:
    first = await made(local)
    for n in range(4):
        await changed(local, first["id"], {"body": f"{n}"})
    seen = []
    answer = await ask(local, "GET", f"/{first['id']}/versions", limit=2)
    while True:
        seen += [one["version"] for one in answer.json()["versions"]]
        if answer.json()["next"] is None:
            break
        target = answer.headers["link"].partition("<")[2].partition(">")[0]
        answer = await rest(local, "GET", target, key=local.keys["merchant"])
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/versions/0", "/number"),
        ("/versions/x", "/number"),
        ("/versions/99999999999999999999", "/number"),
        ("/versions?after=x", "/after"),
        ("/versions?limit=0", "/limit"),
        ("/diff?from=1", "/to"),
        ("/diff?from=0&to=1", "/from"),
    ],
)
async def test_what_is_no_number_is_named(local: LocalHub, path: str, pointer: str) -> None:
    first = await made(local)
    check_refused(await ask(local, "GET", f"/{first['id']}{path}"), 422, pointer)


async def test_a_version_that_never_was(local: LocalHub) -> None:
    first = await made(local)
    for path in ("/versions/2", "/diff?from=1&to=2", "/diff?from=7&to=1"):
        problem = check_refused(await ask(local, "GET", f"/{first['id']}{path}"), 404)
        assert "no version" in problem["detail"]
    check_refused(await ask(local, "POST", f"/{first['id']}/versions/2/restore"), 404)
    check_refused(await ask(local, "POST", f"/{first['id']}/versions/x/restore"), 422, "/number")


async def test_what_differs_field_by_field(local: LocalHub) -> None:
    first = await made(local, BUTTONS)
    buttons = [*BUTTONS["buttons"], {"id": "later", "label": "Later {{when}}"}]
    await changed(local, first["id"], {"buttons": buttons, "footer": "Bye", "name": "asked"})
    await ask(local, "POST", f"/{first['id']}/activate")
    assert await diffed(local, first["id"], 1, 2) == [
        ("buttons", BUTTONS["buttons"], buttons),
        ("footer", None, "Bye"),
        ("name", "ask_again", "asked"),
        ("variables", [], ["when"]),
    ]
    assert await diffed(local, first["id"], 2, 3) == [("status", "draft", "active")]
    assert await diffed(local, first["id"], 3, 3) == []
    backwards = await diffed(local, first["id"], 2, 1)
    assert ("footer", "Bye", None) in backwards


async def test_an_old_version_is_written_as_the_next(local: LocalHub) -> None:
    first = await made(local, BUTTONS)
    text = {"type": "text", "buttons": None, "body": "{{x}}", "name": "other"}
    await changed(local, first["id"], text)
    await ask(local, "POST", f"/{first['id']}/activate")
    answer = await ask(local, "POST", f"/{first['id']}/versions/1/restore")
    assert answer.status == 200, answer.body
    restored = answer.json()["template"]
    assert restored["version"] == 4
    assert restored["status"] == "active", "what it says is restored, not whether it is sent"
    for name in ("name", "type", "body", "buttons", "variables"):
        assert restored[name] == first[name]
    assert await diffed(local, first["id"], 1, 4) == [("status", "draft", "active")]
    again = await ask(local, "POST", f"/{first['id']}/versions/4/restore")
    assert again.json()["template"] == restored, "what it says already changes nothing"
    events = await events_of(local, first["id"])
    assert [data["version"] for _, data in events] == [1, 2, 3, 4]


async def test_a_name_that_is_taken_meanwhile_is_not_restored(local: LocalHub) -> None:
    first = await made(local)
    await changed(local, first["id"], {"name": "renamed"})
    await made(local)
    answer = await ask(local, "POST", f"/{first['id']}/versions/1/restore")
    check_refused(answer, 409, "/name")


async def test_a_restore_over_the_socket(local: LocalHub) -> None:
    first = await made(local)
    await changed(local, first["id"], {"body": "second"})
    async with connect(local, local.keys["merchant"]) as socket:
        said = await result(socket, "templates.restore", {"id": first["id"], "number": 1})
    assert said["template"]["body"] == TEXT["body"]
    assert said.keys() == {"template"}


async def test_seeded_templates_have_a_first_version(local: LocalHub) -> None:
    found = (await rest(local, "GET", PATH, key=local.keys["bot"])).json()["templates"]
    assert [template["name"] for template in found] == SEEDED
    for template in found:
        path = f"{PATH}/{template['id']}/versions"
        [only] = (await rest(local, "GET", path, key=local.keys["bot"])).json()["versions"]
        assert (only["version"], only["body"]) == (1, template["body"])
