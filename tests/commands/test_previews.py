"""How a template will look at each gateway, stored or not."""

from typing import Any, get_args

import pytest

from hub.whatsapp.messages import Format
from storage import media
from storage.scope import HUB
from tests.commands.test_templates import BUTTONS, TEXT, ask, check_refused, made
from tests.gateway.calling import called, result
from tests.gateway.local_hub import LocalHub
from tests.storage import samples
from tests.support.ws import connect

pytestmark = pytest.mark.both_engines

Body = dict[str, Any]
FORMATS = {*get_args(Format)}
CONTENT = {key: value for key, value in TEXT.items() if key != "name"}
CHOICE = {key: value for key, value in BUTTONS.items() if key != "name"}


async def previewed(hub: LocalHub, body: Body, who: str = "merchant") -> Body:
    answer = await ask(hub, "POST", "/preview", body, who)
    assert answer.status == 200, answer.body
    said: Body = answer.json()
    return said


async def test_a_stored_template_in_every_format(local: LocalHub) -> None:
    template = await made(local)
    values = {"name": "Anna", "order_id": 7}
    said = await previewed(local, {"template_id": template["id"], "variables": values})
    assert said.keys() == {
        "success", "preview", "text", "content", "variables", "missing", "warnings", "errors",
        "epoch", "offset",
    }  # fmt: skip
    text = "Hello Anna, 7 is here."
    assert said["text"] == text
    assert said["content"] == {"type": "text", "body": text}
    assert (said["variables"], said["missing"]) == (["name", "order_id"], [])
    assert (said["warnings"], said["errors"]) == ([], [])
    assert said["preview"].keys() == FORMATS
    assert said["preview"]["baileys"] == {"text": text}
    assert said["preview"]["cloud"]["text"] == {"body": text}
    assert said["preview"]["whatsapp-web.js"] == said["preview"]["text"] == text
    async with connect(local, local.keys["bot"]) as socket:
        params = {"template_id": template["id"], "variables": values}
        over_socket = await result(socket, "templates.preview", params)
    assert over_socket == {key: said[key] for key in over_socket}


async def test_a_draft_that_is_not_stored(local: LocalHub) -> None:
    said = await previewed(local, {"template": CHOICE}, "viewer")
    assert said["text"] == "Again?\n\n1. Yes\n2. No"
    [yes, no] = said["preview"]["baileys"]["buttons"]
    assert (yes["buttonId"], no["buttonId"]) == ("yes", "no")
    assert said["warnings"], "a gateway without buttons numbers them"
    found = (await ask(local, "GET")).json()["templates"]
    assert {template["status"] for template in found} == {"active"}, "nothing was stored"


async def test_what_is_missing_stays_visible(local: LocalHub) -> None:
    said = await previewed(local, {"template": CONTENT, "variables": {"name": "Anna", "more": 1}})
    assert said["text"] == "Hello Anna, {{order_id}} is here."
    assert (said["missing"], said["errors"]) == (["order_id"], [])
    assert said["preview"]["text"] == said["text"]


async def test_what_is_wrong_is_named_and_nothing_is_converted(local: LocalHub) -> None:
    template = {**CHOICE, "header": "{{title}}", "footer": "x" * 61}
    said = await previewed(local, {"template": template, "variables": {"title": "x" * 61}})
    assert {error["pointer"] for error in said["errors"]} == {"/header", "/footer"}
    assert all("60" in error["message"] for error in said["errors"])
    assert set(said["preview"].values()) == {None}
    assert said["content"]["header"] == "x" * 61
    said = await previewed(local, {"template": CONTENT, "variables": {"name": ["a"]}})
    assert [error["pointer"] for error in said["errors"]] == ["/variables/name"]


async def test_one_format_alone(local: LocalHub) -> None:
    said = await previewed(local, {"template": CHOICE, "format": "cloud"})
    assert said["preview"].keys() == {"cloud"}
    assert said["preview"]["cloud"]["interactive"]["type"] == "button"
    assert said["text"].startswith("Again?")
    assert said["warnings"] == [], "what another format lacks is none of its"
    answer = await ask(local, "POST", "/preview", {"template": CHOICE, "format": "telegram"})
    check_refused(answer, 422, "/format")


async def test_an_uploaded_picture_by_its_address(local: LocalHub) -> None:
    picture = samples.file(
        merchant_id=local.merchant_id, status="ready", url="https://hub.example/api/media/1/content"
    )
    await local.database.write(lambda tx: media.insert(tx, picture), HUB)
    shows = {"type": "media", "media": {"type": "image", "media_id": picture.id, "caption": "A"}}
    said = await previewed(local, {"template": shows})
    assert said["errors"] == []
    assert said["preview"]["cloud"]["image"] == {"link": picture.url, "caption": "A"}
    assert said["preview"]["baileys"] == {"image": {"url": picture.url}, "caption": "A"}
    assert said["preview"]["whatsapp-web.js"]["mimetype"] == "image/jpeg"
    await local.add_key("merchant", "theirs", merchant_id=local.other_merchant)
    for template in (shows, {"type": "media", "media": {"type": "image", "media_id": "none"}}):
        said = await previewed(local, {"template": template}, "theirs")
        assert [error["pointer"] for error in said["errors"]] == ["/media/media_id"]
        assert set(said["preview"].values()) == {None}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/template_id"),
        ({"template_id": "x", "template": CONTENT}, "/template_id"),
        ({"template": {**CONTENT, "name": "hello"}}, "/template/name"),
        ({"template": {"body": "x"}}, "/template/type"),
        ({"template": CONTENT, "variables": []}, "/variables"),
        ({"template": CONTENT, "variables": {"a/b": "x" * 4097}}, "/variables/a~1b"),
        ({"template": CONTENT, "variables": {f"{n}": 1 for n in range(1001)}}, "/variables"),
    ],
)
async def test_what_cannot_be_shown_is_refused(local: LocalHub, body: Body, pointer: str) -> None:
    check_refused(await ask(local, "POST", "/preview", body), 422, pointer)


async def test_a_template_of_another_merchant_is_not_there(local: LocalHub) -> None:
    await local.add_key("viewer", "theirs", merchant_id=local.other_merchant)
    template = await made(local)
    body = {"template_id": template["id"]}
    check_refused(await ask(local, "POST", "/preview", body, "theirs"), 404)
    assert (await previewed(local, body, "admin"))["missing"] == ["name", "order_id"]
    narrowed = {**body, "merchant_id": local.other_merchant}
    check_refused(await ask(local, "POST", "/preview", narrowed, "admin"), 404)


async def test_a_preview_under_a_key_is_made_anew(local: LocalHub) -> None:
    """It changes nothing: asked again, it is answered as things are."""
    template = await made(local)
    async with connect(local, local.keys["merchant"]) as socket:
        params = {"template_id": template["id"]}
        first = await called(socket, "templates.preview", params, key="p-1")
        await result(socket, "templates.update", {"id": template["id"], "body": "Changed"})
        again = await called(socket, "templates.preview", params, key="p-1")
    assert (first["result"]["text"], again["result"]["text"]) == (TEXT["body"].replace(
        "{{ name }}", "{{name}}"), "Changed")  # fmt: skip


async def test_a_value_in_every_text_makes_no_answer_of_megabytes(local: LocalHub) -> None:
    text = "{{a}}" * 35
    rows = [{"title": text, "description": text}] * 10
    sections = [
        {"title": text, "rows": [{"id": f"{place}-{n}", **row} for n, row in enumerate(rows)]}
        for place in range(10)
    ]
    content = {"type": "list", "body": "{{a}}" * 1600, "sections": sections}
    body = {"template": content, "variables": {"a": "\U0001f600" * 4096}}
    answer = await ask(local, "POST", "/preview", body, "viewer")
    assert answer.status == 200
    assert len(answer.body) < 1024 * 1024
    said = answer.json()
    assert said["content"]["body"] == content["body"], "too long to be shown"
    assert f"the body is {1600 * 4096} characters long" in str(said["errors"])
    assert said["preview"]["cloud"] is None
