"""What is measured, one module a scenario, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.plan import Plan
from tests.bench.report import Outcome
from tests.bench.scenarios import (
    backup,
    fanout,
    herd,
    http_streams,
    ingest,
    ingest_postgres,
    jobs,
    memory,
    messages,
    pictures,
    rate,
    replay,
    rest,
    slow_reader,
    templates,
    uploads,
    webhooks,
)

Scenario = Callable[[Plan], Outcome]

SCENARIOS: dict[str, Scenario] = {
    "fanout": fanout.run,
    "ingest": ingest.saturated,
    "ingest-rate": ingest.at_a_rate,
    "ingest-postgres": ingest_postgres.run,
    "messages": messages.run,
    "rate": rate.run,
    "memory": memory.run,
    "replay": replay.run,
    "herd": herd.run,
    "slow-reader": slow_reader.run,
    "http-streams": http_streams.run,
    "rest": rest.run,
    "uploads": uploads.run,
    "pictures": pictures.run,
    "backup": backup.run,
    "templates": templates.run,
    "jobs": jobs.run,
    "webhooks": webhooks.run,
}
