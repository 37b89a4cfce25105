"""What each table of a merchant has beside the rest."""

import json
from typing import Any

import pytest
from msgspec import structs

from hub.protocol.ids import least_uuid7
from hub.protocol.times import parse_ms
from storage import (
    events,
    idempotency,
    jobs,
    media,
    messages,
    orders,
    product_media,
    products,
    templates,
    webhook_logs,
    webhooks,
)
from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound, Sealed
from storage.merchant_records import (
    Job,
    Message,
    ProductMedia,
    Section,
    SectionRow,
    TemplateMedia,
    Webhook,
)
from storage.scope import HUB
from storage.webhook_logs import Made, PendingAttempt
from storage.webhooks import Called
from tests.storage import samples
from tests.storage.samples import LATER, NOW, THEIRS, Everything, new_id, read, write

EARLIER = "2026-11-22T09:00:00.000Z"


@pytest.fixture
async def made(database: Database) -> Everything:
    await samples.add_merchants(database)
    return await samples.add_everything(database)


# ── templates ────────────────────────────────────────────────────────────────────────────────────


async def test_every_change_of_a_template_is_kept(database: Database, made: Everything) -> None:
    first = made.template
    second = await write(
        database,
        lambda tx: templates.update(
            tx, structs.replace(first, body="Bye", variables=[], updated_at=LATER), new_id
        ),
    )
    kept = await read(database, lambda tx: templates.versions(tx, first.id, None, 10))
    assert [(v.version, v.body, v.variables, v.changed_at, v.changed_by) for v in kept] == [
        (2, "Bye", [], LATER, "k1"),
        (1, "Hello {{name}}", ["name"], NOW, "k1"),
    ]
    for found, was in zip(kept, (second, first), strict=True):
        shared = set(found.__struct_fields__) & set(was.__struct_fields__) - {"id"}
        assert len(shared) == 16
        assert all(getattr(found, name) == getattr(was, name) for name in shared)
    older = await read(database, lambda tx: templates.versions(tx, first.id, 2, 10))
    assert older == kept[1:]
    assert await read(database, lambda tx: templates.version(tx, first.id, 2)) == kept[0]
    with pytest.raises(NotFound):
        await read(database, lambda tx: templates.version(tx, first.id, 3))
    with pytest.raises(NotFound):
        await read(database, lambda tx: templates.version(tx, first.id, 1), THEIRS)
    await write(database, lambda tx: templates.delete(tx, first.id, 2))
    assert await read(database, lambda tx: templates.versions(tx, first.id, None, 10)) == []


async def test_a_refused_change_of_a_template_leaves_no_version(
    database: Database, made: Everything
) -> None:
    wrong = structs.replace(made.template, body="")
    with pytest.raises(Conflict, match="message_templates_check"):
        await write(database, lambda tx: templates.update(tx, wrong, new_id))
    kept = await read(database, lambda tx: templates.versions(tx, made.template.id, None, 10))
    assert [found.version for found in kept] == [1]


async def test_a_template_has_its_name_within_its_merchant(
    database: Database, made: Everything
) -> None:
    assert await read(database, lambda tx: templates.by_name(tx, "hello")) == made.template
    with pytest.raises(NotFound):
        await read(database, lambda tx: templates.by_name(tx, "hello"), THEIRS)
    theirs = samples.template(merchant_id="m2")
    await write(database, lambda tx: templates.insert(tx, theirs, new_id), THEIRS)
    assert await read(database, lambda tx: templates.by_name(tx, "hello"), THEIRS) == theirs
    with pytest.raises(Sealed):
        await read(database, lambda tx: templates.by_name(tx, "hello"), HUB)


async def test_templates_are_found_by_type_and_status(database: Database, made: Everything) -> None:
    async def names(**filters: str) -> list[str]:
        found = await read(database, lambda tx: templates.page(tx, "", 9, **filters))  # type: ignore[arg-type]
        return [template.name for template in found]

    assert await names() == ["order_confirmation", "payment_request", "order_status", "hello"]
    assert await names(type_="text") == ["order_status", "hello"]
    assert await names(status="draft") == ["hello"]
    assert await names(type_="buttons", status="active") == [
        "order_confirmation", "payment_request",
    ]  # fmt: skip
    assert await names(type_="buttons", status="draft") == []


async def test_every_form_of_a_template_comes_back(database: Database, made: Everything) -> None:
    row = SectionRow("r1", "Red “1”", None)
    forms: tuple[dict[str, Any], ...] = (
            {"type": "buttons", "buttons": samples.buttons_template().buttons},
            {"type": "list", "button_text": "Open 😀", "sections": [
                Section([row, SectionRow("r2", "2", "two")], "Colours"),
                Section([row]),
            ]},
            {"type": "media", "body": None, "media": TemplateMedia("image", "https://a")},
            {"type": "media", "media": TemplateMedia("document", None, "m", "c")},
            {"type": "text", "example_payload": {"name": "Zoë", "deep": [{"x": None}]}},
    )  # fmt: skip
    for number, form in enumerate(forms):
        given = samples.template(name=f"form_{number}", **form)
        await write(database, lambda tx, given=given: templates.insert(tx, given, new_id))  # type: ignore[misc]
        assert await read(database, lambda tx, id_=given.id: templates.get(tx, id_)) == given  # type: ignore[misc]


# ── products and their pictures ──────────────────────────────────────────────────────────────────


async def test_a_search_looks_anywhere_in_the_name(database: Database, made: Everything) -> None:
    for name in ("Chocolate Cake", "100% rye_bread", "pan!cake \\", "Käse", "rye bread"):
        await write(database, lambda tx, n=name: products.insert(tx, samples.product(name=n)))  # type: ignore[misc]

    async def found(q: str, after: str = "", limit: int = 10) -> list[str]:
        page = await read(database, lambda tx: products.search(tx, q, after, limit))
        return [product.name for product in page]

    assert await found("CAKE") == ["cake", "Chocolate Cake", "pan!cake \\"]
    assert await found("choc") == ["Chocolate Cake"]
    assert await found("e_b") == ["100% rye_bread"]
    assert await found("0%") == ["100% rye_bread"]
    assert await found("!c") == ["pan!cake \\"]
    assert await found("e \\") == ["pan!cake \\"]
    assert await found("Käse") == ["Käse"]
    assert await found("'") == []
    assert len(await found("")) == 6
    assert await found("cake", made.product.id, 1) == ["Chocolate Cake"]
    assert await read(database, lambda tx: products.search(tx, "cake", "", 9), THEIRS) == []


async def test_products_are_found_by_category_and_sale(
    database: Database, made: Everything
) -> None:
    for name, category, active in (("a", "x", True), ("b", "x", False), ("c", "y", True)):
        record = samples.product(name=name, category=category, is_active=active)
        await write(database, lambda tx, record=record: products.insert(tx, record))  # type: ignore[misc]

    async def names(**filters: object) -> list[str]:
        page = await read(database, lambda tx: products.page(tx, "", 9, **filters))  # type: ignore[arg-type]
        return [product.name for product in page]

    assert await names(category="x") == ["a", "b"]
    assert await names(is_active=False) == ["b"]
    assert await names(category="x", is_active=True) == ["a"]


async def _pictures(database: Database, product_id: str, count: int) -> list[ProductMedia]:
    async def work(tx: Transaction) -> list[ProductMedia]:
        made = []
        for sequence in range(count):
            file = await media.insert(tx, samples.file(hash=f"{sequence + 100:064x}"))
            picture = samples.picture(product_id, file.id, sequence=sequence)
            made.append(await product_media.insert(tx, picture))
        return made

    return await write(database, work)


async def test_pictures_are_put_in_any_order(database: Database, made: Everything) -> None:
    product = samples.product()
    await write(database, lambda tx: products.insert(tx, product))
    a, b, c = (picture.id for picture in await _pictures(database, product.id, 3))

    async def arrange(order: list[str], primary: str | None) -> list[ProductMedia]:
        return await write(
            database, lambda tx: product_media.arrange(tx, product.id, order, primary, LATER)
        )

    async def shown() -> list[ProductMedia]:
        return await read(database, lambda tx: product_media.of_product(tx, product.id))

    for order, primary in (
        ([c, a, b], b),
        ([a, b, c], a),
        ([a, b, c], c),
        ([c, b, a], c),
        ([c, b, a], None),
        ([b, a, c], b),
    ):
        arranged = await arrange(order, primary)
        assert [picture.id for picture in arranged] == order
        assert [picture.id for picture in arranged if picture.is_primary] == (
            [primary] if primary else []
        )
        assert await shown() == arranged
        assert max(picture.sequence for picture in arranged) < 6
    before = await shown()
    assert await arrange([b, a, c], b) == before, "what stays has no new version"
    for order, primary in (([a, b], None), ([a, b, b], None), ([a, b, c], made.picture.id)):
        with pytest.raises(NotFound):
            await arrange(order, primary)
    assert await shown() == before


async def test_a_product_has_one_primary_picture(database: Database, made: Everything) -> None:
    first, second = (
        samples.picture(made.product.id, file.id, sequence=n, is_primary=True)
        for n, file in ((5, samples.file(hash="7" * 64)), (6, samples.file(hash="8" * 64)))
    )

    async def work(tx: Transaction) -> None:
        for number, picture in ((7, first), (8, second)):
            await media.insert(tx, samples.file(id=picture.media_id, hash=str(number) * 64))
            await product_media.insert(tx, picture)

    with pytest.raises(Conflict, match="product_media: product_media_primary refuses it"):
        await write(database, work)


async def test_a_file_is_known_by_its_hash_and_by_where_it_is_shown(
    database: Database, made: Everything
) -> None:
    assert await read(database, lambda tx: media.by_hash(tx, "0" * 64)) == made.file
    with pytest.raises(NotFound):
        await read(database, lambda tx: media.by_hash(tx, "0" * 64), THEIRS)
    shown = await read(database, lambda tx: product_media.of_media(tx, made.file.id, "", 9))
    assert shown == [made.picture]
    with pytest.raises(Conflict, match="product_media_merchant_id_media_id_fkey"):
        await write(database, lambda tx: media.delete(tx, made.file.id))
    await write(database, lambda tx: products.delete(tx, made.product.id))
    assert await read(database, lambda tx: product_media.of_product(tx, made.product.id)) == []
    await write(database, lambda tx: media.delete(tx, made.file.id))


async def test_files_expire_in_their_order(database: Database, made: Everything) -> None:
    times = {"a": LATER, "b": NOW, "c": EARLIER, "d": "2027-01-01T00:00:00.000Z"}
    for digit, time in times.items():
        record = samples.file(hash=digit * 64, expires_at=time)
        await write(database, lambda tx, record=record: media.insert(tx, record))  # type: ignore[misc]
    found = await read(database, lambda tx: media.expired(tx, LATER, 9), HUB)
    assert [file.hash[0] for file in found] == ["c", "b", "a"]
    assert len(await read(database, lambda tx: media.expired(tx, LATER, 2), HUB)) == 2
    assert await read(database, lambda tx: media.expired(tx, LATER, 9), THEIRS) == []


# ── orders, messages ─────────────────────────────────────────────────────────────────────────────


async def test_orders_are_found_by_each_filter(database: Database, made: Everything) -> None:
    paid = samples.order(status="confirmed", payment_status="paid")
    other = samples.order(customer_phone="+1", payment_status="paid")

    async def work(tx: Transaction) -> None:
        await orders.insert(tx, paid)
        await orders.insert(tx, other)

    await write(database, work)
    for filters, expected in (
        ({}, [made.order, paid, other]),
        ({"status": "confirmed"}, [paid]),
        ({"payment_status": "paid"}, [paid, other]),
        ({"customer_phone": "+4917000"}, [made.order, paid]),
        ({"customer_phone": "+4917000", "payment_status": "paid", "status": "pending"}, []),
    ):
        assert await read(database, lambda tx, f=filters: orders.page(tx, "", 9, **f)) == expected  # type: ignore[misc]


async def test_a_conversation_is_read_from_its_end(database: Database, made: Everything) -> None:
    said = [made.message]
    for number in range(5):
        record = samples.message(text=str(number), phone="+1" if number == 2 else "+4917000")
        said.append(await write(database, lambda tx, record=record: messages.insert(tx, record)))  # type: ignore[misc]
    theirs = [message for message in said if message.phone == "+4917000"]

    async def before(id_: str) -> list[Message]:
        return await read(database, lambda tx: messages.page(tx, id_, 2, phone="+4917000"))

    seen: list[Message] = []
    while page := await before(seen[-1].id if seen else ""):
        seen += page
    assert seen == theirs[::-1]
    assert await read(database, lambda tx: messages.by_provider_id(tx, "p1")) == made.message
    with pytest.raises(NotFound):
        await read(database, lambda tx: messages.by_provider_id(tx, "p1"), THEIRS)


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────


async def test_attempts_are_noted_without_a_version(database: Database, made: Everything) -> None:
    hook = made.webhook

    async def failed(now: str) -> tuple[int, str]:
        return await write(database, lambda tx: webhooks.note_failure(tx, hook.id, now, "why"))

    async def succeeded(now: str, since: str) -> Webhook:
        await write(database, lambda tx: webhooks.note_success(tx, hook.id, now, since))
        return await read(database, lambda tx: webhooks.get(tx, hook.id))

    assert [await failed(EARLIER), await failed(NOW)] == [(1, EARLIER), (2, EARLIER)]
    found = await succeeded(NOW, EARLIER)
    assert found == structs.replace(
        hook, last_triggered_at=NOW, last_success_at=NOW, last_failure_at=NOW, last_error="why"
    )
    # What says the same as what was noted a moment ago is not written again.
    assert (await succeeded(LATER, NOW)).last_success_at == NOW
    assert (await succeeded(LATER, LATER)).last_success_at == LATER
    assert await failed(LATER) == (1, LATER)
    # A change that was begun before does not take the notes back.
    await write(database, lambda tx: webhooks.update(tx, structs.replace(hook, is_active=False)))
    found = await read(database, lambda tx: webhooks.get(tx, hook.id))
    assert (found.retry_count, found.last_triggered_at, found.version) == (1, LATER, 2)
    with pytest.raises(NotFound):
        await write(database, lambda tx: webhooks.note_failure(tx, hook.id, LATER, "why"), THEIRS)


async def test_one_that_is_disabled_says_why(database: Database, made: Everything) -> None:
    found = [
        await write(database, lambda tx: webhooks.disable(tx, made.webhook.id, why, LATER))  # noqa: B023
        for why in ("gone", "again")
    ]
    assert found[0] is not None
    assert (found[0].is_active, found[0].disabled_reason, found[0].version) == (False, "gone", 2)
    assert found[1] is None


async def test_who_keeps_webhooks_in_memory_learns_of_changes(
    database: Database, made: Everything
) -> None:
    async def known() -> tuple[int, list[Called]]:
        async def work(tx: Transaction) -> tuple[int, list[Called]]:
            return await webhooks.changes(tx), await webhooks.active(tx)

        return await read(database, work, HUB)

    hook = made.webhook
    await write(database, lambda tx: events.ensure_log(tx, "epoch"), HUB)
    count, active = await known()
    assert active == [Called("m1", hook.id, ["order_*"], 0)]
    await write(database, lambda tx: webhooks.note_failure(tx, hook.id, NOW, "why"))
    assert await known() == (count, active), "notes are no change"
    changed = structs.replace(hook, event_types=["a", "b*"], heard_from=7)
    changed = await write(database, lambda tx: webhooks.update(tx, changed))
    assert await known() == (count + 1, [Called("m1", hook.id, ["a", "b*"], 7)])
    await write(database, lambda tx: webhooks.disable(tx, hook.id, "gone", NOW))
    assert await known() == (count + 2, [])
    await write(database, lambda tx: webhooks.delete(tx, hook.id))
    assert await known() == (count + 3, [])


async def test_one_attempt_of_a_delivery_is_pending(database: Database, made: Everything) -> None:
    first = PendingAttempt(
        id=samples.new_id(), merchant_id="m1", webhook_id=made.webhook.id, delivery_id="d1",
        event_id="e1", attempt=1, payload='{"a":1}', created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    second = structs.replace(first, id=samples.new_id(), attempt=2, next_retry_at=LATER)
    failed = Made(status="failed", response_status=500, response_body="no", duration_ms=3,
                  error_message="answered 500")  # fmt: skip

    async def settle(attempt: int, how: Made) -> bool:
        return await write(database, lambda tx: webhook_logs.settle(tx, "d1", attempt, how, LATER))

    await write(database, lambda tx: webhook_logs.insert_many(tx, [first]))
    assert await settle(1, failed)
    assert not await settle(1, failed), "it is not pending any more"
    await write(database, lambda tx: webhook_logs.insert_many(tx, [second]))
    # The attempt that it was to be was lost with its worker; this is the one after.
    assert await settle(3, Made(status="success", response_status=200))
    page = await read(database, lambda tx: webhook_logs.page(tx, "", 9, delivery_id="d1"))
    assert [(log.attempt, log.status, log.next_retry_at) for log in page] == [
        (3, "success", None), (1, "failed", None),
    ]  # fmt: skip
    assert page[1].payload == {"a": 1}
    assert (page[1].response_body, page[1].error_message) == ("no", "answered 500")
    found = await read(database, lambda tx: webhook_logs.payload(tx, "d1"))
    assert json.loads(str(found)) == {"a": 1}
    assert await read(database, lambda tx: webhook_logs.payload(tx, "d1"), THEIRS) is None


async def test_old_attempts_are_removed_but_not_pending_ones(
    database: Database, made: Everything
) -> None:
    moment = parse_ms(NOW)
    ids = [least_uuid7(moment + number) for number in range(4)]
    for number, id_ in enumerate(ids):
        record = samples.attempt(
            made.webhook.id, id=id_, status="pending" if number == 1 else "dead"
        )
        await write(database, lambda tx, record=record: webhook_logs.insert(tx, record))  # type: ignore[misc]

    async def expire(limit: int) -> int:
        before = least_uuid7(moment + 3)
        return await write(database, lambda tx: webhook_logs.expire(tx, before, limit), HUB)

    assert [await expire(1), await expire(9), await expire(9)] == [1, 1, 0]
    page = await read(database, lambda tx: webhook_logs.page(tx, "", 9, webhook_id=made.webhook.id))
    assert {log.id for log in page} == {ids[1], ids[3], made.attempt.id}


async def test_webhooks_are_found_by_whether_they_are_called(
    database: Database, made: Everything
) -> None:
    idle = samples.webhook(is_active=False)
    await write(database, lambda tx: webhooks.insert(tx, idle))
    for active, expected in ((None, [made.webhook, idle]), (True, [made.webhook]), (False, [idle])):
        found = await read(database, lambda tx, a=active: webhooks.page(tx, "", 9, is_active=a))  # type: ignore[misc]
        assert found == expected


async def test_attempts_that_are_due_come_the_longest_first(
    database: Database, made: Everything
) -> None:
    for number, time in enumerate((LATER, None, EARLIER, NOW)):
        record = samples.attempt(made.webhook.id, next_retry_at=time, attempt=number + 1)
        await write(database, lambda tx, record=record: webhook_logs.insert(tx, record))  # type: ignore[misc]
    found = await read(database, lambda tx: webhook_logs.due(tx, NOW, 9), HUB)
    assert [log.next_retry_at for log in found] == [EARLIER, NOW]
    one = made.attempt
    page = await read(
        database, lambda tx: webhook_logs.page(tx, "", 9, delivery_id=one.delivery_id)
    )
    assert page == [one]
    page = await read(database, lambda tx: webhook_logs.page(tx, "", 9, webhook_id=made.webhook.id))
    assert [log.attempt for log in page] == [4, 3, 2, 1, 1]


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_key_names_one_open_job_of_a_queue(database: Database, made: Everything) -> None:
    async def known(queue: str = "message_sending") -> Job | None:
        return await read(database, lambda tx: jobs.open_by_key(tx, queue, "u1"))  # type: ignore[arg-type]

    assert await known() == made.job
    assert await known("order_processing") is None
    assert await read(
        database, lambda tx: jobs.open_by_key(tx, "message_sending", "u1"), THEIRS
    ) is None  # fmt: skip
    done = structs.replace(made.job, state="succeeded", finished_at=LATER)
    await write(database, lambda tx: jobs.update(tx, done))
    assert await known() is None
    again = samples.job(unique_key="u1", state="scheduled")
    await write(database, lambda tx: jobs.insert(tx, again))
    assert await known() == again


async def test_jobs_come_in_the_order_of_their_time(database: Database, made: Everything) -> None:
    times = [LATER, NOW, EARLIER, NOW, NOW, "2027-01-01T00:00:00.000Z"]
    for time in times:
        record = samples.job(state="scheduled", run_at=time)
        await write(database, lambda tx, record=record: jobs.insert(tx, record))  # type: ignore[misc]
    other = samples.job(state="scheduled", queue="webhook_delivery")
    await write(database, lambda tx: jobs.insert(tx, other))

    async def due(after: Job | None) -> list[Job]:
        return await read(
            database,
            lambda tx: jobs.by_run_time(
                tx, "message_sending", "scheduled", 2, until=LATER, after=after
            ),
            HUB,
        )

    seen: list[Job] = []
    while page := await due(seen[-1] if seen else None):
        seen += page
    assert [job.run_at for job in seen] == sorted(times)[:-1]
    assert len({job.id for job in seen}) == 5
    every = await read(
        database, lambda tx: jobs.by_run_time(tx, "message_sending", "scheduled", 9), HUB
    )
    assert [job.run_at for job in every] == sorted(times)


# ── idempotency ──────────────────────────────────────────────────────────────────────────────────


async def test_a_call_is_known_until_it_is_forgotten(database: Database, made: Everything) -> None:
    call = made.call

    async def known(now: str, merchant_id: str = "m1") -> object:
        return await read(
            database, lambda tx: idempotency.get(tx, merchant_id, call.method, call.key, now)
        )

    assert await known(NOW) == call
    assert await known(LATER) is None, "its time is over"
    assert await known(NOW, "m2") is None
    with pytest.raises(Conflict, match="idempotency_keys_pkey"):
        await write(database, lambda tx: idempotency.put(tx, call))
    answer = {"order": {"id": "o1", "note": "“😀”"}, "success": True}
    await write(
        database, lambda tx: idempotency.answer(tx, "m1", call.method, call.key, dict(answer))
    )
    assert await known(NOW) == structs.replace(call, response=answer)
    with pytest.raises(NotFound):
        await write(
            database, lambda tx: idempotency.answer(tx, "m1", call.method, "other", {}), THEIRS
        )
    later = structs.replace(call, created_at=LATER, expires_at="2026-11-23T00:00:00.000Z")
    await write(database, lambda tx: idempotency.put(tx, later))
    assert await known(LATER) == later


async def test_calls_are_forgotten_the_oldest_first(database: Database, made: Everything) -> None:
    for number in range(5):
        call = samples.call(key=f"k{number}", expires_at=f"2026-11-22T11:0{number}:00.000Z")
        await write(database, lambda tx, call=call: idempotency.put(tx, call))  # type: ignore[misc]
    admins = samples.call(merchant_id="*", key="k9")
    await write(database, lambda tx: idempotency.put(tx, admins), HUB)

    async def expire(now: str, limit: int) -> int:
        return await write(database, lambda tx: idempotency.expire(tx, now, limit), HUB)

    assert await expire("2026-11-22T11:03:30.000Z", 3) == 3
    assert await expire("2026-11-22T11:03:30.000Z", 3) == 1
    assert await expire("2026-11-22T11:03:30.000Z", 3) == 0

    async def known(merchant_id: str, key: str) -> object:
        return await read(
            database, lambda tx: idempotency.get(tx, merchant_id, "orders.create", key, NOW), HUB
        )

    assert await known("*", "k9") == admins
    assert await known("m1", "k3") is None
    assert await known("m1", "k4") is not None
