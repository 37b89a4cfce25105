"""Readers that take nothing: they cost the hub their buffers and no more."""

import pytest

from tests.attacks.conftest import Siege


@pytest.mark.parametrize("attack", ["one_stopped_reader", "stopped_readers"])
async def test_followers_that_stop(siege: Siege, attack: str) -> None:
    seen = await siege(attack)
    assert seen.frames["ack"] > 500, seen  # the publisher went on
    assert seen.ends["4103"] == 0, seen  # nobody is cut before 30 s


@pytest.mark.parametrize("attack", ["stopped_streams", "stopped_replays"])
async def test_server_sent_events_that_nobody_reads(siege: Siege, attack: str) -> None:
    seen = await siege(attack)
    assert seen.frames["ack"] > 500, seen


async def test_pages_that_nobody_reads(siege: Siege) -> None:
    seen = await siege("stopped_pages")
    assert seen.frames["ack"] > 500, seen
