"""One log line per happening: JSON for machines, coloured text on a terminal."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

# Up to the last "@" before the path: cameras take passwords with an "@" in them.
_USER_INFO = re.compile(r"(?<=://)[^/\s\"']+@")
_SECRET = re.compile(r"(?i)\b(password|passwd|pwd|token|secret)=[^&\s\"']+")


def configure(*, as_json: bool | None = None) -> None:
    """Send structlog and the standard library's log to standard error, credentials in URLs struck out."""
    if as_json is None:
        as_json = not sys.stderr.isatty()
    render: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()

    def renderer(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        # Struck out of the finished line, for a secret may sit deep in a value or in a traceback.
        return redact(str(render(logger, name, event)))

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def redact(text: str) -> str:
    """Return ``text`` with user names, passwords and tokens in URLs struck out.

    >>> redact("rtsp://admin:secret@10.0.0.9/stream")
    'rtsp://***@10.0.0.9/stream'
    """
    return _SECRET.sub(r"\1=***", _USER_INFO.sub("***@", text))
