"""The command `hub`: follow and publish events from a shell, and be a bot.

    hub tail --types 'order_*'
    hub publish order_created '{"orderId": "ORD-1", …}' --subject order/ORD-1
    jq -c … | hub publish - | jq .offset
    hub bot --journal bot.journal

On a terminal it prints lines for people, into a pipe NDJSON. Exit codes: 0 done, 1 refused or
unreachable, 2 wrong usage, 130 interrupted.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hub.client.command_bot import Wanted as WantedTasks
from hub.client.command_bot import serve
from hub.client.command_publish import NoAnswer, parse_data, publish_lines, publish_one, sentence
from hub.client.command_tail import Wanted, tail
from hub.client.errors import JournalError
from hub.client.hub import Hub
from hub.client.lines import read_lines
from hub.client.status import State, Status
from hub.client.terminal import Output, complaint
from hub.protocol.errors import HubError
from hub.protocol.frames import Publish
from hub.protocol.limits import MESSAGE_BYTES

DEFAULT_URL = "http://127.0.0.1:8000"


class UsageError(Exception):
    """What was asked cannot be done; the message says what to do instead."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    # What the SDK would log is told here in sentences of its own.
    logging.getLogger("hub.client").addHandler(logging.NullHandler())
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:
        return 130
    except HubError as error:
        complaint(sentence(error))
    except (JournalError, NoAnswer, UsageError, ValueError) as error:
        complaint(str(error))
        return 2 if isinstance(error, UsageError) else 1
    return 1


def _parser() -> argparse.ArgumentParser:
    connection = argparse.ArgumentParser(add_help=False)
    group = connection.add_argument_group("the hub")
    group.add_argument("--url", help=f"its address (HUB_URL, else {DEFAULT_URL})")
    group.add_argument("--key", help="an API key (HUB_KEY); others on this machine can see it here")
    group.add_argument("--key-file", type=Path, help="a file that holds the key (HUB_KEY_FILE)")
    group.add_argument("--merchant", metavar="ID", help="one merchant, for an admin's key")

    parser = argparse.ArgumentParser(
        prog="hub", description="Follow and publish a hub's events, and take its messages."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    follow = commands.add_parser(
        "tail", parents=[connection], help="follow events", description="Follow events."
    )
    follow.add_argument("--types", metavar="a,b*", help="only these types; * ends a prefix")
    follow.add_argument("--subjects", metavar="a,b*", help="only about these subjects")
    follow.add_argument("--since", type=int, metavar="N", help="start after this offset")
    follow.add_argument("--epoch", metavar="E", help="the epoch that --since belongs to")
    follow.add_argument("--last", type=int, metavar="N", help="start with the last N events")
    follow.add_argument("--json", action="store_true", help="NDJSON, on a terminal too")

    publish = commands.add_parser(
        "publish",
        parents=[connection],
        help="publish events",
        description="Publish one event, or with - as TYPE one for every line of stdin: "
        '{"type": …, "data": {…}, "id"?, "subject"?, "timestamp"?, "merchant_id"?, "volatile"?}.',
    )
    publish.add_argument("type", metavar="TYPE", help="e.g. order_created; - reads NDJSON")
    publish.add_argument(
        "data", metavar="DATA", nargs="?", default="{}", help="a JSON object; - reads it from stdin"
    )
    publish.add_argument("--id", help="the event's own id; a repeat is stored once")
    publish.add_argument("--subject", help="what it is about, e.g. order/ORD-1")
    publish.add_argument("--volatile", action="store_true", help="show it, do not store it")
    publish.add_argument(
        "--timeout", type=float, default=10.0, metavar="S", help="seconds to wait for an answer"
    )
    publish.add_argument("--json", action="store_true", help="NDJSON, on a terminal too")

    bot = commands.add_parser(
        "bot",
        parents=[connection],
        help="take messages and print them",
        description="Be a bot without WhatsApp: take the messages that are to be sent, print them, "
        "and say that they were sent. The key is a bot's.",
    )
    bot.add_argument(
        "--journal", type=Path, metavar="FILE", help="where it writes down what it has sent"
    )
    bot.add_argument(
        "--credit", type=int, default=10, metavar="N", help="messages at once (%(default)s)"
    )
    bot.add_argument(
        "--format",
        default="baileys",
        metavar="F",
        help="baileys, baileys_native, whatsapp-web.js, cloud or text (%(default)s)",
    )
    bot.add_argument(
        "--delay", type=float, default=0.0, metavar="S", help="seconds that one message takes"
    )
    bot.add_argument("--json", action="store_true", help="NDJSON, on a terminal too")
    return parser


async def _run(options: argparse.Namespace) -> int:
    output = Output(options.json)
    url = options.url or os.environ.get("HUB_URL") or DEFAULT_URL
    key = _key(options)
    if options.command == "tail":
        wanted = Wanted(
            _patterns(options.types),
            _patterns(options.subjects),
            options.since,
            options.epoch,
            options.last,
        )
        async with Hub(url, key, merchant_id=options.merchant) as hub:
            return await tail(hub, wanted, output)
    if options.command == "bot":
        tasks = WantedTasks(options.credit, options.format, options.journal, options.delay)
        async with Hub(url, key, merchant_id=options.merchant) as hub:
            return await serve(hub, tasks, output)
    trouble = _Trouble()
    event = None if options.type == "-" else _event(options)
    try:
        async with Hub(url, key, merchant_id=options.merchant, on_state=trouble) as hub:
            if event is not None:
                return await publish_one(hub, event, options.timeout, output)
            lines = read_lines(sys.stdin.fileno(), MESSAGE_BYTES)
            return await publish_lines(hub, lines, options.timeout, output)
    except NoAnswer as error:
        raise NoAnswer(f"{error} from {url}{trouble.told}") from None


def _key(options: argparse.Namespace) -> str:
    """The key: from the options, which come first, or the environment.

    Raises:
        UsageError: there is none, or its file cannot be read.
    """
    if options.key:
        return str(options.key)
    path = options.key_file
    if path is None:
        if key := os.environ.get("HUB_KEY"):
            return key
        if not (name := os.environ.get("HUB_KEY_FILE")):
            raise UsageError(
                "a key is needed: --key-file FILE, or HUB_KEY or HUB_KEY_FILE in the environment; "
                "a hub keeps its first keys in its data directory (data/admin.key, data/bot.key)"
            )
        path = Path(name)
    try:
        return str(path.read_text().strip())
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text"
        raise UsageError(f"the key file {path} cannot be read: {why}") from None


def _event(options: argparse.Namespace) -> Publish:
    text = sys.stdin.buffer.read() if options.data == "-" else options.data.encode()
    return Publish(
        options.type,
        dict(parse_data(text)),
        id=options.id,
        subject=options.subject,
        volatile=options.volatile,
    )


def _patterns(text: str | None) -> list[str] | None:
    return None if text is None else text.split(",")


class _Trouble:
    """Remembers why the hub cannot be reached, for the message at the end."""

    def __init__(self) -> None:
        self.told = ""

    def __call__(self, status: Status) -> None:
        if status.state is State.WAITING:
            self.told = f": {status.reason}"
        elif status.state is State.LIVE:
            self.told = ""


if __name__ == "__main__":
    sys.exit(main())
