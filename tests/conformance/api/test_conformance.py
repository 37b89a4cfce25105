"""No finding of the public tool, on either engine, by an operator's key and by an admin's."""

import pytest

from hub.api.openapi.document import described
from tests.api.conftest import World
from tests.conformance.api.tool import Phase, Run, run

TAGS = sorted({each.tag for each in described()})
OF_ADMINS = ("audit", "keys", "merchants", "sessions")
"""Resources with which an admin does what nobody else may."""


def operations(tag: str) -> list[str]:
    return [each.id for each in described() if each.tag == tag]


def check(found: Run) -> None:
    """Nothing was found, and something was asked that the hub takes."""
    assert found.findings == [], "\n\n".join(found.findings)
    assert any(200 <= status < 300 for status in found.statuses), found.statuses


@pytest.mark.parametrize("tag", TAGS)
def test_a_resource(world: World, tag: str) -> None:
    """What the document shows, the edges of every field, and a few random requests."""
    # The edges are a matter of decoding, the same before any engine.
    random: tuple[Phase, ...] = ("examples", "fuzzing")
    phases: tuple[Phase, ...] = ("coverage",) if world.hub.database_url is None else random
    check(
        run(
            world.hub.url, world.keys["merchant"], phases,
            operations=operations(tag), own_key_id=world.ids["merchant"], examples=4,
        )
    )  # fmt: skip


@pytest.mark.parametrize("tag", OF_ADMINS)
def test_a_resource_of_admins(world: World, tag: str) -> None:
    check(
        run(
            world.hub.url, world.keys["admin"], ("examples", "fuzzing"),
            operations=operations(tag), own_key_id=world.ids["admin"], examples=4,
        )
    )  # fmt: skip


def test_one_operation_after_another(world: World) -> None:
    """What one request makes, the next ones read, change and delete."""
    check(
        run(
            world.hub.url, world.keys["merchant"], ("stateful",),
            own_key_id=world.ids["merchant"], examples=15, steps=6,
        )
    )  # fmt: skip


@pytest.mark.slow
def test_all_at_length(world: World) -> None:
    """By an admin, who works for every merchant: the others' keys are above."""
    edges: tuple[Phase, ...] = ("coverage",) if world.hub.database_url is not None else ()
    found = run(
        world.hub.url, world.keys["admin"], (*edges, "fuzzing"),
        own_key_id=world.ids["admin"], examples=8, seed=2,
    )  # fmt: skip
    check(found)
