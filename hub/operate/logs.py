"""Structured logs: readable lines on a terminal, one JSON object a line elsewhere.

Everything goes through structlog to standard error, the libraries' own loggers too. Queries and
credentials are never logged, and no library that would log them is let below `warning`.
"""

import logging
import sys

import structlog

from hub.settings import Settings


def configure(settings: Settings) -> None:
    """Set the logs up for this process."""
    level = getattr(logging, settings.log_level.upper())
    kind = settings.log_format or ("console" if sys.stderr.isatty() else "json")
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    finish: list[structlog.typing.Processor] = (
        # Plain tracebacks: the rich ones print local variables, and with them secrets.
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for library in ("websockets", "uvicorn", "aiosqlite", "asyncio"):
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
