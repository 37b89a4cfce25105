"""Hostile messages: events and subscriptions as fast as they go, and JSON that is none."""

import pytest

from tests.attacks.conftest import Siege
from tests.attacks.refusals import answered, closed, closed_or_held


@pytest.mark.parametrize("attack", ["event_floods", "big_event_floods", "costly_event_floods"])
async def test_every_event_of_a_flood_is_acknowledged_in_order(siege: Siege, attack: str) -> None:
    seen = await siege(attack)  # the attack itself counts and compares
    answered(seen, "ack")
    closed_or_held(seen)


async def test_known_ids_for_ever(siege: Siege) -> None:
    seen = await siege("duplicate_floods")
    answered(seen, "ack", "error:conflict")
    closed_or_held(seen, "4102")


async def test_broken_json(siege: Siege) -> None:
    seen = await siege("broken_json_floods")
    closed(seen, "4000", at_least=4)
    assert seen.frames["error:bad_frame"] >= 4 * 63


async def test_invalid_events(siege: Siege) -> None:
    seen = await siege("invalid_event_floods")
    answered(seen, "error:invalid_event", "error:unknown_type")
    closed_or_held(seen, "4102")


async def test_subscriptions_without_end(siege: Siege) -> None:
    seen = await siege("subscribe_floods")
    answered(seen, "subscribed")
    closed_or_held(seen, "4102")


async def test_brackets(siege: Siege) -> None:
    closed_or_held(await siege("nested_json_floods"), "4000", "4102")


async def test_numbers(siege: Siege) -> None:
    closed_or_held(await siege("number_floods"), "4000", "4102")


async def test_batches_of_garbage(siege: Siege) -> None:
    closed_or_held(await siege("garbage_batches"), "4102")


async def test_credentials_without_end(siege: Siege) -> None:
    closed_or_held(await siege("credential_floods"), "4102")
