"""pywa, a public library for the Cloud API, sends the messages that we make and reads the same
replies.
"""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from pywa.client import WhatsApp
from pywa.types.base_update import RawUpdate
from pywa.types.callback import (
    Button,
    CallbackButton,
    CallbackSelection,
    Section,
    SectionList,
    SectionRow,
)

from hub.templates.content import Content
from hub.whatsapp.convert import convert
from hub.whatsapp.messages import MediaSource
from hub.whatsapp.replies import parse
from tests.templates.contents import contents, spoken, unhurried

from .examples import EXAMPLES, TO
from .taps import offered, replied
from .test_properties import filled_and_cut

BY_DEFAULT = {"recipient_type": "individual"}
"""What pywa writes out and the API takes for granted."""


class Pywa:
    """The library on a connection that only notes what it sends."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        session = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.client = WhatsApp(phone_id="15550001111", token="none", session=session)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(json.loads(request.content))
        contact = {"input": TO, "wa_id": TO}
        answer = {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": "w"}]}
        return httpx.Response(200, json=answer)

    def message(self, content: Content, file: MediaSource) -> dict[str, Any]:
        """The body that the library sends for a content, by its own functions and types."""
        client = self.client
        if content.media is not None:
            where = file.id or file.url or content.media.url or ""
            caption = content.joined() or None
            if content.media.type == "image":
                client.send_image(TO, where, caption=caption)
            else:
                client.send_document(TO, where, caption=caption, filename=file.file_name)
        elif content.type == "text":
            client.send_message(TO, content.joined())
        else:
            client.send_message(
                TO, content.body or "", content.header, content.footer, buttons=_choices(content)
            )
        sent = self.sent.pop()
        sent.get("text", {}).pop("preview_url", None)
        without_nulls: dict[str, Any] = _without_nulls(sent)
        return without_nulls


def _choices(content: Content) -> list[Button] | SectionList:
    opener = content.button_text or "Choose"
    if len(content.buttons) > 3:
        rows = [SectionRow(button.label, button.id) for button in content.buttons]
        return SectionList(opener, [Section(None, rows)])  # type: ignore[arg-type]
    if content.buttons:
        return [Button(button.label, button.id) for button in content.buttons]
    sections = [
        Section(
            section.title,  # type: ignore[arg-type]
            [SectionRow(row.title, row.id, row.description) for row in section.rows],
        )
        for section in content.sections
    ]
    return SectionList(opener, sections)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def pywa() -> Pywa:
    return Pywa()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_library_sends_the_message_that_we_make(pywa: Pywa, name: str) -> None:
    example = EXAMPLES[name]
    ours = example.converted("cloud").message
    assert isinstance(ours, dict)
    file_name = ours[ours["type"]].get("filename")
    source = example.media or MediaSource()
    file = MediaSource(url=source.url, id=source.id, file_name=file_name)
    assert pywa.message(example.filled().content, file) == ours | BY_DEFAULT


@unhurried
@given(content=contents(), values=spoken)
def test_and_so_for_all_templates_and_values(
    pywa: Pywa, content: Content, values: dict[str, Any]
) -> None:
    filled = filled_and_cut(content, values)
    ours = convert(filled, "cloud", TO).message
    assert isinstance(ours, dict)
    file = MediaSource(file_name=ours[ours["type"]].get("filename"))
    assert pywa.message(filled.content, file) == ours | BY_DEFAULT


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith(("button", "list"))])
def test_the_library_reads_the_same_replies(pywa: Pywa, name: str) -> None:
    converted = EXAMPLES[name].converted("cloud")
    for id_, title in offered(converted.message, "cloud"):
        message = replied(converted.message, "cloud", id_, title)
        kind = CallbackButton if "button_reply" in message["interactive"] else CallbackSelection
        theirs = kind.from_update(pywa.client, _webhook(message))
        ours = parse(message)
        assert ours is not None
        assert (ours.id, ours.title) == (theirs.data, theirs.title)
        assert ours.by == ("button" if kind is CallbackButton else "row")


def _webhook(message: dict[str, Any]) -> RawUpdate:
    metadata = {"display_phone_number": "15550001111", "phone_number_id": "15550001111"}
    contact = {"wa_id": TO, "user_id": "ES.1", "profile": {"name": "Zoë"}}
    value = {
        "messaging_product": "whatsapp", "metadata": metadata, "contacts": [contact],
        "messages": [message],
    }  # fmt: skip
    change = {"field": "messages", "value": value}
    update = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]}
    return RawUpdate(json.dumps(update).encode(), hmac_header=None, update_hash="none")
