"""Fixtures that several packages of tests share."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import database as database
from tests.support.databases import empty_postgres_url as empty_postgres_url
from tests.support.databases import empty_store as empty_store
from tests.support.databases import engine as engine
from tests.support.databases import postgres_server as postgres_server
from tests.support.databases import postgres_url as postgres_url
from tests.support.databases import store as store
from tests.support.hub_process import LEAKS, LOGS, HubProcess, search_for_secrets

ATTACKS = Path(__file__).parent / "attacks"


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Attacks are measured: they run when nothing else does."""
    for item in items:
        if item.path.is_relative_to(ATTACKS):
            item.add_marker("alone")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Whatever the tests were about: no hub may have written a secret into its log."""
    for log in LOGS:
        search_for_secrets(log)
    worker: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["leaks"] = sorted(LEAKS)
    elif LEAKS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a process of pytest-xdist has found."""
    LEAKS.update(getattr(node, "workeroutput", {}).get("leaks", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the secrets are."""
    if LEAKS:
        terminalreporter.section("secrets in the logs of hubs", red=True)
        for leak in sorted(LEAKS):
            terminalreporter.write_line(leak)
