"""What belongs to a merchant is its own, whatever another merchant's keys ask for."""

import re

from hub.api.openapi.examples import ID
from tests.api.conftest import World
from tests.conformance.api.examples import Example, send, send_all, shown
from tests.support.rest import Answer, call

_PASSING = re.compile(r'"(?:offset|next)":\d+,?|"oldest_seconds":[\d.]+,?|[?]exp=[^"]*')


async def test_what_names_a_row_of_another_merchant_changes_and_shows_nothing(world: World) -> None:
    """The rows are those of merchant two; merchant one and its bot send every example there is."""
    making = [each for each in shown() if each.method != "DELETE"]
    made = await send_all(world.hub, world.keys["owner"], making)
    assert any(ID in text_of(answer) for answer in made.values())
    before = await everything_of(world, "owner")
    for name in ("merchant", "viewer", "bot"):
        for example in shown():
            answer = await send(world.hub, world.keys[name], without_its_own_id(example))
            if names_a_row(example):
                assert 400 <= answer.status < 500, (name, example, answer)
            else:
                assert answer.status < 500, (name, example, answer)
                assert ID not in text_of(answer), (name, example, answer)
    assert await everything_of(world, "owner") == before


def without_its_own_id(example: Example) -> Example:
    """Made under an id of its own: merchants may have rows of the same id."""
    if example.has_id or not isinstance(example.body, dict):
        return example
    return example._replace(
        body={name: value for name, value in example.body.items() if name != "id"}
    )


def names_a_row(example: Example) -> bool:
    """Whether it names a row that merchant two has made."""
    return ID in example.path or ID in str(without_its_own_id(example).body)


def text_of(answer: Answer) -> str:
    """An answer as text; a picture has none that matters."""
    return answer.body.decode(errors="replace")


async def everything_of(world: World, name: str) -> list[str]:
    """Every event and every change of a merchant, and all of its rows."""
    found = []
    for example in shown():
        if example.method == "GET" and example.operation not in ("sessions.list", "session.show"):
            answer = await call(
                world.hub, "GET", example.path, key=world.keys[name], query=example.query
            )
            # Offsets are the log's, which all merchants share; an address is signed for a while.
            found.append(_PASSING.sub("", text_of(answer)))
    return found
