"""What of the alerts is confirmed: the same live and in a replay."""

from __future__ import annotations

import orjson

COUNTS = ("late", "duplicates", "rejected", "series_dropped")
"""Data-quality counts: they say how the data came, so they are no part of what is confirmed."""

EARLY = frozenset({"surgewatch.incident.provisional.v1", "surgewatch.incident.withdrawn.v1"})
"""Types of alerts that are sent before anything is confirmed, or take such a one back."""


def confirmed(line: bytes) -> bytes | None:
    """An alert as far as it is confirmed; None if it is not, or not of an incident.

    What of the data quality changes what can be seen (sampling, missing minutes) stays.
    """
    alert = orjson.loads(line)
    if not alert["type"].startswith("surgewatch.incident.") or alert["type"] in EARLY:
        return None
    quality = alert["data"]["data_quality"]
    for name in COUNTS:
        quality.pop(name, None)
    return orjson.dumps(alert)
