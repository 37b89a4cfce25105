"""Schemathesis against a running hub: what it asks for, and what it finds.

The document that it works from is the hub's own with its answers closed, so that a member which
the document does not name is a finding too. Runs are the same each time: seeds are fixed, and
nothing is kept between them.
"""

import copy
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import schemathesis
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from schemathesis.schemas import BaseSchema

from hub.api.openapi.document import document
from tests.conformance.api.rules import is_a_rule

Phase = Literal["examples", "coverage", "fuzzing", "stateful"]
PHASES: tuple[Phase, ...] = ("examples", "coverage", "fuzzing", "stateful")
_MESSAGE_CHARS = 1500
_FRAMING = {
    "connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade",
}  # fmt: skip
"""Headers of HTTP itself, which the tool makes up now and then: what is wrong with them is told
before there is an operation, and has tests of its own."""


class Run(NamedTuple):
    """What came of a run.

    Attributes:
        findings: one text for each kind of finding of an operation, with a request that shows it.
        statuses: how often each status was answered.
    """

    findings: list[str]
    statuses: Counter[int]

    @property
    def requests(self) -> int:
        return self.statuses.total()


def run(
    url: str,
    key: str,
    phases: Iterable[Phase],
    *,
    operations: Iterable[str] | None = None,
    own_key_id: str | None = None,
    examples: int = 5,
    steps: int = 5,
    seed: int = 1,
    limited: bool = False,
) -> Run:
    """Ask a hub everything that the phases make of its document.

    Args:
        operations: the operationIds to ask for; None for all.
        own_key_id: of `key`: nobody gets far who revokes the key in his hand.
        examples: cases of each operation in fuzzing, and scenarios in stateful.
        steps: most requests of one scenario.
        limited: whether the hub refuses who asks too often; who comes without a key is told that
            too, and not that the key is missing.
    """
    config = _config(url, key, set(phases), examples, steps, seed, limited)
    schema: BaseSchema = schemathesis.openapi.from_dict(closed(document()), config=config)
    if operations is not None:
        schema = schema.include(operation_id=list(operations))

    @schema.hook
    def filter_case(context: Any, case: Any) -> bool:
        return own_key_id is None or own_key_id not in (case.path_parameters or {}).values()

    @schema.hook
    def map_case(context: Any, case: Any) -> Any:
        if case.headers:
            kept = {n: v for n, v in case.headers.items() if n.lower() not in _FRAMING}
            case.headers = type(case.headers)(kept)
        if case.path == "/api/session":  # only the hub's own pages sign browsers in and out
            case.headers = {**(case.headers or {}), "Origin": url}
        return case

    @schema.hook
    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
        return not is_a_rule(case.operation.definition.raw["operationId"], response)

    found: dict[tuple[str, ...], str] = {}
    statuses: Counter[int] = Counter()
    for event in engine.from_schema(schema).execute():
        match event:
            case events.NonFatalError() | events.FatalError():
                found["error", str(event)] = f"the tool failed: {event}"
            case events.ScenarioFinished():
                _note(event, found, statuses)
    return Run(list(found.values()), statuses)


def closed(value: dict[str, Any]) -> dict[str, Any]:
    """A document whose answers have no member that it does not name."""
    value = copy.deepcopy(value)
    for path in value["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    _close(content["schema"], value["components"]["schemas"], set())
    return value


def _close(schema: dict[str, Any], named: dict[str, Any], seen: set[str]) -> None:
    name = schema.get("$ref", "").rpartition("/")[2]
    if name and name not in seen:
        seen.add(name)
        _close(named[name], named, seen)
    if schema.get("properties"):
        schema.setdefault("additionalProperties", False)
    for part in (*schema.get("anyOf", ()), *schema.get("properties", {}).values()):
        _close(part, named, seen)
    if isinstance(schema.get("items"), dict):
        _close(schema["items"], named, seen)


def _note(
    event: events.ScenarioFinished, found: dict[tuple[str, ...], str], statuses: Counter[int]
) -> None:
    recorder = event.recorder
    for interaction in recorder.interactions.values():
        if interaction.response is not None:
            statuses[interaction.response.status_code] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            failure = check.failure_info.failure
            label = recorder.cases[case_id].value.operation.label
            message = failure.message[:_MESSAGE_CHARS]
            if check.name == "ignored_auth" and "got `429 " in message:
                continue  # signing in has a limit of its own, and comes before the key is missed
            found.setdefault(
                (label, check.name, failure.title),
                f"{label}, {event.phase}, {check.name}: {failure.title}\n{message}\n"
                f"{check.failure_info.code_sample[:_MESSAGE_CHARS]}",
            )


def _config(
    url: str, key: str, phases: set[Phase], examples: int, steps: int, seed: int, limited: bool
) -> SchemathesisConfig:
    # What the tool takes for a fair answer in any case, and: another version than If-Match says;
    # a row, or something in it, that is too large.
    fair = ["401", "403", "404", "409", "412", "413", "429"]
    settings: dict[str, Any] = {
        "base-url": url,
        "seed": seed,
        "auth": {"openapi": {"bearer": {"bearer": key}}},
        # The character U+0000, which is refused inside of any object too, has tests of its own.
        "generation": {
            "deterministic": True,
            "max-examples": examples,
            "database": "none",
            "allow-x00": False,
        },
        "phases": {phase: {"enabled": phase in phases} for phase in PHASES},
        "checks": {
            "ignored_auth": {"enabled": not limited},
            "positive_data_acceptance": {"expected-statuses": ["2xx", *fair]},
            "negative_data_rejection": {
                "expected-statuses": ["400", "405", "406", "415", "422", "428", "5xx", *fair]
            },
        },
        "cache": {"enabled": False},
        "continue-on-failure": True,
        "request-timeout": 10,
        # A long poll waits as long as it is told.
        "parameters": {"query.wait": 0},
    }
    settings["phases"]["stateful"]["max-steps"] = steps
    return SchemathesisConfig.from_dict(settings)
