"""Payments as rows: each transaction once for a merchant, and never changed."""

import pytest
from msgspec import structs

from storage import orders, payments
from storage.database import Database, Transaction
from storage.errors import Conflict, NotFound
from storage.merchant_records import Payment
from tests.storage import samples
from tests.storage.samples import OURS, THEIRS, read, write


@pytest.fixture
async def made(database: Database) -> samples.Everything:
    await samples.add_merchants(database)
    return await samples.add_everything(database)


async def test_payments_of_an_order(database: Database, made: samples.Everything) -> None:
    second = samples.payment(made.order.id, transaction_id="t2", amount=2**53, created_by="k1")
    other = samples.order()
    third = samples.payment(other.id, transaction_id="t3")

    async def work(tx: Transaction) -> None:
        await orders.insert(tx, other)
        for payment in (second, third):
            assert await payments.insert(tx, payment) == payment

    await write(database, work)

    async def found(tx: Transaction) -> tuple[list[Payment], list[Payment], int, int]:
        return (
            await payments.of_order(tx, made.order.id, "", 10),
            await payments.of_order(tx, made.order.id, made.payment.id, 10),
            await payments.paid(tx, made.order.id),
            await payments.paid(tx, samples.new_id()),
        )

    assert await read(database, found) == (
        [made.payment, second], [second], 500 + 2**53, 0,
    )  # fmt: skip
    assert await read(database, lambda tx: payments.get(tx, second.id)) == second
    with pytest.raises(NotFound):
        await read(database, lambda tx: payments.get(tx, second.id), THEIRS)
    known = [
        await read(database, lambda tx, scope=scope: payments.by_transaction(tx, "t2"), scope)  # type: ignore[misc]
        for scope in (OURS, THEIRS)
    ]
    assert known == [second, None]


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"transaction_id": "t1"}, "payments_merchant_id_transaction_id_key"),
        ({"order_id": samples.new_id()}, "payments_merchant_id_order_id_fkey"),
        ({"amount": 0}, "payments_amount_check"),
        ({"currency": "eur"}, "payments_currency_check"),
        ({"method": ""}, "payments_method_check"),
    ],
)
async def test_what_is_no_payment(
    database: Database, made: samples.Everything, changes: dict[str, object], constraint: str
) -> None:
    good = samples.payment(made.order.id, transaction_id="t9")
    wrong = structs.replace(good, **changes)
    with pytest.raises(Conflict, match=constraint):
        await write(database, lambda tx: payments.insert(tx, wrong))
    with pytest.raises(Conflict, match="_fkey"):
        await write(database, lambda tx: orders.delete(tx, made.order.id))
