"""Ten months of real posts, where they are at hand: a known surge, and the false ones a week."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from streams.stages.watermark import USERS_TO_CONFIRM
from tests.harness import Outcome, configured, hours_between, replay, violations

POSTS = Path(__file__).parents[3] / "shared" / "data" / "posts-2021.jsonl.gz"
WEEKS = 42.3
BUDGET = 1.0
SURGE_FROM = "2021-09-28T17:00:00Z"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not POSTS.exists(), reason="real data are for development only"),
]


@functools.cache
def outcome() -> Outcome:
    """The replay, with every region and language foreign."""
    settings = configured(
        origin={"home_regions": [], "home_languages": []},
        alerts={"false_incidents_per_week": BUDGET},
    )
    return replay(POSTS.read_bytes(), settings)


def test_every_post_is_used() -> None:
    """All posts are foreign, and the log is read to its end; a last few nobody confirms."""
    intake = outcome().summary.intake
    assert intake.posts == 104_610
    assert intake.home == 0
    assert intake.rejected.keys() <= {"future"}
    assert sum(intake.rejected.values()) < USERS_TO_CONFIRM
    assert intake.foreign + intake.late + intake.duplicate + sum(intake.rejected.values()) == (
        intake.posts
    )
    assert (outcome().summary.last_event or "") >= "2021-10-24"


def test_the_surge_is_found() -> None:
    """The foreign accounts in DZ are an incident of that region within three hours."""
    found = [
        data
        for data in outcome().incidents
        if data["region"] == "DZ" and -1.0 <= hours_between(SURGE_FROM, data["detected_at"]) <= 3.0
    ]
    assert len(found) == 1


def test_false_incidents_stay_within_the_budget() -> None:
    """All other incidents together are at most one a week, real events among them."""
    others = [data for data in outcome().incidents if data["region"] != "DZ"]
    for data in others:
        print(data["detected_at"], data["series"][0]["series"], data["users"])  # noqa: T201
    assert len(others) <= BUDGET * WEEKS


def test_outputs_are_valid() -> None:
    """Every alert obeys the schema."""
    assert violations("alert", outcome().alerts) == []
