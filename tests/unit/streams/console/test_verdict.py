"""Whether an all-clear may be given, and what is said where it may not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from streams.console import verdict
from streams.events import Intake
from streams.summary import Summary

Alert = dict[str, Any]
FROM = "2025-01-09T00:00:00Z"


def of(
    posts: int = 1000,
    late: int = 0,
    judged_from: str | None = "2025-01-09T00:00:00Z",
    **reasons: int,
) -> Summary:
    """A replay without incidents of so many records."""
    intake = Intake(posts=posts, late=late, rejected=dict(reasons))
    times = ("2025-01-08T00:00:00Z", "2025-01-15T00:00:00Z")
    return Summary(posts, intake, [], [], *times, 1.0, 1, ["log"], judged_from)


def test_all_clear_names_what_was_judged() -> None:
    """No surge found is said of the time in which alerts were possible, and of no other."""
    said = verdict.headline(of(), [])
    assert said == (
        "No surge of foreign users found; judged from 2025-01-09 00:00 to 2025-01-15 00:00."
    )
    assert verdict.remedy(of()) is None
    assert verdict.notes(of()) == []


@pytest.mark.parametrize(
    ("summary", "said", "todo"),
    [
        (of(posts=0, judged_from=None), "the log is empty", "LOG"),
        (of(judged_from=None), "shorter than the warm-up", "detection.warmup"),
        (of(missing_field=999, future=1), "all 1,000 records were rejected", "[input.fields]"),
        (of(missing_field=400, bad_value=101), "50% (501) of the records", "[input.fields]"),
        (of(not_json=1000, judged_from=None), "most often as not_json", "one JSON object a line"),
        (of(late=501), "because they were late", "time.allowed_lateness"),
        (of(future=600), "No all-clear", "--rejects FILE"),
    ],
)
def test_no_all_clear_on_nothing(summary: Summary, said: str, todo: str) -> None:
    """Where most was unusable or nothing was judged, that is said, with a remedy."""
    headline = verdict.headline(summary, [])
    assert "No surge" not in headline
    assert said in headline
    assert todo in (verdict.remedy(summary) or "")


def test_half_of_the_records_suffice() -> None:
    """Up to half of the records unusable, the rest can be judged: it is a note."""
    summary = of(late=200, missing_field=300)
    assert "No surge" in verdict.headline(summary, [])
    assert verdict.remedy(summary) is None
    rejected, late = verdict.notes(summary)
    assert rejected.startswith(
        "30% (300) of the records were rejected, most often as missing_field"
    )
    assert late.startswith("20% (200) of the posts were late")


def test_few_odd_records_are_no_note() -> None:
    """Up to a twentieth late or rejected is what logs are like."""
    assert verdict.notes(of(late=50, missing_field=50)) == []
    assert len(verdict.notes(of(late=51, missing_field=51))) == 2


def test_regions_of_another_kind_are_told() -> None:
    """Whoever writes USA has all of it as ZZ, and might not notice."""
    assert verdict.notes(dataclasses.replace(of(), strange_regions={"USA": 50})) == []
    (note,) = verdict.notes(dataclasses.replace(of(), strange_regions={"": 30, "UK": 1, "USA": 20}))
    assert note == (
        "5% (51) of the records name a region that is no ISO 3166 code of two letters, as USA; "
        "they count as ZZ"
    )


def test_an_incident_is_told_whatever_the_log(alerts: list[Alert]) -> None:
    """A surge found in the usable rest is the headline; that most was rejected is the note."""
    summary = dataclasses.replace(of(missing_field=900), incidents=[alerts[0]["data"]])
    said = verdict.headline(summary, summary.incidents)
    assert said == "1 surge of foreign users, not over at the end of the log."
    assert len(verdict.notes(summary)) == 1


def test_foremost_is_urgent_or_largest(alerts: list[Alert]) -> None:
    """While one goes on it is the most urgent; of those that are over the largest is named."""
    over = {**alerts[3]["data"], "users": 900, "severity": "info"}
    severe = {**over, "users": 100, "severity": "critical"}
    going = {**alerts[0]["data"], "users": 7, "severity": "info"}
    assert verdict.foremost([severe, over]) == ("Largest: ", over)
    assert verdict.foremost([severe, over, going]) == ("Most urgent: ", going)
    assert verdict.foremost([severe]) == ("", severe)
