"""`hub publish`: one event from the command line, or many from stdin."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hub.client.errors import Closed
from hub.client.hub import Hub
from hub.client.outbox import Ack
from hub.client.terminal import Output, complaint
from hub.client.wire import OtherRefusal
from hub.protocol.codec import decode_json, to_publish
from hub.protocol.errors import BadFrame, FieldError, HubError
from hub.protocol.frames import Publish

_AHEAD = 1000  # lines read before the first of them has its answer


class NoAnswer(Exception):
    """The hub has not answered in time; it is not known whether the event was stored."""


class _Error(msgspec.Struct):
    """One refused event on stdout."""

    code: str
    message: str
    errors: tuple[FieldError, ...]


async def publish_one(hub: Hub, event: Publish, timeout: float, output: Output) -> int:
    """Publish one event and print its acknowledgement; the exit code.

    Args:
        hub: the hub.
        event: what to publish.
        timeout: seconds to wait for the answer.
        output: where the acknowledgement goes.

    Raises:
        HubError: it was refused.
        NoAnswer: `timeout` has passed.
    """
    answer = await _submit(hub, event)
    _print_ack(await _wait(answer, timeout), output)
    return 0


async def publish_lines(
    hub: Hub, lines: AsyncIterator[bytes], timeout: float, output: Output
) -> int:
    """Publish one event a line, in order, and print one answer a line; the exit code.

    Args:
        hub: the hub.
        lines: each a whole event `{type, data, …}` as JSON.
        timeout: seconds to wait for the next answer.
        output: where the answers go.

    Raises:
        Closed: the hub refuses everything.
        NoAnswer: `timeout` has passed.
    """
    answers: asyncio.Queue[_Answer | None] = asyncio.Queue(_AHEAD)
    try:
        async with asyncio.TaskGroup() as tasks:
            printing = tasks.create_task(_print_answers(answers, timeout, output))
            number = 0
            async for line in lines:
                number += 1
                if line.strip():
                    await answers.put(await _send_line(hub, number, line))
            await answers.put(None)
            refused = await printing
    except* (Closed, NoAnswer) as group:
        raise _leaf(group) from None
    if refused:
        complaint(f"{refused} of {number} events were refused")
    return 1 if refused else 0


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to one line: to come, or a refusal that needed no asking."""

    number: int
    id: str | None
    answer: asyncio.Future[Ack] | HubError


async def _send_line(hub: Hub, number: int, line: bytes) -> _Answer:
    id_: str | None = None
    try:
        value = decode_json(line)
        if not isinstance(value, dict):
            raise BadFrame("expected a JSON object with type and data")
        event = to_publish(value)
        id_ = event.id
        answer = await _submit(hub, event)
        # Printed in its turn; where the hub refuses everything, one sentence stands for all.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        return _Answer(number, id_, answer)
    except Closed:
        raise
    except HubError as error:
        return _Answer(number, id_, error)


async def _submit(hub: Hub, event: Publish) -> asyncio.Future[Ack]:
    return await hub.submit(
        event.type,
        event.data,
        id=event.id,
        subject=event.subject,
        timestamp=event.timestamp,
        merchant_id=event.merchant_id,
        volatile=event.volatile,
    )


async def _print_answers(
    answers: asyncio.Queue[_Answer | None], timeout: float, output: Output
) -> int:
    """Print answers in the order of their lines; how many were refusals."""
    refused = 0
    while (line := await answers.get()) is not None:
        try:
            if isinstance(line.answer, HubError):
                raise line.answer
            _print_ack(await _wait(line.answer, timeout), output)
        except Closed:
            raise
        except HubError as error:
            refused += 1
            complaint(f"line {line.number}: {sentence(error)}")
            if not output.readable:
                told = _Error(error_name(error), error.message, error.errors)
                output.json({"id": line.id, "error": told})
    return refused


async def _wait(answer: asyncio.Future[Ack], timeout: float) -> Ack:
    try:
        async with asyncio.timeout(timeout):
            return await answer
    except TimeoutError:
        raise NoAnswer(f"no answer within {timeout:g} s") from None


def _print_ack(ack: Ack, output: Output) -> None:
    if not output.readable:
        output.json(ack)
        return
    where = "not stored, as it is volatile" if ack.offset is None else f"offset {ack.offset}"
    again = ", known already" if ack.duplicate else ""
    output.text(f"{ack.id}  {where}{again}")


def error_name(error: HubError) -> str:
    """The code of a refusal as it stands on the wire."""
    return error.name if isinstance(error, OtherRefusal) else str(error.code)


def sentence(error: HubError) -> str:
    """A refusal in words, beginning with its code."""
    if isinstance(error, Closed | OtherRefusal):
        return error.message
    return f"{error_name(error)}: {error.message}"


def parse_data(text: bytes) -> Mapping[str, Any]:
    """The `data` of an event from the command line.

    Raises:
        BadFrame: not a JSON object.
    """
    value = decode_json(text)
    if not isinstance(value, dict):
        raise BadFrame('the data must be a JSON object such as {"orderId": "ORD-1"}')
    return value


def _leaf(group: BaseExceptionGroup[Closed | NoAnswer]) -> Closed | NoAnswer:
    first = group.exceptions[0]
    return _leaf(first) if isinstance(first, BaseExceptionGroup) else first
