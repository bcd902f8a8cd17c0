"""The log: lines for people, or JSON for machines; on standard error."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pythonjsonlogger.json import JsonFormatter

if TYPE_CHECKING:
    from streams.settings import Log

_TEXT = "%(asctime)s %(levelname)s %(message)s"
_FIELDS = {"levelname": "level", "name": "logger", "message": "message"}


class _Json(JsonFormatter):
    """One JSON object a line, with the time as RFC 3339 in UTC."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """See ``logging.Formatter``."""
        del datefmt
        at = datetime.fromtimestamp(record.created, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def set_up_logs(settings: Log) -> None:
    """Write our own lines from the set level on, and of libraries what went wrong."""
    formatter: logging.Formatter
    if settings.format == "json":
        formatter = _Json(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields=_FIELDS | {"asctime": "time"},
        )
    else:
        formatter = logging.Formatter(_TEXT)
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("surgewatch").setLevel(level)
