"""What all tests of the stream share."""

import math

import pytest

from hub.stream import log


@pytest.fixture(autouse=True)
def patient_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group takes all that waits, however slow the machine; a test may say otherwise."""
    monkeypatch.setattr(log, "GROUP_SECONDS", math.inf)
