"""Every statement of storage reads by an index: each function is run, and its statements explained.

A function that is not in `CALLS` fails a test, so that no later query is forgotten.
"""

import importlib
import inspect
import itertools
import pkgutil
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec.structs import replace

import storage
from storage import audit, events, instances, keys
from storage.database import Database, Engine, Transaction
from storage.errors import Conflict, NotFound, Stale
from storage.job_lists import Place
from storage.messages import Step
from storage.records import ApiKey, Merchant
from storage.scope import HUB, Scope
from storage.webhook_logs import Made, PendingAttempt
from tests.storage import samples
from tests.storage.plans import Explaining, partial_indexes
from tests.storage.samples import LATER, NOW, OURS, Everything, new_id

Function = Callable[..., Awaitable[Any]]
ONE, ALL = (OURS,), (HUB,)
ANY = (OURS, HUB)
NO_ID = "00000000-0000-7000-8000-000000000000"
NO_PARENT = Conflict("FOREIGN KEY constraint failed")


class Call(NamedTuple):
    """How a function is called.

    Attributes:
        scopes: of those for whom it is.
        args: after the transaction, from what there is.
        filters: keywords, each of which may be left out.
        needed: keywords that are always given.
        engines: that it asks this of.
    """

    scopes: tuple[Scope, ...]
    args: Callable[[Everything], tuple[Any, ...]]
    filters: Mapping[str, Any] = {}
    needed: Mapping[str, Any] = {}
    engines: tuple[Engine, ...] = ("sqlite", "postgres")


def _paged(needed: Mapping[str, Any] | None = None, **filters: Any) -> list[Call]:
    def call(after: str) -> Call:
        return Call(ANY, lambda made: (after, 10), filters, needed or {})

    return [call(""), call(NO_ID)]


def _kept(record: str, *more: Any) -> dict[str, list[Call]]:
    """The functions that every table has."""

    def delete(version: int | None) -> Call:
        return Call(ANY, lambda made: (getattr(made, record).id, version))

    return {
        "get": [Call(ANY, lambda made: (getattr(made, record).id,))],
        "insert": [Call(ANY, lambda made: (getattr(made, record), *more))],
        "update": [Call(ANY, lambda made: (getattr(made, record), *more))],
        "delete": [delete(None), delete(1)],
    }


def _each(scopes: tuple[Scope, ...], *calls: Callable[[Everything], tuple[Any, ...]]) -> list[Call]:
    return [Call(scopes, args) for args in calls]


def _matched(*more: Any, **needed: Any) -> list[Call]:
    """Patterns of types and of subjects, each given or not."""

    def call(types: Any, subjects: Any) -> Call:
        return Call(ANY, lambda made: (types, subjects, *more), needed=needed)

    some = (["order_created"], ["custom_"])
    return [call(*patterns) for patterns in itertools.product((None, some), repeat=2)]


KEY = ApiKey("k1", "m1", "bot", "till", "hub_b_1234", 1, NOW, None, None)
SECRET = "0" * 64
PENDING = PendingAttempt(
    id=NO_ID, merchant_id="m1", webhook_id=NO_ID, delivery_id="d", event_id="e", attempt=1,
    payload="{}", created_at=NOW, updated_at=NOW,
)  # fmt: skip


def _audited() -> list[Call]:
    """Every combination of the audit's filters, of its first page and of a later one."""
    values = {
        "actor_id": "k1", "action": "UPDATE", "target_type": "order", "target_id": NO_ID,
        "since_ms": 1, "until_ms": 2,
    }  # fmt: skip

    def call(wanted: audit.AuditFilter, before_id: str) -> Call:
        return Call(ANY, lambda made: (wanted, before_id, 10), needed={"characters": 1000})

    return [
        call(msgspec.convert(chosen, audit.AuditFilter), before_id)
        for chosen in _combinations(values)
        for before_id in ("", NO_ID)
    ]


def _listed() -> list[Call]:
    """Lists of jobs, of their first page and of a later one; parts are one merchant's."""

    def call(scopes: tuple[Scope, ...], after: Place | None, **filters: Any) -> Call:
        return Call(scopes, lambda made: (after, 10), filters, needed={"whole": False})

    narrowing = {"queue": "message_sending", "state": ["queued", "dead"], "name": "send"}
    return [
        listed
        for after in (None, Place(NOW, "m1", NO_ID))
        for listed in (
            call(ONE, after, **narrowing, parent_id=NO_ID),
            call(ALL, after, **narrowing),
            Call(ONE, lambda made, after=after: (after, 10), needed={"whole": True}),  # type: ignore[misc]
        )
    ]


def _combinations(filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for count in range(len(filters) + 1):
        for names in itertools.combinations(filters, count):
            yield {name: filters[name] for name in names}


CALLS: dict[str, dict[str, list[Call]]] = {
    "audit": {"page": _audited()},
    "constraints": {
        "named": [
            Call(
                ANY,
                lambda made: ("orders", NO_PARENT, None, made.order.id),
                engines=("sqlite",),
            ),
            Call(
                ANY,
                lambda made: ("delivery_tasks", NO_PARENT, {"merchant_id": "m1", "order_id": "o"}),
                engines=("sqlite",),
            ),
        ],
    },
    "conversations": {
        "get": [Call(ONE, lambda made: ("+4917000",))],
        "grow": [Call(ANY, lambda made: ([("m1", "+4917000", NO_ID, 2), ("m1", "+1", NO_ID, 1)],))],
        "page": _each(ONE, lambda made: ("", 10), lambda made: (NO_ID, 10)),
        "shrink": [Call(ANY, lambda made: ("m1", "+4917000"))],
    },
    "deliveries": {
        **_kept("task"),
        "page": _paged(order_id=NO_ID, driver_id="d1", status="pending"),
    },
    "events": {
        "advance_head": [Call(ALL, lambda made: (1, 0))],
        "ensure_log": [Call(ALL, lambda made: ("epoch",))],
        "following": [Call(ALL, lambda made: (5, 10))],
        "frames": [Call(ALL, lambda made: ([5, 10],))],
        "heads": [Call(ALL, lambda made: (5, 10))],
        "insert_events": [Call(ALL, lambda made: ([],))],
        "known_events": [Call(ALL, lambda made: ([("m1", "a"), ("m2", "b")],))],
        "last_offsets": [Call(ALL, lambda made: ())],
        "log_state": [Call(ANY, lambda made: ())],
        "newest": [Call(ALL, lambda made: (10,))],
        "of_order": _each(
            ONE, lambda made: (made.order.id, 0, 10), lambda made: (made.order.id, 5, 10)
        ),
        "offsets_before": _matched(10),
        "page": _matched(after=0, upto=10, page_bytes=1),
        "retire": [Call(ALL, lambda made: (10, 10))],
        "withdraw": [Call(ALL, lambda made: (0,))],
    },
    "idempotency": {
        "answer": [Call(ANY, lambda made: ("m1", "orders.create", "k", {}))],
        "expire": [Call(ALL, lambda made: ("2027-01-01T00:00:00.000Z", 10))],
        "get": [Call(ANY, lambda made: ("m1", "orders.create", "k", NOW))],
        "put": [Call(ANY, lambda made: (made.call,))],
    },
    "instances": {
        "any_other": [Call(ALL, lambda made: ("i1", NOW))],
        "beat": [Call(ALL, lambda made: ("i1", NOW))],
        "connect_bot": [Call(ALL, lambda made: ("k1", "i0"))],
        "disconnect_bot": [Call(ALL, lambda made: ("k1", "i0"))],
        "leave": [Call(ALL, lambda made: ("i0",))],
        "let_go": [Call(ALL, lambda made: ("i0",))],
        "living": [Call(ALL, lambda made: (NOW,))],
        "lost_bots": [Call(ALL, lambda made: ())],
        "remove_silent": [Call(ALL, lambda made: ("i1", LATER))],
    },
    "job_changes": {
        "ask_to_end": [Call(ANY, lambda made: ([("m1", made.job.id), ("m1", NO_ID)], NOW))],
        "await_parts": [Call(ANY, lambda made: ([("m1", made.job.id)], NOW))],
        "begin_anew": [
            Call(ANY, lambda made: ([("m1", made.job.id)], {"message_sending": 3}, NOW))
        ],
        "cancel": [Call(ANY, lambda made: ([("m1", made.job.id), ("m1", NO_ID)], NOW))],
        "discard": [Call(ANY, lambda made: ([("m1", made.job.id), ("m1", NO_ID)],))],
    },
    "job_counts": {
        "awaiting_bot": [Call(ANY, lambda made: ("message_sending",))],
        "by_state": [Call(ANY, lambda made: ())],
        "finished_since": [Call(ANY, lambda made: ("message_sending", NOW))],
        "last_finished": [Call(ANY, lambda made: ("message_sending", NOW))],
        "waiting_since": [Call(ANY, lambda made: ("message_sending",))],
    },
    "job_lists": {
        "at": [Call(ANY, lambda made: ([Place(NOW, "m1", made.job.id)],))],
        "newest": _listed(),
        "place_of": [Call(ONE, lambda made: ([made.job.id, NO_ID],))],
    },
    "jobs": {
        **_kept("job"),
        "by_run_time": [
            Call(
                ALL,
                lambda made: ("message_sending", "queued", 10),
                {"until": NOW, "after": samples.job()},
            ),
        ],
        "insert_many": [Call(ANY, lambda made: ([samples.job()],))],
        "cancelling": [Call(ALL, lambda made: ("w1",))],
        "claim": [Call(ALL, lambda made: ([("m1", made.job.id)], "w1", NOW))],
        "expire": [Call(ALL, lambda made: ("message_sending", "dead", NOW, 10))],
        "find": [Call(ONE, lambda made: (made.job.id,))],
        "held_by": [Call(ALL, lambda made: ("w1",))],
        "lost": [Call(ALL, lambda made: (NOW, 10))],
        "make_due": [Call(ALL, lambda made: ([("m1", made.job.id)], NOW))],
        "move": [
            Call(ALL, lambda made: ([("m1", made.job.id)], "note = ?", ("x",), "state = 'queued'"))
        ],
        "next_run_at": [Call(ALL, lambda made: ("message_sending",))],
        "note_progress": [Call(ANY, lambda made: (made.job, 50, "half", NOW))],
        "open_by_key": [Call(ONE, lambda made: ("message_sending", "u1"))],
        "put_result": [Call(ANY, lambda made: (made.job, {"ok": True}))],
        "settle": [Call(ANY, lambda made: (made.job, {"state": "dead"}))],
        "to_carry": _each(
            ALL,
            lambda made: ("message_sending", 10, NOW),
            lambda made: ("message_sending", 10, NOW, (NOW, NO_ID)),
        ),
        "states_of_parts": [Call(ONE, lambda made: (NO_ID,))],
    },
    "keys": {
        "bootstrap_keys": [Call(ALL, lambda made: ())],
        "by_session_hash": [Call(ALL, lambda made: (SECRET,))],
        "by_token_hashes": [Call(ALL, lambda made: ([SECRET, "1" * 64],))],
        "delete_session": [Call(ANY, lambda made: (SECRET,))],
        "ended_among": [Call(ALL, lambda made: ([SECRET, "1" * 64],))],
        "get": [Call(ANY, lambda made: ("k1",))],
        "insert": [Call(ANY, lambda made: (KEY, "2" * 64))],
        "insert_session": [Call(ANY, lambda made: ("3" * 64, "k1", "m1", NOW, LATER))],
        "page": [Call(ANY, lambda made: ("", 10)), Call(ANY, lambda made: (NO_ID, 10))],
        "revoke": [Call(ANY, lambda made: ("k1", NOW))],
        "revoked_among": [Call(ALL, lambda made: (["k1", "k2"],))],
    },
    "media": {
        **_kept("file"),
        "by_ids": [Call(ONE, lambda made: ([made.file.id, NO_ID],))],
        "by_hash": [Call(ONE, lambda made: ("0" * 64,))],
        "by_hashes": [Call(ALL, lambda made: ([("m1", "0" * 64), ("m2", "1" * 64)],))],
        "expired": [
            Call(ALL, lambda made: (LATER, 10)),
            Call(ALL, lambda made: (LATER, 10, replace(made.file, expires_at=NOW))),
        ],
        "page": _paged({"name": "a"}, status="ready")
        + _paged({"newest_first": True}, status="ready"),
        "places": [Call(ANY, lambda made: (made.file, 3))],
        "uses": [Call(ANY, lambda made: ([made.file],))],
    },
    "merchants": {
        "get": [Call(ANY, lambda made: ("m1",))],
        "insert": [Call(ALL, lambda made: ("m3", "name", NOW, new_id))],
        "page": [Call(ANY, lambda made: ("", 10)), Call(ANY, lambda made: ("m1", 10))],
        "update": [Call(ANY, lambda made: (Merchant("m1", "new", 1, NOW, LATER),))],
    },
    "messages": {
        **_kept("message"),
        "advance": [Call(ONE, lambda made: ([Step("m1", made.message.id, "read", None)], NOW))],
        "by_provider_id": [Call(ONE, lambda made: ("p1",))],
        "give_up": [Call(ANY, lambda made: ([("m1", made.message.id)], "why", NOW))],
        "insert_many": [Call(ONE, lambda made: ([samples.new_message()],))],
        "page": _paged(phone="+4917000", status="received", direction="inbound"),
        "states": [Call(ANY, lambda made: ([("m1", "p1"), ("m1", "p2")],))],
        "wait_again": [Call(ANY, lambda made: ([("m1", made.message.id)], NOW))],
    },
    "orders": {
        **_kept("order"),
        "page": _paged(status="pending", payment_status="paid", customer_phone="+4917000")
        + _paged(
            {"newest_first": True},
            status="pending",
            payment_status="paid",
            customer_phone="+4917000",
        ),
    },
    "payments": {
        "by_transaction": [Call(ONE, lambda made: ("t1",))],
        "get": [Call(ANY, lambda made: (made.payment.id,))],
        "insert": [Call(ANY, lambda made: (made.payment,))],
        "of_order": _each(
            ANY, lambda made: (made.order.id, "", 10), lambda made: (made.order.id, NO_ID, 10)
        ),
        "paid": [Call(ONE, lambda made: (made.order.id,))],
    },
    "product_media": {
        **_kept("picture"),
        "arrange": [
            Call(
                ONE,
                lambda made: (made.product.id, [made.picture.id], made.picture.id, LATER),
            )
        ],
        "of_media": _each(
            ANY, lambda made: (made.file.id, "", 10), lambda made: (made.file.id, NO_ID, 10)
        ),
        "media_ids": [Call(ONE, lambda made: ([made.product.id, NO_ID],))],
        "shown": [Call(ONE, lambda made: (made.product.id,))],
        "of_product": [Call(ONE, lambda made: (made.product.id,))],
    },
    "owners": {"of": _each(ANY, lambda made: ("orders", made.order.id))},
    "products": {
        **_kept("product"),
        "by_ids": [Call(ONE, lambda made: ([made.product.id, NO_ID],))],
        "restock": [Call(ANY, lambda made: ([made.product], LATER))],
        "page": _paged(category="sweets", is_active=True),
        "search": _each(ONE, lambda made: ("ca", "", 10), lambda made: ("ca", NO_ID, 10)),
    },
    "recurring": {
        **_kept("recurring"),
        "due": [Call(ALL, lambda made: (NOW, 10))],
        "move_on": [Call(ANY, lambda made: (made.recurring, LATER, NOW))],
        "next_run_at": [Call(ALL, lambda made: ())],
        "page": _paged(),
    },
    "sending": {
        "by_provider_ids": [Call(ONE, lambda made: (["p1", "p2"],))],
        "cancel_jobs": [Call(ONE, lambda made: ([made.job.id, NO_ID], NOW))],
        "count_parts": [Call(ONE, lambda made: (NO_ID,))],
        "dead_parts": [Call(ONE, lambda made: (NO_ID, 10))],
        "hand_over": [Call(ONE, lambda made: ([made.job.id, NO_ID], "w1", NOW))],
        "held_by_others": [Call(ALL, lambda made: ("w1", NOW, 10))],
        "jobs": [Call(ONE, lambda made: ([made.job.id, NO_ID],))],
        "mark_failed": [Call(ONE, lambda made: ([made.message.id], "why", NOW))],
        "mark_sent": [Call(ONE, lambda made: ([(made.message.id, "p9", "sent")], NOW))],
        "messages": [Call(ONE, lambda made: ([made.message.id, NO_ID],))],
        "next_waiting_at": [Call(ONE, lambda made: ())],
        "note_progress": [Call(ONE, lambda made: ([made.job.id], 50, "half", NOW))],
        "open_parts": [Call(ONE, lambda made: (NO_ID, 10))],
        "parents": [Call(ALL, lambda made: (10,))],
        "postpone": [Call(ONE, lambda made: ({LATER: [made.job.id]}, NOW))],
        "put_args": [Call(ONE, lambda made: (made.job.id, {"a": 1}, NOW))],
        "take_over": [Call(ONE, lambda made: ([made.job.id], "w1", NOW))],
        "take_up_again": [Call(ONE, lambda made: ([made.job.id], NOW))],
        "uncertain_parts": [Call(ONE, lambda made: (NO_ID,))],
        "waiting": [Call(ONE, lambda made: (NOW, 10))],
        "with_waiting": [Call(ALL, lambda made: (["m1", "m2"], NOW))],
    },
    "seeds": {
        "seed": [Call(ANY, lambda made: ("m1", NOW, new_id))],
        "unseeded": [Call(ALL, lambda made: (10,))],
    },
    "templates": {
        **_kept("template", new_id),
        "by_name": [Call(ONE, lambda made: ("hello",))],
        "has_name": [Call(ANY, lambda made: ("m1", "hello"))],
        "page": _paged(type_="text", status="active"),
        "version": [Call(ONE, lambda made: (made.template.id, 1))],
        "versions": _each(
            ONE,
            lambda made: (made.template.id, None, 10),
            lambda made: (made.template.id, 3, 10),
        ),
    },
    "webhook_logs": {
        **_kept("attempt"),
        "due": [Call(ALL, lambda made: (LATER, 10))],
        "expire": [Call(ALL, lambda made: (NO_ID, 10))],
        "insert_many": [Call(ANY, lambda made: ([PENDING],))],
        "page": _paged(webhook_id=NO_ID, delivery_id="d", status="failed"),
        "payload": [Call(ONE, lambda made: (made.attempt.delivery_id,))],
        "settle": [Call(ONE, lambda made: ("d", 1, Made(status="success"), NOW))],
    },
    "webhooks": {
        **_kept("webhook"),
        "active": [Call(ANY, lambda made: ())],
        "changes": [Call(ANY, lambda made: ())],
        "disable": [Call(ANY, lambda made: (made.webhook.id, "gone", NOW))],
        "forget_failures": [Call(ANY, lambda made: (made.webhook.id,))],
        "note_failure": [Call(ANY, lambda made: (made.webhook.id, NOW, "why"))],
        "note_success": [Call(ANY, lambda made: (made.webhook.id, NOW, NOW))],
        "target": [Call(ONE, lambda made: (made.webhook.id, made.attempt.delivery_id))],
        "page": _paged(is_active=True),
    },
    "work": {
        "add_attempt": [Call(ANY, lambda made: (samples.job_attempt(made.job.id),))],
        "attempts": [Call(ANY, lambda made: (made.job,))],
        "beat": [Call(ALL, lambda made: ("w1", NOW))],
        "bury": [Call(ALL, lambda made: (NOW,))],
        "cursor": [Call(ALL, lambda made: ("webhooks",))],
        "drop_input": [Call(ONE, lambda made: (made.job.id,))],
        "end_former": [Call(ALL, lambda made: ("i1",))],
        "enter": [Call(ALL, lambda made: (samples.worker(),))],
        "forget_attempt": [Call(ANY, lambda made: (made.job,))],
        "forget_slots": [Call(ALL, lambda made: (NOW, 10))],
        "get_input": [Call(ONE, lambda made: (made.job.id,))],
        "leave": [Call(ALL, lambda made: ("w1",))],
        "lost_attempts": [Call(ANY, lambda made: (made.job,))],
        "move_cursor": [
            Call(ALL, lambda made: ("webhooks", None, 1, NOW)),
            Call(ALL, lambda made: ("webhooks", 1, 2, NOW)),
        ],
        "pause": [Call(ANY, lambda made: ("message_sending", "k1", NOW))],
        "paused": [Call(ANY, lambda made: ())],
        "paused_for_all": [Call(ALL, lambda made: ())],
        "put_input": [Call(ONE, lambda made: (made.job.id, [{"to": "1"}]))],
        "resume": [Call(ANY, lambda made: ("message_sending",))],
        "take_slots": [Call(ONE, lambda made: (["1", "2"], NOW, LATER))],
        "workers": [Call(ALL, lambda made: ())],
    },
}


def functions() -> dict[str, Function]:
    """Every public function of storage that takes a transaction, by module and name."""
    found: dict[str, Function] = {}
    for module in pkgutil.iter_modules(storage.__path__):
        members = vars(importlib.import_module(f"storage.{module.name}"))
        for name, member in members.items():
            if (
                not name.startswith("_")
                and inspect.iscoroutinefunction(member)
                and member.__module__ == f"storage.{module.name}"
                and next(iter(inspect.signature(member).parameters), "") == "tx"
            ):
                found[f"{module.name}.{name}"] = member
    return found


def test_every_function_is_explained() -> None:
    """One that is new needs an entry in `CALLS`; an entry without its function is to go."""
    known = {f"{module}.{name}" for module, calls in CALLS.items() for name in calls}
    assert set(functions()) == known


def test_every_filter_is_explained() -> None:
    for module, calls in CALLS.items():
        for name, found in calls.items():
            parameters = inspect.signature(functions()[f"{module}.{name}"]).parameters.values()
            optional = {
                p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is None
            }
            assert {*found[0].filters} | {*found[0].needed} >= optional - {"limit"}, (module, name)


class RolledBack(Exception):
    """Undoes what a function has done."""


async def _fill(tx: Transaction) -> None:
    """Rows where Postgres would otherwise read the few that there are, whatever the indexes."""
    await tx.execute(
        "INSERT INTO events (log_offset, merchant_id, id, type, committed_at, frame)"
        " SELECT n, 'x' || n % 9, 'e' || n, 'custom_a', n, '{}' FROM generate_series(1, 5000) n"
    )
    await tx.execute(
        "INSERT INTO retired_event_ids (merchant_id, id, log_offset)"
        " SELECT 'x' || n % 9, 'r' || n, n FROM generate_series(1, 5000) n"
    )
    await tx.execute(
        "INSERT INTO idempotency_keys"
        " (merchant_id, method, key, request_hash, created_at, expires_at)"
        " SELECT 'x' || n % 9, 'orders.create', 'k' || n, repeat('a', 64),"
        " TIMESTAMPTZ '2027-01-01Z' + n * INTERVAL '1 s', TIMESTAMPTZ '2027-01-02Z' + n * INTERVAL"
        " '1 s' FROM generate_series(1, 5000) n"
    )
    await tx.execute("ANALYZE events, retired_event_ids, idempotency_keys")


@pytest.fixture
async def made(database: Database) -> Everything:
    await samples.add_merchants(database)

    async def work(tx: Transaction) -> None:
        await events.ensure_log(tx, "epoch")
        await instances.beat(tx, "i0", NOW)
        await keys.insert(tx, KEY, SECRET)

    await database.write(work, HUB)
    if database.engine == "postgres":
        await database.maintain(_fill, deadline=None)
    return await samples.add_everything(database)


async def explained(
    database: Database, function: Function, scope: Scope, args: tuple[Any, ...], more: Any
) -> list[tuple[str, str, list[str]]]:
    """The statements that a function sends, with their plans and what is wrong with them."""
    plans: list[tuple[str, str, list[str]]] = []

    async def work(tx: Transaction) -> None:
        if database.engine == "postgres":
            # A table with few rows is read as a whole whatever its indexes are.
            await tx.execute("SET LOCAL enable_seqscan = off")
            await tx.execute("SET LOCAL enable_bitmapscan = off")
            await tx.execute("SET LOCAL enable_sort = off")
        explaining = Explaining(tx, database.engine, await partial_indexes(tx, database.engine))
        try:
            await function(explaining, *args, **more)
        except (Conflict, NotFound, Stale):
            pass  # the statements were sent
        finally:
            plans.extend(explaining.plans)
        raise RolledBack

    with pytest.raises(RolledBack):
        await database.write(work, scope)
    return plans


@pytest.mark.parametrize("module", list(CALLS))
async def test_every_statement_reads_by_an_index(
    module: str, database: Database, made: Everything
) -> None:
    problems = []
    for name, calls in CALLS[module].items():
        function = functions()[f"{module}.{name}"]
        for call in calls:
            if database.engine not in call.engines:
                continue
            for scope, chosen in itertools.product(call.scopes, _combinations(call.filters)):
                args, more = call.args(made), {**chosen, **call.needed}
                plans = await explained(database, function, scope, args, more)
                for sql, plan, wrong in plans:
                    if scope is OURS and chosen and not _narrowed(plan, chosen):
                        wrong.append(f"none of {', '.join(chosen)} narrows what is read")
                    if wrong:
                        problems.append(
                            f"{module}.{name} {chosen} for {scope.bound}: {'; '.join(wrong)}"
                            f"\n  {sql}\n{plan}"
                        )
    assert not problems, "\n\n".join(problems)


def _narrowed(plan: str, filters: Mapping[str, Any]) -> bool:
    """Whether an index is entered by one of the filters' columns at least."""
    # Half of a table or so is no narrowing: a planner may well walk by the ids instead.
    filters = {name: value for name, value in filters.items() if not isinstance(value, bool)}
    entered = " ".join(re.findall(r"\((.*)\)$|Index Cond: ([^;\n]*)", plan, re.MULTILINE)[0])
    return not filters or any(re.search(rf"\b{name.rstrip('_')}\b", entered) for name in filters)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM orders WHERE merchant_id = ? ORDER BY total",
        "SELECT id FROM orders WHERE notes = ?",
        "SELECT id FROM orders WHERE notes = ? ORDER BY total LIMIT 1",
        "UPDATE orders SET notes = notes WHERE notes = ?",
        "SELECT count(*) FROM orders WHERE customer_id = ?",
    ],
)
async def test_a_statement_without_an_index_is_found(
    sql: str, database: Database, made: Everything
) -> None:
    async def run(tx: Transaction) -> None:
        await tx.fetch(sql, ("m1",))

    [(_, plan, problems)] = await explained(database, run, HUB, (), {})
    assert problems, plan
