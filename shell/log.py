"""One log line per happening: JSON for machines, coloured text on a terminal."""

import logging
import re
import sys
from typing import Any

import structlog

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def configure(*, as_json: bool | None = None) -> None:
    """Send structlog and the standard library's log to standard error, credentials in URLs struck out."""
    if as_json is None:
        as_json = not sys.stderr.isatty()
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _strike_credentials,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _strike_credentials(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: redact(value) if isinstance(value, str) else value for key, value in event.items()}


def redact(text: str) -> str:
    """Return ``text`` with user names and passwords in URLs struck out.

    >>> redact("rtsp://admin:secret@10.0.0.9/stream")
    'rtsp://***@10.0.0.9/stream'
    """
    return _CREDENTIALS.sub("***@", text)
