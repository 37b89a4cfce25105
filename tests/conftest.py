"""Fixtures that several packages of tests share."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from storage.database import Engine
from tests.support import tracing
from tests.support.databases import ENGINES
from tests.support.databases import database as database
from tests.support.databases import empty_postgres_url as empty_postgres_url
from tests.support.databases import empty_store as empty_store
from tests.support.databases import engine as engine
from tests.support.databases import own_postgres as own_postgres
from tests.support.databases import postgres_server as postgres_server
from tests.support.databases import postgres_url as postgres_url
from tests.support.databases import store as store
from tests.support.hub_process import LEAKS, LOGS, HubProcess, search_for_secrets

FOUND_BEHIND_TESTS = 64
"""The exit status of a run that found secrets or unbound statements. It is none of pytest's own:
a second run of tests that failed says nothing about these."""

# How long an example takes depends on what runs beside it. Where CI is set, Hypothesis has a
# profile of its own, which says this too.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if settings.get_current_profile_name() == "default":
    settings.load_profile("patient")


@pytest.fixture
def hub_engine(request: pytest.FixtureRequest) -> Engine:
    """What a hub keeps its data in: SQLite, or each engine for a test marked `both_engines`."""
    name: Engine = getattr(request, "param", "sqlite")
    return name


@pytest.fixture
def hub_settings(request: pytest.FixtureRequest, hub_engine: Engine) -> dict[str, str]:
    """The settings of a hub on that engine, for a test that adds its own."""
    if hub_engine == "postgres":
        return {"HUB_DATABASE_URL": request.getfixturevalue("postgres_url")}
    return {}


@pytest.fixture
async def hub(tmp_path: Path, hub_settings: dict[str, str]) -> AsyncIterator[HubProcess]:
    """A fresh hub with its defaults, listening. For settings of its own, a test makes its own."""
    async with HubProcess(tmp_path, hub_settings) as running:
        yield running


@pytest.fixture
def raw_sql() -> Iterator[None]:
    """For a test whose own statements name no merchant, on purpose: they are not reported."""
    tracing.pause(True)
    yield
    tracing.pause(False)


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


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_engines: its hubs run on SQLite and on Postgres")
    config.addinivalue_line("markers", "fresh: its hubs are not forked, see HubProcess")
    config.addinivalue_line("markers", "sqlite_only: a flow that runs on SQLite alone")
    tracing.install()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marked = metafunc.definition.get_closest_marker("both_engines")
    if marked and "hub_engine" in metafunc.fixturenames:
        metafunc.parametrize("hub_engine", ENGINES, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sieges are measured: they run when nothing else does. Files with slow tests come first, so
    that no process is left with one of them at the end."""
    for item in items:
        if "siege" in getattr(item, "fixturenames", ()):
            item.add_marker("alone")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What is measured is not watched, and has its hubs as everybody starts them."""
    HubProcess.watched = item.get_closest_marker("alone") is None
    HubProcess.forked = HubProcess.watched and item.get_closest_marker("fresh") is None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Whatever the tests were about: no hub may have written a secret into its log, or have sent a
    statement that is not bound to its merchant."""
    for log in LOGS:
        search_for_secrets(log)
    worker: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["leaks"] = sorted(LEAKS)
        worker["statements"] = tracing.FOUND
    elif LEAKS or tracing.FOUND:
        session.exitstatus = FOUND_BEHIND_TESTS


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a process of pytest-xdist has found."""
    output = getattr(node, "workeroutput", {})
    LEAKS.update(output.get("leaks", ()))
    tracing.FOUND.update(output.get("statements", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the secrets and the statements are."""
    if LEAKS:
        terminalreporter.section("secrets in the logs of hubs", red=True)
        for leak in sorted(LEAKS):
            terminalreporter.write_line(leak)
    if tracing.FOUND:
        terminalreporter.section("statements that are not bound to a merchant", red=True)
        for statement, where in sorted(tracing.FOUND.items()):
            terminalreporter.write_line(f"{statement}\n    {where}")
