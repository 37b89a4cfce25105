"""What a template must be besides short: the right members, counts, ids and addresses."""

from typing import Any

import pytest

from hub.templates.content import Content
from hub.templates.filling import check, fill
from storage.merchant_records import Button, Section, SectionRow, Template, TemplateMedia


def faults(content: Content) -> list[str]:
    return [error.pointer for error in check(content)]


def rows(*counts: int, title: str | None = "Title") -> list[Section]:
    """Sections of so many rows each."""
    return [
        Section([SectionRow(f"{n}.{row}", f"Row {row}") for row in range(count)], title)
        for n, count in enumerate(counts)
    ]


IMAGE = TemplateMedia("image", None, "7")


def buttons(*ids: str) -> list[Button]:
    return [Button(id_, f"Label {number}") for number, id_ in enumerate(ids)]


@pytest.mark.parametrize(
    ("content", "pointers"),
    [
        (Content(type="text"), ["/body"]),
        (Content(type="text", body="x"), []),
        (Content(type="text", body="x\0y"), ["/body"]),
        (Content(type="buttons", body="x"), ["/buttons"]),
        (Content(type="buttons", buttons=buttons("a")), ["/body"]),
        (Content(type="buttons", body="x", buttons=buttons(*"abcdefghij")), []),
        (Content(type="buttons", body="x", buttons=buttons(*"abcdefghijk")), ["/buttons"]),
        (Content(type="list", body="x"), ["/sections"]),
        (Content(type="list", body="x", sections=rows(10)), []),
        (Content(type="list", body="x", sections=rows(*[1] * 10)), []),
        (Content(type="list", body="x", sections=rows(5, 6)), ["/sections"]),
        (Content(type="list", body="x", sections=rows(*[1] * 11)), ["/sections", "/sections"]),
        (Content(type="list", body="x", sections=rows(1, 0)), ["/sections/1/rows"]),
        (Content(type="list", body="x", sections=rows(1, title=None)), []),
        (
            Content(type="list", body="x", sections=rows(1, 1, title=None)),
            ["/sections/0/title", "/sections/1/title"],
        ),
        (Content(type="media"), ["/media"]),
        (Content(type="media", media=TemplateMedia("image", "https://a.example/")), []),
        (Content(type="media", media=TemplateMedia("document", None, "7")), []),
        (Content(type="media", media=TemplateMedia("image")), ["/media"]),
        (
            Content(type="media", media=TemplateMedia("image", "https://a.b/", "7")),
            ["/media"],
        ),
        (Content(type="media", media=TemplateMedia("image", None, "")), ["/media/media_id"]),
        (
            Content(type="media", body="x", media=TemplateMedia("image", None, "7", "caption")),
            ["/body"],
        ),
        (Content(type="text", body="x", buttons=buttons("a")), ["/buttons"]),
        (Content(type="text", body="x", button_text="Open"), ["/button_text"]),
        (Content(type="buttons", body="x", buttons=buttons("a"), sections=rows(1)), ["/sections"]),
        (
            Content(
                type="list", body="x", sections=rows(1), media=TemplateMedia("image", None, "7")
            ),
            ["/media"],
        ),
    ],
)
def test_each_type_has_its_own_members(content: Content, pointers: list[str]) -> None:
    assert faults(content) == pointers


BAD_IDS = ["", " a", "a ", "\ta", "a\u00a0", "{{name}}", "order {{ name }}", "a\0"]


@pytest.mark.parametrize("id_", BAD_IDS)
def test_an_id_is_sent_as_it_is(id_: str) -> None:
    assert faults(Content(type="buttons", body="x", buttons=buttons(id_))) == ["/buttons/0/id"]
    listed = [Section([SectionRow(id_, "A")])]
    assert faults(Content(type="list", body="x", sections=listed)) == ["/sections/0/rows/0/id"]


def test_ids_and_labels_differ_from_each_other() -> None:
    same = Content(type="buttons", body="x", buttons=[Button("a", "A"), Button("a", "B")])
    [error] = check(same)
    assert (error.pointer, "/buttons/0" in error.message) == ("/buttons/1/id", True)
    same = Content(type="buttons", body="x", buttons=[Button("a", "A"), Button("b", " A ")])
    [error] = check(same)
    assert (error.pointer, "/buttons/0" in error.message) == ("/buttons/1/label", True)
    listed = [Section([SectionRow("1", "A")], "S"), Section([SectionRow("1", "A")], "T")]
    assert faults(Content(type="list", body="x", sections=listed)) == ["/sections/1/rows/0/id"]


def test_values_may_not_make_two_labels_the_same() -> None:
    content = Content(
        type="buttons", body="x", buttons=[Button("1", "Pay {{a}}"), Button("2", "Pay {{b}}")]
    )
    assert check(content) == []
    assert fill(content, {"a": "now", "b": "later"}).errors == []
    assert [e.pointer for e in fill(content, {"a": "now", "b": "now"}).errors] == [
        "/buttons/1/label"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/a.png", "ftp://a.example/", "javascript:alert(1)", "https://", "https:///a",
        "https://{{host}}/a.png", "https://a.{{host}}/a.png", "https://a.example:{{port}}/",
        "{{url}}",
        "https://user@a.example/", "https://a.example/a b.png", "https://a.example\\@b.example/",
        "https://a.example?{{q}}", "https://a.example/\x1f", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_an_address_names_its_host_itself(url: str) -> None:
    assert "/media/url" in faults(Content(type="media", media=TemplateMedia("image", url)))


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example", "http://a.example/b.png", "HTTPS://A.example:8443/{{ a }}/b?c={{d}}#e",
        "https://[2001:db8::1]/x", "https://bücher.example/ü.png", "https://a.example/..a/b..",
    ],
)  # fmt: skip
def test_and_may_have_placeholders_after_it(url: str) -> None:
    assert faults(Content(type="media", media=TemplateMedia("image", url))) == []


@pytest.mark.parametrize("path", ["..", ".", "a/../b", "%2e%2E/a", ".%2e?b", "a\\..\\b", "a/..#b"])
def test_an_address_does_not_climb(path: str) -> None:
    media = TemplateMedia("image", f"https://a.example/{path}")
    assert faults(Content(type="media", media=media)) == ["/media/url"]


def template(**members: Any) -> Template:
    return Template(
        id="1", merchant_id="2", name="name", variables=[], created_at="", updated_at="", **members
    )


def test_a_stored_template_has_a_content_without_its_blanks() -> None:
    stored = template(
        type="list", header="", body="b", footer="", button_text="", buttons=None,
        sections=[Section([SectionRow("1", "A", ""), SectionRow("2", "", "d")], "")],
    )  # fmt: skip
    assert Content.of(stored) == Content(
        type="list",
        body="b",
        sections=[Section([SectionRow("1", "A"), SectionRow("2", "", "d")])],
    )
    media = TemplateMedia("image", "https://a.example", caption="")
    assert Content.of(template(type="media", media=media)) == Content(
        type="media", media=TemplateMedia("image", "https://a.example")
    )
    sections = [Section([SectionRow("1", "A", "d")], "S")]
    assert Content.of(template(type="list", body="b", sections=sections)).sections == sections
