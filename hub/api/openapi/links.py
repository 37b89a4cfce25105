"""From an answer to what can be done next with its rows: OpenAPI's links, for readers and tools."""

from typing import Any

from .commands import variables
from .operation import Operation

Schema = dict[str, Any]


def links_of(each: Operation, all_: list[Operation]) -> Schema:
    """The operations on a row that an answer made or lists, by their names."""
    place = _row_of(each)
    if place is None:
        return {}
    below = f"{each.path}/{{id}}"
    return {
        other.id: {
            "operationId": other.id,
            "parameters": {"path.id": f"$response.body#{place}/id"},
        }
        for other in all_
        if (other.path == below or other.path.startswith(below + "/"))
        and variables(other.path) == {"id"}
    }


def _row_of(each: Operation) -> str | None:
    """Where the first row of an answer stands, as a pointer."""
    for status, answer in each.answers.items():
        members = answer.content.get("application/json")
        if status < 300 and isinstance(members, dict):
            names = [name for name in members if name != "success"]
            if each.makes:
                return f"/{names[0]}"
            if "next" in members:
                return f"/{names[0]}/0"
    return None
