"""Structured logs: readable lines on a terminal, one JSON object a line elsewhere.

Everything goes through structlog to standard error: the libraries' own loggers, warnings, and what
nobody has caught. Queries and credentials are never logged, and no library that would log them is
let below `warning`; should one get this far all the same, it is masked in the finished line.
"""

import asyncio
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from hub.settings import Settings
from hub.tokens import masked

log = structlog.get_logger("hub.operate")

# A long path or name is cut, and a secret with it; `hub.tokens.visible_prefix` may be shown.
_CUT_OFF = re.compile(r"(hub_[a-z]_)[0-9A-Za-z]{5,}", re.ASCII)
_LIBRARIES = ("websockets", "uvicorn", "aiosqlite", "asyncio")


def configure(settings: Settings) -> None:
    """Set the logs up for this process."""
    level = getattr(logging, settings.log_level.upper())
    kind = settings.log_format or ("console" if sys.stderr.isatty() else "json")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    finish: list[Processor] = (
        # Plain tracebacks: the rich ones print local variables, and with them secrets.
        [
            _visible,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
        if kind == "console"
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    mask = masking(settings.admin_key, settings.metrics_token)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *finish,
                lambda _logger, _name, line: mask(str(line)),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def masking(*secrets: str | None) -> Callable[[str], str]:
    """Make what takes the secrets out of a finished line: the hub's own, known by their form, and
    these, which have none."""
    forms = sorted({form for secret in secrets if secret for form in _written(secret)}, key=len)
    forms.reverse()

    def mask(line: str) -> str:
        for form in forms:
            if form in line:
                line = line.replace(form, "***")
        return _CUT_OFF.sub(r"\1***", masked(line)) if "hub_" in line else line

    return mask


def _written(secret: str) -> Iterator[str]:
    """A secret as it may stand in a line: as it is, in an address, quoted, and quoted again."""
    for plain in (secret, quote(secret), quote(secret, safe="")):
        for text in (plain, repr(plain)[1:-1]):
            yield text
            yield json.dumps(text)[1:-1]
            yield json.dumps(text, ensure_ascii=False)[1:-1]


def _visible(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Let no client write control characters to somebody's terminal."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = ascii(value)
    return event


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`: what nobody has caught on the event loop."""
    about = next((context[k] for k in ("task", "future", "handle", "protocol") if k in context), "")
    log.error(
        "uncaught on the event loop",
        message=context["message"],
        about=repr(about)[:500],
        exc_info=context.get("exception"),
    )


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_type is SystemExit:
        return
    thread = None if found.thread is None else found.thread.name
    log.error(
        "uncaught in a thread",
        thread=thread,
        exc_info=(found.exc_type, found.exc_value, found.exc_traceback),
    )
