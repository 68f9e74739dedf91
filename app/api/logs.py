"""The server: one JSON object a line on standard output, ours and the libraries' alike. Commands: warnings."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog


def configure(level: str) -> None:
    """Once, by the command that runs the server. ``level``: debug, info, warning, error."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _one_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers, root.level = [handler], logging.getLevelName(level.upper())
    # Alembic tells each statement it considers; the migration that ran is in our own start line.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def configure_for_commands() -> None:
    """Warnings and worse, to standard error: standard output is the command's answer."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, _from_warnings, structlog.dev.ConsoleRenderer(colors=False)],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _from_warnings(_logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if name in ("debug", "info"):
        raise structlog.DropEvent
    return event


def _one_line(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Of a library's traceback the last line is the reason; the rest is long and may quote arguments.
    event.pop("exc_info", None)
    event["event"] = str(event["event"]).strip().rpartition("\n")[2]
    return event
