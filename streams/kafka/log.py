"""The workers' log: a line for each turn of their life and for each alert, none for a post."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streams.console.text import visible

if TYPE_CHECKING:
    from streams.events import Alert

log = logging.getLogger("surgewatch")

SAID_CHARS = 200


def said(alert: Alert) -> str:
    """An alert in a line of the log.

    >>> from streams.events import Alert
    >>> said(Alert("i", "surgewatch.pipeline.gap.v1", "s", "pipeline/gap", "t", {"status": "open"}))
    'pipeline.gap pipeline/gap open'
    """
    data = alert.data
    words = [alert.type.removeprefix("surgewatch.").removesuffix(".v1"), alert.subject]
    if alert.correlationid is None:
        words.append(str(data.get("status", "")))
    else:
        words += [alert.correlationid, str(data.get("severity", ""))]
    if "users" in data:
        words.append(f"{data['users']:,} users")
    return visible(" ".join(filter(None, words)), SAID_CHARS)
