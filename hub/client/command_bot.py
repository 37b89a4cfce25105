"""`hub bot`: take messages from the hub and print them, as a bot without WhatsApp.

It is the smallest whole bot: put the call of a gateway where `_Pretence.send` is.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from msgspec import Struct

from hub.client.hub import Hub
from hub.client.narrator import Narrator
from hub.client.tasks import Task
from hub.client.terminal import Output, message_line, notice
from hub.protocol.ids import uuid7


class Wanted(Struct, frozen=True):
    """What the bot takes, as for `Hub.bot`; `delay` is how long its gateway takes, seconds."""

    credit: int
    format: str
    journal: Path | None
    delay: float


class _Shown(Struct):
    """One message on stdout."""

    job: str
    attempt: int
    message_id: str
    to: str
    text: str
    message: Any


async def serve(hub: Hub, wanted: Wanted, output: Output) -> int:
    """Print messages until interrupted or until nobody reads any more; the exit code.

    Raises:
        HubError: the hub refused.
        JournalError: the journal cannot be kept.
    """
    bot = hub.bot(
        credit=wanted.credit,
        format=wanted.format,
        journal=wanted.journal,
        on_state=Narrator(f"ready for {wanted.credit} messages at once"),
    )
    gateway = _Pretence(wanted.delay, output)
    if wanted.journal is None:
        notice("without --journal a death at the wrong moment sends a message twice")
    async with bot:
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, bot.stop)
        output.when_broken(bot.stop)
        await bot.run(gateway.handle)
    return 0


class _Pretence:
    """A gateway that prints messages instead of sending them."""

    def __init__(self, delay: float, output: Output) -> None:
        self._delay = delay
        self._output = output

    async def handle(self, task: Task) -> None:
        """What a bot does with a task."""
        if task.name == "send":
            await task.send(self.send, task)
        else:
            await task.fail(f"this bot does not know what {task.name!r} is", retry=False)

    async def send(self, task: Task) -> str:
        """What a gateway does with a message; its own id of it."""
        await asyncio.sleep(self._delay)
        if self._output.readable:
            self._output.text(message_line(task.to, task.text, self._output.colour))
        else:
            shown = _Shown(
                task.job, task.attempt, task.message_id, task.to, task.text, task.message
            )
            self._output.json(shown)
        return f"pretended-{uuid7()}"
