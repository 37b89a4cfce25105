"""Whatever stands in a request, of every command: refused or done, and never a failure of the hub.

A table of odd values is put into every field of every body and every parameter, on either engine.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hub.api.openapi import examples
from hub.commands.command import Command
from hub.commands.table import COMMANDS
from tests.commands.conftest import local as local
from tests.commands.conftest import shop as shop
from tests.commands.shop import Shop
from tests.conformance.api.examples import send_all, shown
from tests.gateway.calling import refusal, result
from tests.support.rest import Answer, call
from tests.support.ws import connect

REFUSED = {
    "U+0000": '"a\\u0000b"',
    "U+0000 in a name": '{"a\\u0000b":1}',
    "half of a surrogate pair": '"\\ud800"',
    "half of a pair behind a whole one": '"\\ud83d\\ude00\\ude00"',
    "a number beyond all": "1e999",
    "an integer beyond all": "1" + "0" * 400,
    "no number": "NaN",
    "nested deep": "[" * 100 + "]" * 100,
    "nested deeper than anything": "[" * 5000 + "]" * 5000,
}
"""JSON texts, or nearly, that fit in no field."""
ODD = {
    "nothing": "null",
    "an empty text": '""',
    "a text": '"x"',
    "a long text": json.dumps("x" * 70_000),
    "lines": '"a\\nb\\n"',
    "signs": json.dumps("\u202e\U0001f600\ufeff\uffff\x7f"),
    "a list": "[]",
    "an object": "{}",
    "true": "true",
    "zero": "-0",
    "a fraction": "0.1",
    "beyond 32 bits": "4294967296",
    "beyond 64 bits": "9223372036854775808",
    "a whole float": "3.0",
}
"""JSON texts that fit in some."""
IN_ADDRESSES = (
    "%00", "%ff", "%ed%a0%80", "null", "NaN", "1e999", "1" + "0" * 400, "0", "", "x" * 5000, "%0a",
    "..",
)  # fmt: skip
MALFORMED = {
    "half of an object": b'{"a":', "two values": b"{}{}", "no text": b"\xff\xfe{}",
    "a byte order mark": b"\xef\xbb\xbf{}", "half of a surrogate pair in UTF-8": b'"\xed\xa0\x80"',
    "single quotes": b"{'a':1}", "a comment": b"{/**/}", "a list": b"[]", "a text": b'"x"',
    "null": b"null", "a number": b"1", "a comma too much": b'{"a":1,}', "spaces": b"   ",
}  # fmt: skip
PLACE = "@@here@@"
VARIABLES = {
    "{id}": examples.ID, "{number}": "1", "{phone}": "263771", "{name}": "message_sending",
}  # fmt: skip
"""The variables of paths, and values that fit them."""

RESOURCES = sorted({name.partition(".")[0] for name in COMMANDS})


def of_rest(resource: str) -> list[tuple[Command, str, str]]:
    """The commands of a resource with their method and path, the variables filled in."""
    found = []
    for command in COMMANDS.values():
        if command.name.partition(".")[0] == resource and command.http is not None:
            method, _, path = command.http.partition(" ")
            found.append((command, method, filled(path)))
    return found


def takes_json(command: Command, method: str) -> bool:
    """Whether its body is JSON and nothing else; an upload is a picture in several forms."""
    return takes_body(method) and command.name != "media.upload"


def filled(path: str) -> str:
    for variable, value in VARIABLES.items():
        path = path.replace(variable, value)
    return path


def takes_body(method: str) -> bool:
    return method not in ("GET", "DELETE")


def body_of(command: Command) -> dict[str, Any]:
    """A body with every field there is, but for what stands in the path."""
    assert command.http is not None
    whole: dict[str, Any] = examples.example(command.params)
    return {name: value for name, value in whole.items() if f"{{{name}}}" not in command.http}


def with_a_place(value: Any) -> Iterator[Any]:
    """A JSON value with each of its parts, one after the other, replaced by a mark."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield value | {name: PLACE}
            for changed in with_a_place(part):
                yield value | {name: changed}
    elif isinstance(value, list):
        for index, part in enumerate(value):
            for changed in (PLACE, *with_a_place(part)):
                yield [*value[:index], changed, *value[index + 1 :]]


async def ask(shop: Shop, method: str, path: str, raw: bytes = b"", **headers: str) -> Answer:
    return await call(
        shop.hub, method, path, raw=raw or None, key=shop.hub.keys["merchant"],
        headers=headers, deadline=20,
    )  # fmt: skip


async def fill(shop: Shop) -> None:
    """Make the rows that the examples name, so that a request reaches the database."""
    making = [each for each in shown() if each.method not in ("GET", "DELETE")]
    await send_all(shop.hub, shop.hub.keys["merchant"], making)


@pytest.mark.parametrize("resource", RESOURCES)
async def test_odd_values_in_every_field(shop: Shop, resource: str) -> None:
    await fill(shop)
    for command, method, path in of_rest(resource):
        if not takes_body(method):
            continue
        for body in with_a_place(body_of(command)):
            text = json.dumps(body)
            for what, value in (REFUSED | ODD).items():
                raw = text.replace(json.dumps(PLACE), value).encode()
                answer = await ask(shop, method, path, raw)
                assert answer.status < 500, (command.name, what, text, answer)
                if what in REFUSED:
                    assert answer.status in (400, 403, 422), (command.name, what, text, answer)


@pytest.mark.parametrize("resource", RESOURCES)
async def test_odd_values_in_every_address(shop: Shop, resource: str) -> None:
    await fill(shop)
    for command, method, path in of_rest(resource):
        assert command.http is not None
        for value in IN_ADDRESSES:
            if "{" in command.http and value not in ("", ".."):
                _, _, template = command.http.partition(" ")
                for variable in VARIABLES:
                    answer = await ask(shop, method, filled(template.replace(variable, value, 1)))
                    assert answer.status < 500, (command.name, value, answer)
            if not takes_body(method):
                for name in body_of(command):
                    answer = await ask(shop, method, f"{path}?{name}={value}")
                    assert answer.status < 500, (command.name, name, value, answer)


@pytest.mark.parametrize("resource", RESOURCES)
async def test_bodies_that_are_none(shop: Shop, resource: str) -> None:
    for command, method, path in of_rest(resource):
        if not takes_json(command, method):
            continue
        for what, raw in MALFORMED.items():
            answer = await ask(shop, method, path, raw)
            assert answer.status in (400, 403, 422), (command.name, what, answer)
        for media in ("text/plain", "multipart/form-data; boundary=x", "application/xml"):
            answer = await ask(shop, method, path, b"{}", **{"Content-Type": media})
            assert answer.status in (400, 403), (command.name, media, answer)
        for media in ("application/json; charset=utf-8", "application/merge-patch+json"):
            answer = await ask(shop, method, path, b"{}", **{"Content-Type": media})
            assert answer.status != 400, (command.name, media, answer)


@pytest.mark.parametrize("resource", RESOURCES)
async def test_what_nobody_knows_is_named(shop: Shop, resource: str) -> None:
    for command, method, path in of_rest(resource):
        if "merchant" not in command.roles:
            continue
        for name, pointer in (("no_such_field", "/no_such_field"), ("a/b~c", "/a~1b~0c")):
            if takes_body(method):
                # A name that stands twice counts once: the last one.
                body = json.dumps({**body_of(command), name: 1})[:-1] + f', "{name}": 2}}'
                answer = await ask(shop, method, path, body.encode())
            else:
                answer = await ask(shop, method, f"{path}?{name.replace('~', '%7E')}=1")
            assert answer.status == 422, (command.name, answer)
            pointers = [error["pointer"] for error in answer.json()["errors"]]
            assert pointers == [pointer], (command.name, answer)


async def test_a_whole_number_may_be_written_with_a_point(shop: Shop) -> None:
    made = await shop.product(price=250.0, stock=1e1)
    assert (made["price"], made["stock"]) == (250, 10)
    body = {"name": "Tea", "price": 2.5, "currency": "USD"}
    assert await shop.refused(422, "POST", "/products", body) == ["/price"]


async def test_an_address_says_nothing_by_leaving_it_out(shop: Shop) -> None:
    for query in ({"limit": "null"}, {"limit": "NULL"}):
        assert await shop.refused(422, "GET", "/products", **query) == ["/limit"]
    answer = await ask(shop, "GET", "/api/products?limit=1&limit=1")
    assert answer.status == 422
    assert await shop.done("GET", "/products", category="null")


async def test_the_socket_is_as_strict(shop: Shop) -> None:
    async with connect(shop.hub, shop.hub.keys["merchant"]) as socket:
        for params, pointer in (
            ({"name": "a\0b"}, "/params/name"),
            ({"name": 10**400}, "/params/name"),
            ({"name": deep(100)}, "/params/name"),
            ({"a\0b": 1}, "/params"),
            ({"name": "Tea", "price": 2.5, "currency": "USD"}, "/params/price"),
        ):
            error = await refusal(socket, "products.create", params)
            assert error["code"] == "invalid_params"
            assert [each["pointer"] for each in error["errors"]] == [pointer]
        tea = {"name": "Tea", "price": 250.0, "currency": "USD"}
        assert (await result(socket, "products.create", tea))["product"]["price"] == 250


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value
