"""Fixtures that several packages of tests share."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import database as database
from tests.support.databases import store as store
from tests.support.hub_process import HubProcess


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    """A fresh hub with its defaults, listening. For settings of its own, a test makes its own."""
    async with HubProcess(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The installed browser, for Playwright's `executable_path`."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return Path(found)
    reason = "no Chromium on PATH (on Debian: apt-get install chromium)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
