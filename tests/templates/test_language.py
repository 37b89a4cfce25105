"""What a placeholder is, and how values are written."""

from typing import Any

import pytest

from hub.templates.content import Content
from hub.templates.filling import check, fill, variables
from storage.merchant_records import Button, Section, SectionRow, TemplateMedia


def body_of(text: str, values: dict[str, Any]) -> str | None:
    return fill(Content(type="text", body=text), values).content.body


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("no variables", []),
        ("{{name}}", ["name"]),
        ("{{ name }} and {{\tname\n}}", ["name"]),
        ("{{b}} {{a}} {{b}}", ["b", "a"]),
        ("{{1}}{{A_9}}", ["1", "A_9"]),
        ("{{{name}}}", ["name"]),
        ("{name} { {name} } {{}} {{ }}", []),
        ("{{" + "n" * 64 + "}}", ["n" * 64]),
        ("{{" + "n" * 65 + "}}", []),
        ("{{first name}} {{näme}} {{a.b}} {{#if a}}", []),
    ],
)
def test_a_name_between_double_braces_is_a_variable(text: str, names: list[str]) -> None:
    assert variables(Content(type="text", body=text)) == names


def test_variables_come_from_every_text_in_the_order_in_which_they_appear() -> None:
    content = Content(
        type="list",
        header="{{h}}",
        body="{{b}} {{h}}",
        footer="{{f}}",
        button_text="{{o}}",
        sections=[Section([SectionRow("1", "{{t}}", "{{d}}")], "{{s}}")],
    )
    assert variables(content) == ["h", "b", "f", "o", "s", "t", "d"]
    media = TemplateMedia("image", "https://x.y/{{u}}", caption="{{c}}")
    assert variables(Content(type="media", media=media)) == ["u", "c"]
    labels = [Button("1", "{{l}}"), Button("2", "{{m}}")]
    assert variables(Content(type="buttons", body="{{b}}", buttons=labels)) == ["b", "l", "m"]


WRITTEN: list[tuple[object, str]] = [
    ("text", "text"), ("", ""), ("ü😀\n", "ü😀\n"), (True, "true"), (False, "false"), (0, "0"),
    (-12, "-12"), (2**70, "1180591620717411303424"), (12.5, "12.5"), (3.0, "3"), (-0.0, "0"),
    (1e300, "1e+300"), (0.1, "0.1"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "written"), WRITTEN)
def test_a_value_is_written_as_people_write_it(value: object, written: str) -> None:
    assert body_of("-{{x}}-", {"x": value}) == f"-{written}-"


UNWRITABLE = {
    "null": None, "array": ["a"], "object": {"a": 1}, "nan": float("nan"), "infinity": float("inf"),
    "minus infinity": -float("inf"), "half a surrogate pair": "\ud800", "nul": "a\0b",
    "5000 digits": 10**5000,
}  # fmt: skip


@pytest.mark.parametrize("value", UNWRITABLE.values(), ids=UNWRITABLE)
def test_any_other_value_is_refused_by_its_name(value: object) -> None:
    filled = fill(Content(type="text", body="Hi {{who}} {{who}}"), {"who": value})
    [error] = filled.errors
    assert error.pointer == "/variables/who"
    assert error.message.startswith("must be")
    assert filled.content.body == "Hi {{who}} {{who}}"
    assert filled.missing == []


def test_braces_in_a_value_are_text_like_any_other() -> None:
    values = {"a": "{{b}}", "b": "{{a}}", "c": "{", "d": "}}"}
    assert body_of("{{a}} {{b}} {{c}}{{c}}a{{d}}", values) == "{{b}} {{a}} {{a}}"


def test_a_missing_variable_is_an_error_when_sending_and_visible_in_a_preview() -> None:
    content = Content(type="text", body="{{b}}, {{ a }}, {{b}}")
    preview = fill(content, {"unused": "x"}, strict=False)
    assert (preview.missing, preview.errors) == (["b", "a"], [])
    assert preview.content.body == "{{b}}, {{a}}, {{b}}"
    sending = fill(content, {"a": "A"})
    assert sending.missing == ["b"]
    assert [(error.pointer, "missing" in error.message) for error in sending.errors] == [
        ("/variables/b", True)
    ]


@pytest.mark.parametrize(
    "text", ["{{first name}}", "{{näme}}", "{{a.b}}", "{{}}", "a {{ b", "{{" + "n" * 65 + "}}"]
)
def test_double_braces_without_a_name_are_a_fault_that_is_quoted(text: str) -> None:
    [error] = check(Content(type="text", body=f"x {text} y"))
    assert error.pointer == "/body"
    assert text[text.index("{{") :][:40] in error.message


def test_values_in_an_address_are_percent_encoded() -> None:
    address = "https://shop.example/{{ folder }}/{{name}}.png?for={{who}}"
    content = Content(type="media", media=TemplateMedia("image", address, caption="{{name}}"))
    filled = fill(content, {"folder": "a/b", "name": "été 1&2", "who": "{{x}}?#"})
    assert filled.errors == []
    assert filled.content.media == TemplateMedia(
        "image",
        "https://shop.example/a%2Fb/%C3%A9t%C3%A9%201%262.png?for=%7B%7Bx%7D%7D%3F%23",
        caption="été 1&2",
    )


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_cannot_lead_an_address_out_of_its_folder(value: str) -> None:
    content = Content(type="media", media=TemplateMedia("image", "https://a.example/x/{{y}}{{z}}"))
    [error] = fill(content, {"y": value, "z": ""}).errors
    assert error.pointer == "/media/url"
    assert fill(content, {"y": value, "z": "png"}).errors == []


def test_a_megabyte_and_ten_thousand_variables_are_filled_in() -> None:
    long = "ab\n{{x}}" * (1 << 17)
    filled = fill(Content(type="text", body="<{{value}}>"), {"value": long})
    assert filled.content.body == f"<{long}>"
    assert [error.message for error in filled.errors] == [
        f"the body is {len(long) + 2} characters long; the limit is 4096"
    ]
    names = [f"v{number}" for number in range(10_000)]
    content = Content(type="text", body="".join("{{" + name + "}}," for name in names))
    assert variables(content) == names
    filled = fill(content, dict.fromkeys(names, ""))
    assert filled.content.body == "," * 10_000


def test_a_value_in_a_thousand_places_takes_no_gigabyte() -> None:
    content = Content(type="text", header="{{long}}", body="{{long}}" * 1000, footer="{{short}}")
    filled = fill(content, {"long": "x" * (1 << 20), "short": "y"}, truncate=True)
    [error] = filled.errors
    assert error.pointer == "/body"
    assert f"{1000 << 20} characters long; the limit is 4096" in error.message
    assert filled.content.header == "x" * 59 + "…"
    assert filled.content.footer == "y"


@pytest.mark.parametrize("piece", ["{{", "{{ ", "{{a", "{{ a ", "}}", "{", " ", "{{a}}", "a{{ \n"])
def test_a_megabyte_of_braces_is_read_at_once(piece: str) -> None:
    """A pattern that tries every place again for every brace would take hours."""
    text = piece * (1_000_000 // len(piece))
    content = Content(type="text", body=text)
    assert variables(content) == (["a"] if piece == "{{a}}" else [])
    assert fill(content, {}, strict=False).content.body == text
