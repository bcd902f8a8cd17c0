"""Incidents and what is known, made by hand; times are hours of 2025-01-13."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from detectors.series import parse_key
from streams.backtest import Known
from streams.backtest.overlap import extent
from streams.codec import epoch_ms
from streams.events import Intake
from streams.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Json = dict[str, Any]
DAY = "2025-01-13"


def at(hours: float) -> str:
    """A time of the day, RFC 3339."""
    minutes = round(hours * 60)
    return f"{DAY}T{minutes // 60:02d}:{minutes % 60:02d}:00Z"


def ms(hours: float) -> int:
    """The same in milliseconds."""
    return epoch_ms(at(hours))


def _incident(
    name: int,
    series: str | Sequence[str],
    onset: float,
    detected: float,
    closed: float | None = None,
) -> Json:
    keys = [series] if isinstance(series, str) else list(series)
    level, region, hashtag = parse_key(keys[0])
    return {
        "incident_id": f"in-{name:016x}",
        "level": level,
        "region": region,
        "hashtag": hashtag,
        "onset_at": at(onset),
        "detected_at": at(detected),
        "closed_at": None if closed is None else at(closed),
        "series": [{"series": key} for key in keys],
        "users": 10 * name,
    }


@pytest.fixture
def incident() -> Callable[..., Json]:
    """A function that makes an incident of series, the cause first, with its hours."""
    return _incident


def _known(
    name: str, verdict: str, series: str, start: float, end: float, *, label: bool = False
) -> Known:
    return Known(name, verdict, extent([series], ms(start), ms(end)), (series,), name, label)


@pytest.fixture
def known() -> Callable[..., Known]:
    """A function that makes what is known of one series from one hour to another."""
    return _known


def _summary(incidents: list[Json], judged: float | None = 1, last: float = 22) -> Summary:
    return Summary(
        posts=100,
        intake=Intake(posts=100, foreign=100),
        incidents=sorted(incidents, key=lambda data: data["detected_at"]),
        pipeline=[],
        first_event=at(0),
        last_event=at(last),
        seconds=1.0,
        bytes_read=1,
        logs=["log.jsonl"],
        judged_from=None if judged is None else at(judged),
    )


@pytest.fixture
def summary() -> Callable[..., Summary]:
    """A function that makes the summary of a day's replay of incidents."""
    return _summary
