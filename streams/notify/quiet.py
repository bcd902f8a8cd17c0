"""Quiet hours: from one time of day to another, in the zone where people sleep."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from streams.settings.notify import HOURS

_STEP = timedelta(days=1)


def parse_hours(text: str) -> tuple[time, time]:
    """Begin and end of quiet hours.

    Raises:
        ValueError: they are not HH:MM-HH:MM, or begin and end are the same.

    >>> parse_hours("22:00-07:30")
    (datetime.time(22, 0), datetime.time(7, 30))
    """
    match = re.fullmatch(HOURS, text)
    if match is None:
        raise ValueError('not two times of day, as in "22:00-07:00"')
    begin = time(int(match[1]), int(match[2]))
    end = time(int(match[3]), int(match[4]))
    if begin == end:
        raise ValueError("they end when they begin")
    return begin, end


@lru_cache(maxsize=1_000)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def quiet_until(hours: str, zone: str, now_ms: int) -> int | None:
    """When the quiet hours end that it is now, milliseconds since 1970 UTC; None if it is none.

    The clock on the wall counts: where it is put forward or back in the night, quiet hours are an
    hour shorter or longer. If they end in an hour that happens twice, it is quiet twice.

    >>> noon = 1_735_732_800_000  # 2025-01-01T12:00:00Z
    >>> quiet_until("22:00-07:00", "Europe/Berlin", noon) is None
    True
    >>> quiet_until("22:00-07:00", "America/Los_Angeles", noon) - noon  # it is four there
    10800000
    """
    if not hours:
        return None
    begin, end = parse_hours(hours)
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(_zone(zone))
    at = local.time()
    overnight = begin > end
    if not (at >= begin or at < end if overnight else begin <= at < end):
        return None
    day = local.date() + (_STEP if overnight and at >= begin else timedelta())
    over = datetime.combine(day, end, _zone(zone))
    ends_ms = round(over.timestamp() * 1000)
    # In the second pass of an hour that happens twice, it is the second end that is to come.
    return ends_ms if ends_ms > now_ms else round(over.replace(fold=1).timestamp() * 1000)
