"""Every flow runs on both engines: whatever hub a test starts keeps its data in one or the other.

What stays on SQLite alone is marked `sqlite_only`, with the reason beside it; what stays on
Postgres alone starts its own server.
"""

import pytest

from tests.support.databases import ENGINES
from tests.support.hub_process import HubProcess

POSTGRES_ALONE = {
    "test_two_hubs", "test_two_hubs_webhooks", "test_database_gone", "test_lost_worker",
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    definition = metafunc.definition
    if metafunc.module.__name__.rpartition(".")[2] in POSTGRES_ALONE:
        return
    if definition.get_closest_marker("both_engines") or definition.get_closest_marker(
        "sqlite_only"
    ):
        return
    # One with a database fixture has its engine from that.
    if "hub_engine" in metafunc.fixturenames and "engine" not in metafunc.fixturenames:
        metafunc.parametrize("hub_engine", ENGINES, indirect=True)


@pytest.fixture(autouse=True)
def where_hubs_keep_their_data(
    hub_settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All hubs of one test share a database, so a test that wants several has marks of its own."""
    monkeypatch.setattr(HubProcess, "usual", hub_settings)
