"""Every limit of WhatsApp: as long as it may be, and one character longer."""

from collections.abc import Callable

import pytest

from hub.templates.content import Content
from hub.templates.filling import check, fill
from storage.merchant_records import Button, Section, SectionRow, TemplateMedia

Make = Callable[[str], Content]


A = SectionRow("1", "A")


def buttons(
    label: str = "Yes",
    id_: str = "1",
    body: str = "Body",
    header: str | None = None,
    count: int = 1,
) -> Content:
    more = [Button(f"more {number}", f"More {number}") for number in range(count - 1)]
    return Content(type="buttons", body=body, header=header, buttons=[Button(id_, label), *more])


def listing(
    row: SectionRow = A,
    title: str | None = None,
    opener: str | None = None,
    body: str = "Body",
    footer: str | None = None,
) -> Content:
    return Content(
        type="list", body=body, footer=footer, button_text=opener, sections=[Section([row], title)]
    )


def picture(caption: str | None, header: str | None = None, body: str | None = None) -> Content:
    media = TemplateMedia("image", "https://example.com/a.png", caption=caption)
    return Content(type="media", media=media, header=header, body=body)


TEXTS: list[tuple[str, int, Make]] = [
    ("/body", 4096, lambda x: Content(type="text", body=x)),
    ("/body", 1024, lambda x: buttons(body=x)),
    ("/body", 1024, lambda x: listing(body=x)),
    ("/body", 1024, lambda x: picture(None, body=x)),
    ("/media/caption", 1024, picture),
    ("/header", 60, lambda x: buttons(header=x)),
    ("/header", 60, lambda x: Content(type="text", body="Body", header=x)),
    ("/footer", 60, lambda x: Content(type="text", body="Body", footer=x)),
    ("/footer", 60, lambda x: listing(footer=x)),
    ("/button_text", 20, lambda x: listing(opener=x)),
    ("/buttons/0/label", 20, buttons),
    ("/sections/0/title", 24, lambda x: listing(title=x)),
    ("/sections/0/rows/0/title", 24, lambda x: listing(SectionRow("1", x))),
    ("/sections/0/rows/0/description", 72, lambda x: listing(SectionRow("1", "A", x))),
]  # fmt: skip
IDS: list[tuple[str, int, Make]] = [
    ("/buttons/0/id", 256, lambda x: buttons(id_=x)),
    ("/buttons/0/id", 200, lambda x: buttons(id_=x, count=4)),
    ("/sections/0/rows/0/id", 200, lambda x: listing(SectionRow(x, "A"))),
]


@pytest.mark.parametrize(("pointer", "limit", "make"), TEXTS + IDS)
@pytest.mark.parametrize("character", ["x", "é", "漢", "😀"])
def test_a_text_is_measured_in_characters_before_values_are_filled_in(
    pointer: str, limit: int, make: Make, character: str
) -> None:
    assert check(make(character * limit)) == []
    [error] = check(make(character * (limit + 1)))
    assert error.pointer == pointer
    assert f"{limit + 1} characters long; the limit is {limit}" in error.message


@pytest.mark.parametrize(("pointer", "limit", "make"), TEXTS)
def test_and_after_values_are_filled_in(pointer: str, limit: int, make: Make) -> None:
    content = make("{{value}}" + "x" * (limit - 10))
    assert check(content) == []
    assert fill(content, {"value": "v" * 10}).errors == []
    [error] = fill(content, {"value": "v" * 11}).errors
    assert error.pointer == pointer
    assert f"{limit + 1} characters long; the limit is {limit}" in error.message


@pytest.mark.parametrize(("pointer", "limit", "make"), TEXTS)
def test_a_placeholder_counts_as_no_character(pointer: str, limit: int, make: Make) -> None:
    assert check(make("x" * limit + "{{value}}")) == []
    [error] = check(make("x" * (limit + 1) + "{{value}}"))
    assert error.pointer == pointer
    preview = fill(make("x" * limit + "{{value}}"), {}, strict=False)
    assert (preview.errors, preview.missing) == ([], ["value"])


@pytest.mark.parametrize(("pointer", "limit", "make"), TEXTS)
def test_a_text_may_not_be_empty(pointer: str, limit: int, make: Make) -> None:
    for blank in ("", " ", "\n\t\u00a0"):
        assert pointer in [error.pointer for error in check(make(blank))]
    [error] = fill(make("{{value}}"), {"value": " "}).errors
    assert (error.pointer, "empty" in error.message) == (pointer, True)


@pytest.mark.parametrize(("pointer", "limit", "make"), TEXTS)
def test_who_asks_for_it_gets_a_text_that_is_cut(pointer: str, limit: int, make: Make) -> None:
    content = make("<{{value}}")
    filled = fill(content, {"value": "v" * 5000}, truncate=True)
    assert filled.errors == []
    assert filled.content == make("<" + "v" * (limit - 2) + "…")
    fitting = fill(content, {"value": "v" * (limit - 1)}, truncate=True)
    assert fitting.content == make("<" + "v" * (limit - 1))


@pytest.mark.parametrize(
    ("content", "pointer", "limit"),
    [
        (Content(type="text", header="h" * 60, footer="f" * 60, body="{{x}}"), "/body", 4096),
        (picture("{{x}}", header="h" * 60), "/media/caption", 1024),
        (picture(None, header="h" * 60, body="{{x}}"), "/body", 1024),
    ],
    ids=["text", "caption", "body of a picture"],
)
def test_what_is_sent_as_one_text_is_measured_as_one(
    content: Content, pointer: str, limit: int
) -> None:
    room = limit - len(content.joined()) + len("{{x}}")
    assert len(fill(content, {"x": "v" * room}).content.joined()) == limit
    assert fill(content, {"x": "v" * room}).errors == []
    [error] = fill(content, {"x": "v" * (room + 1)}).errors
    assert error.pointer == pointer
    assert f"together with header and footer is {limit + 1} characters" in error.message
    for length in (room + 1, 10_000):
        cut = fill(content, {"x": "v" * length}, truncate=True)
        assert cut.errors == []
        assert len(cut.content.joined()) == limit


def test_addresses_and_ids_are_never_cut() -> None:
    media = TemplateMedia("image", "https://a.example/{{x}}")
    long = fill(Content(type="media", media=media), {"x": "v" * 2048}, truncate=True)
    assert [error.pointer for error in long.errors] == ["/media/url"]
    assert fill(Content(type="media", media=media), {"x": "v" * 2030}, truncate=True).errors == []
    long = fill(buttons(id_="i" * 257), {}, truncate=True)
    assert [error.pointer for error in long.errors] == ["/buttons/0/id"]
