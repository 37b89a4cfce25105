"""Payments: what customers paid for their orders, each counted once."""

from typing import Annotated

from msgspec import Meta, Struct, structs

from hub.protocol.errors import Conflict, invalid
from hub.stream.waiting import WriteScope
from storage import orders, payments
from storage.database import Transaction
from storage.merchant_records import Order, Payment

from . import transitions
from .command import EVERYBODY, SELLERS, Command, Invocation, Result
from .params import After, Limit, Positive, Word, next_of

Method = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
TransactionId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]


class NewPayment(Struct, forbid_unknown_fields=True, kw_only=True):
    """`id` is the order's, `amount` in minor units of its currency.

    `transaction_id` is what the payer's side calls it; it tells a repeat from another payment.
    """

    id: Word
    amount: Positive
    method: Method
    transaction_id: TransactionId


class PaymentsOfOrder(Struct, forbid_unknown_fields=True):
    id: Word
    after: After = ""
    limit: Limit = 100


async def pay(call: Invocation, params: NewPayment) -> Result:
    """Take a payment for an order; the same one told again is answered as the first time.

    Raises:
        Conflict: the order is cancelled, less is open than is paid, or the transaction is known as
            another payment.
    """

    async def work(scope: WriteScope) -> Result:
        tx = scope.tx
        order = await orders.get(tx, params.id)
        known = await payments.by_transaction(tx, params.transaction_id)
        if known is not None:
            _check_same(known, params)
            return {"payment": known, "order": order}
        before = await payments.paid(tx, order.id)
        _check_open(order, before, params.amount)
        payment = await payments.insert(
            tx,
            Payment(
                id=scope.new_id(), merchant_id=order.merchant_id, order_id=order.id,
                amount=params.amount, currency=order.currency, method=params.method,
                transaction_id=params.transaction_id, created_by=call.actor.key_id,
                created_at=call.now,
            ),
        )  # fmt: skip
        paid = before + payment.amount
        status = transitions.payment_status(order.total, paid)
        order = await orders.update(
            tx, structs.replace(order, payment_status=status, updated_at=call.now)
        )
        data = {
            "orderId": order.id, "amount": payment.amount, "paymentMethod": payment.method,
            "transactionId": payment.transaction_id, "paymentId": payment.id,
            "currency": payment.currency, "paidAmount": paid, "totalAmount": order.total,
            "status": order.status, "paymentStatus": order.payment_status,
            "version": order.version,
        }  # fmt: skip
        call.record(scope, "payment_received", data, f"order/{order.id}")
        return {"payment": payment, "order": order}

    return await call.commit(work)


async def of_order(call: Invocation, params: PaymentsOfOrder) -> Result:
    """A page of the payments of an order, by id."""

    async def read(tx: Transaction) -> list[Payment]:
        await orders.get(tx, params.id)
        return await payments.of_order(tx, params.id, params.after, params.limit)

    found = await call.read(read)
    return {"payments": found, "count": len(found), "next": next_of(found, params.limit)}


def _check_same(known: Payment, told: NewPayment) -> None:
    if (known.order_id, known.amount, known.method) != (told.id, told.amount, told.method):
        message = "is known as a payment with another order, amount or method"
        raise invalid(Conflict, "/transaction_id", message)


def _check_open(order: Order, paid: int, amount: int) -> None:
    if order.status == "cancelled":
        raise Conflict("the order is cancelled; nothing is paid for it")
    left = order.total - paid
    if amount > left:
        message = f"{left} of {order.total} {order.currency} (minor units) are open"
        raise invalid(Conflict, "/amount", message)


COMMANDS = (
    Command(
        name="orders.pay", http="POST /api/orders/{id}/payments", roles=SELLERS,
        summary="Take a payment for an order; a transaction counts once",
        params=NewPayment, run=pay, answer={"payment": Payment, "order": Order}, status=201,
        message="The payment is taken.", events=("payment_received",), table="orders",
    ),
    Command(
        name="orders.payments", http="GET /api/orders/{id}/payments", roles=EVERYBODY,
        summary="The payments of an order, by id",
        params=PaymentsOfOrder, run=of_order,
        answer={"payments": list[Payment], "count": int, "next": str | None}, table="orders",
    ),
)  # fmt: skip
