"""Hostile requests, and connections that are none yet."""

import pytest

from tests.attacks.conftest import Siege
from tests.attacks.refusals import closed, closed_or_held, refused


async def test_big_heads(siege: Siege) -> None:
    seen = await siege("big_heads")
    refused(seen, "431", "414", at_least=3)
    assert set(seen.statuses) == {"431", "414"}, seen


async def test_big_bodies(siege: Siege) -> None:
    seen = await siege("big_bodies")
    refused(seen, "413", "401")
    assert "201" not in seen.statuses, seen


async def test_keeping_the_hub_waiting(siege: Siege) -> None:
    seen = await siege("waiting")
    assert set(seen.ends) == {"open"}, seen


@pytest.mark.slow
async def test_who_keeps_the_hub_waiting_is_sent_away(siege: Siege) -> None:
    seen = await siege("waiting", 12.0)
    assert seen.statuses["408"] == 700, seen  # half requests and dripping ones
    assert seen.ends["4005"] == 500, seen
    # The half bodies have 30 s; who said nothing at all is told nothing.
    assert seen.ends["open"] == 200, seen
    assert seen.ends["eof"] + seen.ends["reset"] == 1200, seen


async def test_coming_and_going(siege: Siege) -> None:
    closed(await siege("coming_and_going"), "1002", at_least=50)


async def test_pipelines(siege: Siege) -> None:
    seen = await siege("pipelined")
    assert set(seen.statuses) <= {"200", "400", "429", "503"}, seen


async def test_pipelines_whose_answers_are_not_read(siege: Siege) -> None:
    await siege("deaf_pipeline")


async def test_big_pages(siege: Siege) -> None:
    refused(await siege("big_pages"), "200", "429")


async def test_guessing_keys(siege: Siege) -> None:
    seen = await siege("wrong_keys")
    refused(seen, "401", "429")
    assert set(seen.statuses) <= {"401", "429", "400"}, seen  # 400: too many requests at once


async def test_guessing_keys_at_the_socket(siege: Siege) -> None:
    seen = await siege("wrong_keys_at_the_socket")
    assert set(seen.statuses) <= {"101", "401", "429", "503"}, seen
    closed_or_held(seen, "4001", "4102")
    assert seen.ends["4001"] >= 10, seen
    assert seen.frames["connected"] == 0, seen
