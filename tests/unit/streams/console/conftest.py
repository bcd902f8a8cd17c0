"""Alerts, summaries and series rows to show; alerts are the schema's own examples."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streams.codec.confirmed import EARLY
from streams.events import Intake
from streams.stages.follow_up import FOLLOW_UP
from streams.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Alert = dict[str, Any]
_ALERTS = Path(__file__).parents[4] / "schemas" / "alert.schema.json"
_EXAMPLES: list[Alert] = [
    alert
    for alert in json.loads(_ALERTS.read_text("utf-8"))["examples"]
    if alert["type"] not in EARLY  # no replay gives these
]


def _summary(alerts: list[Alert], logs: list[str], rejected: dict[str, int]) -> Summary:
    after = [alert["data"] for alert in alerts if alert["data"]["status"] == FOLLOW_UP]
    last = {
        alert["data"]["incident_id"]: alert["data"]
        for alert in alerts
        if "incident_id" in alert["data"] and alert["data"] not in after
    }
    pipeline = [alert["data"] for alert in alerts if "incident_id" not in alert["data"]]
    intake = Intake(posts=120_000, home=100_000, foreign=19_000, late=3, duplicate=985)
    intake.rejected.update(rejected)
    return Summary(
        posts=120_000,
        intake=intake,
        incidents=list(last.values()),
        pipeline=pipeline,
        first_event="2025-01-12T00:00:00Z",
        last_event="2025-01-16T00:00:00Z",
        seconds=1.5,
        bytes_read=20_000_000,
        logs=logs,
        judged_from="2025-01-13T00:00:00Z",
        follow_ups=after,
    )


@pytest.fixture
def alerts() -> list[Alert]:
    """One incident from opening to closing, and one of each pipeline alert."""
    found = copy.deepcopy(_EXAMPLES)
    for alert in found:
        if alert["type"] == "surgewatch.incident.closed.v1":
            alert["data"]["peak_per_hour"] = 932
    return found


@pytest.fixture
def summary(alerts: list[Alert]) -> Summary:
    """A replay that gave ``alerts``."""
    return _summary(alerts, ["jan.jsonl.gz"], {"not_json": 10, "future": 2})


def _rows(buckets: int) -> Iterator[dict[str, Any]]:
    for bucket in range(buckets):
        hours, minutes = divmod(bucket, 60)
        day, hour = divmod(hours, 24)
        at = f"2025-01-{12 + day:02d}T{hour:02d}:{minutes:02d}:00Z"
        row = {"at": at, "minutes": 1, "expected": 2.0, "upper": 8.0, "score": 1, "threshold": 9}
        yield {**row, "series": "all", "observed": 2 + bucket % 3, "open": False}
        if bucket % 2:
            yield {**row, "series": "region/US", "observed": 1, "open": False}
        if 1560 <= bucket < 3000:
            yield {**row, "series": "pair/US/tiktokrefugee", "observed": 30, "open": True}


@pytest.fixture
def rows() -> Callable[[int], Iterator[dict[str, Any]]]:
    """A function from a number of one-minute buckets to their series rows."""
    return _rows


def _poison(value: Any, text: str) -> Any:
    """Replace what a post or a user could have chosen, wherever it stands in an alert."""
    if isinstance(value, list):
        return [_poison(item, text) for item in value]
    if not isinstance(value, dict):
        return value
    free = {"hashtag", "language", "incident_id", "severity", "summary", "config_fingerprint"}
    return {
        key: text if key in free and inner is not None else _poison(inner, text)
        for key, inner in value.items()
    }


@pytest.fixture(scope="session")
def poisoned() -> Callable[[str], tuple[list[Alert], Summary]]:
    """A function from a hostile text to alerts and a summary that hold it everywhere."""

    def build(text: str) -> tuple[list[Alert], Summary]:
        found: list[Alert] = []
        for example in copy.deepcopy(_EXAMPLES):
            alert = {**example, "data": _poison(example["data"], text), "subject": text}
            if "series" in alert["data"]:
                alert["data"]["series"][0]["series"] = f"pair/US/{text}"
                alert["data"]["series"][1]["series"] = text
            found.append(alert)
        return found, _summary(found, [text, "-"], {text: 1})

    return build
