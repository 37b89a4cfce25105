"""What a gateway does not have is expressed otherwise, or refused with the field's name."""

from typing import Any

import pytest

from hub.protocol.errors import InvalidParams
from hub.templates.content import Content
from hub.templates.filling import fill, variables
from hub.whatsapp.convert import convert
from hub.whatsapp.messages import Choice, Format, MediaSource
from storage.merchant_records import Button, Section, SectionRow, TemplateMedia
from storage.seeds import default_templates

from .examples import EXAMPLES, FORMATS

PICTURE = Content(type="media", media=TemplateMedia("image", media_id="m"))
PAPER = Content(type="media", media=TemplateMedia("document", media_id="m"))


def shown(content: Content, format_: Format, media: MediaSource | None = None) -> Any:
    return convert(fill(content, {}), format_, "1", media).message


def refused(content: Content, format_: Format, media: MediaSource | None = None) -> dict[str, str]:
    with pytest.raises(InvalidParams) as refusal:
        convert(fill(content, {}), format_, "1", media)
    assert refusal.value.errors[0].pointer in refusal.value.message
    return {error.pointer: error.message for error in refusal.value.errors}


@pytest.mark.parametrize("format_", FORMATS)
def test_a_template_with_faults_is_not_converted(format_: Format) -> None:
    faulty = Content(type="buttons", header="h" * 61, body="{{name}}")
    assert sorted(refused(faulty, format_)) == ["/buttons", "/header", "/variables/name"]


def test_a_refusal_names_a_few_faults_and_has_all_of_them() -> None:
    many = Content(type="buttons", body="x", buttons=[Button("1", "l" * 21)] * 10)
    with pytest.raises(InvalidParams, match=r"and 23 more$") as refusal:
        convert(fill(many, {}), "cloud")
    assert len(refusal.value.errors) == 28


@pytest.mark.parametrize("format_", FORMATS)
def test_a_preview_shows_what_is_missing(format_: Format) -> None:
    content = Content(type="text", body="Hello {{name}}")
    message = convert(fill(content, {}, strict=False), format_, "1").message
    assert "Hello {{name}}" in str(message)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_templates_of_every_merchant_can_be_sent(format_: Format) -> None:
    for template in default_templates("merchant", "2026-01-01T00:00:00.000Z", lambda: "id"):
        content = Content.of(template)
        assert variables(content) == template.variables
        filled = fill(content, template.example_payload or {})
        converted = convert(filled, format_, "1")
        assert len(converted.choices) == len(template.buttons or [])
        if format_ == "cloud":
            assert converted.warnings == []


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_offers_the_same_choices(format_: Format) -> None:
    assert EXAMPLES["buttons"].converted(format_).choices == [
        Choice(1, "track", "Track A-1042"),
        Choice(2, "help", "Help", "help:order"),
    ]
    assert EXAMPLES["list"].converted(format_).choices == [
        Choice(1, "soup", "Soup"),
        Choice(2, "bread", "Bread"),
        Choice(3, "fish", "Fish for Zoë"),
    ]
    assert EXAMPLES["buttons-four"].converted(format_).choices[3] == Choice(4, "size-XL", "XL")
    assert EXAMPLES["text"].converted(format_).choices == []


def test_a_header_that_does_not_fit_into_the_text_of_baileys_buttons_is_left_out() -> None:
    for length, text in ((1016, "Header\n\n" + "b" * 1016), (1017, "b" * 1017)):
        content = Content(
            type="buttons", header="Header", body="b" * length, buttons=[Button("1", "Yes")]
        )
        converted = convert(fill(content, {}), "baileys")
        assert isinstance(converted.message, dict)
        assert converted.message["text"] == text
        assert [("left out" in warning) for warning in converted.warnings] == [length == 1017]


def test_a_choice_is_one_line_of_a_numbered_text() -> None:
    content = Content(
        type="list",
        body="Body",
        sections=[Section([SectionRow("1", "A\n2. B", "C\r\n\n3. D")], "S\nT")],
    )
    assert shown(content, "text") == "Body\n\nS T\n1. A 2. B - C 3. D"


@pytest.mark.parametrize("format_", ["whatsapp-web.js", "text"])
@pytest.mark.parametrize("name", ["buttons-four", "list-bare"])
def test_numbered_choices_need_no_list(format_: Format, name: str) -> None:
    warnings = EXAMPLES[name].converted(format_).warnings
    assert warnings == (
        ["whatsapp-web.js has no buttons: the choices are numbered."] if format_ != "text" else []
    )


@pytest.mark.parametrize(
    ("format_", "source", "what"),
    [
        ("cloud", MediaSource(data_base64="AA=="), "id at Meta"),
        ("baileys", MediaSource(id="5", data_base64="AA=="), "address"),
        ("baileys_native", MediaSource(id="5"), "address"),
        ("whatsapp-web.js", MediaSource(url="https://a.example/b.png", id="5"), "base64"),
        ("text", MediaSource(id="5", data_base64="AA=="), "address"),
    ],
)
def test_a_file_must_be_there_in_the_form_that_a_gateway_takes(
    format_: Format, source: MediaSource, what: str
) -> None:
    assert what in refused(PICTURE, format_, source)["/media"]
    assert list(refused(PICTURE, format_)) == ["/media/media_id"]


@pytest.mark.parametrize(
    ("content", "limit"), [(PICTURE, 5 * 1024 * 1024), (PAPER, 100 * 1024 * 1024)]
)
@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_may_be_as_large_as_whatsapp_takes(
    content: Content, limit: int, format_: Format
) -> None:
    def source(size: int) -> MediaSource:
        return MediaSource(url="https://a.example/b.png", data_base64="", size=size)

    assert shown(content, format_, source(limit))
    message = refused(content, format_, source(limit + 1))["/media"]
    assert f"{limit + 1} bytes" in message
    assert str(limit) in message


@pytest.mark.parametrize(
    ("path", "file_name", "name", "mime_type"),
    [
        ("x/invoice%201.PDF?a=b.c", None, "invoice 1.PDF", "application/pdf"),
        ("x/..%2F..%2Fetc%2Fp.csv", None, ".._.._etc_p.csv", "text/csv"),
        ("x.y/", None, "document", "application/octet-stream"),
        ("x.unknown", None, "x.unknown", "application/octet-stream"),
        ("x", "a\\b\u202e.txt", "a_b_.txt", "text/plain"),
    ],
)
def test_a_document_has_a_name_and_a_type(
    path: str, file_name: str | None, name: str, mime_type: str
) -> None:
    source = MediaSource(url=f"https://a.example/{path}", file_name=file_name)
    message = shown(PAPER, "baileys", source)
    assert (message["fileName"], message["mimetype"]) == (name, mime_type)
    assert shown(PAPER, "cloud", source)["document"]["filename"] == name


def test_a_type_that_is_known_is_not_guessed() -> None:
    source = MediaSource(url="https://a.example/a.pdf", mime_type="text/css")
    assert shown(PAPER, "baileys", source)["mimetype"] == "text/css"


def test_a_webp_picture_is_warned_of_on_the_cloud_api_only() -> None:
    for format_ in FORMATS:
        warnings = EXAMPLES["image-bare"].converted(format_).warnings
        assert any("WebP" in warning for warning in warnings) == (format_ == "cloud")
    by_name = MediaSource(url="https://a.example/b.webp")
    assert "WebP" in str(convert(fill(PICTURE, {}), "cloud", "1", by_name).warnings)


def test_the_cloud_api_gets_the_jpeg_of_a_webp_picture() -> None:
    jpeg, webp = "https://a.example/content?variant=jpeg", "https://a.example/b.webp"
    made = MediaSource(url=webp, jpeg_url=jpeg, file_name="b.webp")
    cloud = convert(fill(PICTURE, {}), "cloud", "1", made)
    assert isinstance(cloud.message, dict)
    assert cloud.message["image"]["link"] == jpeg
    assert not any("WebP" in warning for warning in cloud.warnings)
    assert shown(PICTURE, "baileys", made)["image"] == {"url": webp}
    # A picture of another kind stays what it is.
    png = MediaSource(url="https://a.example/b.png", jpeg_url=jpeg)
    assert isinstance(message := convert(fill(PICTURE, {}), "cloud", "1", png).message, dict)
    assert message["image"]["link"] == "https://a.example/b.png"
