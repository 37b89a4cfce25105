"""`/openapi.json` and `/docs`: what they say is what the hub has, and costs nobody a request."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from starlette.routing import Route

from hub.api.openapi.document import described, document
from hub.api.routes import ROUTES
from hub.commands.table import COMMANDS
from tests.api.conftest import World
from tests.api.doorway import ALLOWED, opened
from tests.support.rest import call

PAGES = {("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json")}
"""Routes that are for people, or this document itself."""
DOCUMENT = document()
ERRORS = {"400", "401", "403", "404", "409", "412", "413", "422", "429", "500"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("hub"), {"HUB_RATE_LIMIT": "20/15m"}) as made:
        yield made


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


async def test_it_is_served_whole_and_once(world: World) -> None:
    answer = await call(world.hub, "GET", "/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    served = answer.json()
    assert served["info"].pop("version")
    assert served | {"info": None} == json.loads(json.dumps(DOCUMENT)) | {"info": None}
    tag = answer.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await call(world.hub, "GET", "/openapi.json", headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    for other in ('"other"', tag.strip('"')):
        again = await call(world.hub, "GET", "/openapi.json", headers={"If-None-Match": other})
        assert again.status == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_it_is_for_everybody_and_counts_against_no_limit(world: World, path: str) -> None:
    for _ in range(25):
        answer = await call(world.hub, "GET", path, headers={"Origin": ALLOWED})
        assert answer.status == 200
        assert "ratelimit" not in answer.headers
        assert answer.headers["access-control-allow-origin"] == ALLOWED


async def test_the_page_has_the_dashboards_policy(world: World) -> None:
    page = await call(world.hub, "GET", "/docs")
    dashboard = await call(world.hub, "GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
        assert page.headers[name] == dashboard.headers[name]


def test_it_is_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_every_route_is_described_and_every_description_has_its_route() -> None:
    routes = {
        (method, route.path)
        for route in ROUTES
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert {(method, path) for method, path, _ in operations()} == routes - PAGES


def test_every_command_of_rest_is_an_operation_of_its_name() -> None:
    found = {
        f"{method} {path}": operation["operationId"] for method, path, operation in operations()
    }
    assert {
        c.http: c.name for c in COMMANDS.values() if c.http is not None
    }.items() <= found.items()
    assert len(set(found.values())) == len(found)


def test_every_refusal_is_a_problem() -> None:
    for _, _, operation in operations():
        for status, answer in operation["responses"].items():
            if status in ERRORS:
                named = answer["$ref"].rpartition("/")[2]
                content = DOCUMENT["components"]["responses"][named]["content"]
                assert content["application/problem+json"]["schema"]["$ref"].endswith("/Problem")


def test_what_needs_a_key_says_who_may_and_what_is_refused() -> None:
    for _, _, operation in operations():
        if operation.get("security") != []:
            assert {"401", "403"} <= operation["responses"].keys(), operation["operationId"]
        command = COMMANDS.get(operation["operationId"])
        if command is not None and command.http is not None:
            assert operation["x-roles"] == sorted(command.roles)


def test_keys_and_conditions_stand_where_they_count() -> None:
    for _, _, operation in operations():
        command = COMMANDS.get(operation["operationId"])
        named = {each["name"] for each in operation.get("parameters", ())}
        if command is not None and command.http is not None:
            assert ("Idempotency-Key" in named) == command.writes, command.name
            assert ("If-Match" in named) == command.versioned, command.name


def test_a_body_takes_no_unknown_fields() -> None:
    for _, _, operation in operations():
        if operation["operationId"] in COMMANDS and "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert schema["additionalProperties"] is False, operation["operationId"]


def test_links_lead_to_operations_that_take_what_they_bring() -> None:
    by_id = {operation["operationId"]: operation for _, _, operation in operations()}
    links = 0
    for operation in by_id.values():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                links += 1
                target = by_id[link["operationId"]]
                named = {f"{each['in']}.{each['name']}" for each in target["parameters"]}
                assert link["parameters"].keys() <= named
    assert links > 20
    created = by_id["products.create"]["responses"]["201"]["links"]
    assert {"products.get", "products.update", "products.delete"} <= created.keys()


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body that the document describes, with whose it is."""
    for _, _, operation in operations():
        body = operation.get("requestBody", {}).get("content", {})
        if "application/json" in body:
            yield f"{operation['operationId']} asks", body["application/json"]
        for status, answer in operation["responses"].items():
            for content in answer.get("content", {}).values():
                yield f"{operation['operationId']} answers {status}", content
    for name, answer in DOCUMENT["components"]["responses"].items():
        for content in answer["content"].values():
            yield name, content


CONTENTS = list(contents())


@pytest.mark.parametrize("content", CONTENTS, ids=[name for name, _ in CONTENTS])
def test_every_example_fits_its_schema(content: tuple[str, dict[str, Any]]) -> None:
    _, body = content
    schema = {**body["schema"], "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    examples = [each["value"] for each in body.get("examples", {}).values()]
    if "example" in body:
        examples.append(body["example"])
    assert examples or body["schema"] == {"type": "string"}
    for example in examples:
        assert [error.message for error in validator.iter_errors(example)] == []


def test_every_parameters_example_fits_its_schema() -> None:
    for _, _, operation in operations():
        for each in operation.get("parameters", ()):
            if "example" in each:
                jsonschema_rs.validate(each["schema"], each["example"])


def test_no_two_operations_have_one_route() -> None:
    routes = [(each.method, each.path) for each in described()]
    assert len(set(routes)) == len(routes)
