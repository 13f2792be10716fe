"""Structured logs: one JSON object a line, or readable lines on a terminal."""

import sys
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured

FORMATS = ("json", "console")


def logging_config(*, level: str, format: str) -> dict[str, Any]:
    """What logging.config.dictConfig takes. `format` empty: console on a terminal, else JSON."""
    format = format or ("console" if sys.stderr.isatty() else "json")
    if format not in FORMATS:
        raise ImproperlyConfigured("LOG_FORMAT must be json or console")
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
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
        cache_logger_on_first_use=True,
    )
    last: list[Any] = (
        # Plain: a pretty traceback prints local variables, and secrets are among them.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if format == "console"
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Every task and every beat tick, several times a second: noise at INFO.
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            "aiohttp": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
            # Whoever scans for hosts may not fill the log.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }
