"""Hostile frames: compression, fragments, size, control frames."""

import pytest

from tests.attacks.conftest import Siege
from tests.attacks.refusals import closed, closed_or_held


async def test_compression_that_was_not_negotiated(siege: Siege) -> None:
    closed(await siege("compressed"), "1002", at_least=50)


async def test_endless_fragments(siege: Siege) -> None:
    closed(await siege("endless_fragments"), "1009", at_least=4)


async def test_fragments_with_pings_between_them(siege: Siege) -> None:
    # No JSON either: whichever of the two budgets is used up first.
    closed_or_held(await siege("fragments_and_pings"), "4102", "4000")


async def test_frames_of_ten_megabytes(siege: Siege) -> None:
    closed(await siege("giant_frames"), "1009", at_least=50)


async def test_messages_without_their_end(siege: Siege) -> None:
    closed_or_held(await siege("half_messages"), "4101")


@pytest.mark.parametrize(
    "attack",
    [
        "tiny_ping_flood", "tiny_ping_floods", "big_ping_floods", "deaf_ping_floods",
        "pong_floods", "json_ping_floods",
    ],
)  # fmt: skip
async def test_floods_of_control_frames(siege: Siege, attack: str) -> None:
    # Who reads nothing is not told either: the connection is cut.
    ends = ("4102", "reset") if attack.startswith("deaf") else ("4102",)
    closed_or_held(await siege(attack), *ends)
