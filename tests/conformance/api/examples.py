"""The requests that the document shows: of each operation the first example, as it stands there."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from hub.api.openapi.document import document
from tests.support.rest import Answer, HasPort, call

_READS = ("GET", "HEAD")


class Example(NamedTuple):
    """One request.

    Attributes:
        template: the path with its variables.
        body: None where there is none.
    """

    operation: str
    method: str
    template: str
    path: str
    query: dict[str, Any]
    body: Any

    @property
    def has_id(self) -> bool:
        """Whether it is about one row."""
        return "{" in self.template


def shown() -> list[Example]:
    """An example of each operation that needs a key, those that change nothing and those that
    delete after the others."""
    found = [
        _example(path, method.upper(), operation)
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
        if "security" not in operation
    ]
    order = {"POST": 0, "PUT": 1, "PATCH": 1, "GET": 2, "DELETE": 3}
    return sorted(found, key=lambda each: (order[each.method], each.has_id, each.path))


def _example(template: str, method: str, operation: dict[str, Any]) -> Example:
    path, query = template, {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
        elif parameter["in"] == "query" and "example" in parameter:
            query[parameter["name"]] = parameter["example"]
    body = None
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        body = next(iter(content["examples"].values()))["value"]
    return Example(operation["operationId"], method, template, path, query, body)


async def send(hub: HasPort, key: str, example: Example) -> Answer:
    """Send one."""
    return await call(
        hub, example.method, example.path, example.body, key=key, query=example.query, deadline=30
    )


async def send_all(hub: HasPort, key: str, examples: Iterable[Example]) -> dict[str, Answer]:
    """Send all; what names a row that another one makes later is sent again.

    Returns:
        The answer to each, by operation: the first that is no refusal where there was one.
    """
    answers: dict[str, Answer] = {}
    for group in _groups(examples):
        pending = group
        while pending:
            for example in pending:
                answers[example.operation] = await send(hub, key, example)
            left = [each for each in pending if answers[each.operation].status >= 300]
            if len(left) == len(pending):
                break
            pending = left
    return answers


def _groups(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Those that make and change, those that read, those that delete."""
    examples = list(examples)
    yield [each for each in examples if each.method not in (*_READS, "DELETE")]
    yield [each for each in examples if each.method in _READS]
    yield [each for each in examples if each.method == "DELETE"]
