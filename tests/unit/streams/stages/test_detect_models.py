"""The detect stage over River's detectors: what they are told, and how their failures are."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

from river import anomaly, base, preprocessing

from detectors.bank import MAKEUP
from detectors.river_models import RiverBank
from streams.stages.correlate import Correlate
from streams.stages.detect import Detect
from streams.stages.detect_params import DetectParams
from streams.stages.drops import Failures
from streams.stages.telling import CorrelateParams
from tests.unit.streams.stages.test_detect import (
    DAY,
    FIRST,
    HOUR,
    MINUTES,
    World,
    close,
    feed,
    notices,
    quiet,
    wave,
)

if TYPE_CHECKING:
    from streams.events import EpisodeRecord, Notice, Outcome


class _Witness(base.AnomalyDetector):  # type: ignore[misc]
    """Remembers what it was told, and fails on request."""

    def __init__(self, fails_at: float = math.inf) -> None:
        self.fails_at = fails_at
        self.told: list[dict[str, float]] = []

    def learn_one(self, x: dict[str, float]) -> None:
        self.told.append(dict(x))
        if math.expm1(x["fresh"]) >= self.fails_at:
            raise RuntimeError("no more\x1b[31m of\nthis")

    def score_one(self, x: dict[str, float]) -> float:
        return x["fresh"]


def trees() -> Any:
    return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(
        n_trees=3, height=4, window_size=100, seed=1
    )


def stage(detector: Any, partitions: int = 1) -> Detect:
    params = DetectParams(
        bucket_ms=MINUTES * 60_000,
        fresh_for=6 * HOUR,
        warmup=DAY,
        close_after=HOUR,
        rows_per_series=10_000,
        live_series=10_000,
        fresh_users=1_000_000,
        history_rows=1_000_000,
        points=True,
    )
    bank = RiverBank(detector, bucket_minutes=MINUTES, false_incidents_per_week=1.0)
    return Detect(params, bank, list(range(partitions)))


def world() -> tuple[World, int]:
    """Five quiet days and a wave in the fifth."""
    posts = quiet(5, mean=8.0)
    start = FIRST + 4 * DAY
    wave(posts, start, [20, 40, 80, 80, 40, 20])
    return posts, FIRST + 5 * DAY - 1


def test_features_say_who_came() -> None:
    """A detector is told the makeup of each bucket, drawn to the usual; nobody is the usual."""
    posts = quiet(2, mean=8.0)
    busy = FIRST + 2 * DAY
    # Users 3k + 1 have known accounts, those with a remainder of 2 speak Spanish (see ``partial``).
    posts[busy] = [(3 * n + 1, "US", "food") for n in range(60)] * 3
    detect = stage(_Witness())
    feed(detect, posts)
    for bucket in range(FIRST, busy + 2):
        close(detect, bucket)
    bank = detect.bank
    assert isinstance(bank, RiverBank)
    told = bank._rows[0].detector.told
    assert set(MAKEUP) < set(told[0])
    before, then, after = told[-3:]
    assert then["posts_per_user"] > 0.9 * math.log(3.0)
    assert before["posts_per_user"] < 0.1
    assert then["languages"] < 0.2 < before["languages"]
    assert then["growth"] > 0.5 > abs(before["growth"])
    usual = bank._rows[0].usual
    assert [after[name] for name in MAKEUP] == usual


def test_supervised_detectors_want_no_makeup() -> None:
    """Whoever has the count as a target is not told of the bucket, and it is not worked out."""
    assert len(stage(anomaly.GaussianScorer()).bank.wanted()) == 0  # type: ignore[attr-defined]


def run(detect: Detect, posts: World, last: int, partitions: int = 1) -> list[Outcome]:
    feed(detect, posts, partitions)
    outcomes = []
    for bucket in range(FIRST, last + 1):
        for partition in range(partitions):
            outcomes += close(detect, bucket, partition)
    return outcomes


def kept(outcomes: list[Outcome]) -> list[EpisodeRecord | Notice]:
    return [each for outcome in outcomes for each in (*outcome.episodes, *outcome.notices)]


def test_makeup_is_the_same_over_partitions() -> None:
    """Posts dealt out to three partitions: the same episodes, scores and all."""
    posts, last = world()
    one, three = stage(trees()), stage(trees(), 3)
    alone, split = run(one, posts, last), run(three, posts, last, 3)
    assert kept(alone) == kept(split)
    assert [o.points for o in alone] == [o.points for o in split]
    scores = [p.score for o in alone for p in o.points if p.series == "all"]
    assert sum(math.isfinite(score) for score in scores) > DAY


def test_state_goes_on_where_it_was() -> None:
    """A stage that goes through pickle in the wave ends as one that does not."""
    posts, last = world()
    middle = FIRST + 4 * DAY + 2
    whole = stage(trees())
    expected = run(whole, posts, last)
    first, second = stage(trees()), stage(trees())
    outcomes = run(first, {b: p for b, p in posts.items() if b <= middle}, middle)
    second.restore(pickle.loads(pickle.dumps(first.state())))  # noqa: S301 - our own
    feed(second, {b: p for b, p in posts.items() if b > middle})
    for bucket in range(middle + 1, last + 1):
        outcomes += close(second, bucket)
    assert outcomes == expected


def test_failures_are_told() -> None:
    """Detectors that fail retire their series, are counted, and told with the first one's words."""
    posts, last = world()
    detect = stage(_Witness(fails_at=40.0))
    outcomes = run(detect, posts, last)
    bank = detect.bank
    assert isinstance(bank, RiverBank)
    failed = {detect._rows.keys[row] for row in bank.failures}
    assert failed == {"all", "region/US", "hashtag/wave", "pair/US/wave"}
    told = [n for n in notices(outcomes) if n.kind == "detector"]
    assert [n.bucket for n in told] == [FIRST + 4 * DAY + 1]
    assert told[0].details == {"series_failed": 4.0, "series_failed_in_all": 4.0}
    assert told[0].message == "all: RuntimeError: no more [31m of this"
    assert len(bank.watched) == 4, "the other series go on"
    params = CorrelateParams(MINUTES * 60_000, "test", "")
    (alert,) = Correlate(params).notice(told[0])
    assert alert.type == "surgewatch.pipeline.detector.v1"
    assert alert.data["details"]["message"] == told[0].message


def test_failures_are_told_once_an_hour() -> None:
    """What fails within the hour waits for the next and is counted; the first words are kept."""
    failures = Failures(MINUTES * 60_000)
    assert failures.notices(FIRST, [], []) == []
    (first,) = failures.notices(FIRST + 1, [(1, "one"), (0, "two")], ["all", "region/US"])
    assert failures.notices(FIRST + 2, [(-1, "three")], []) == []
    assert failures.notices(FIRST + 3, [(0, "four")], ["all"]) == []
    (second,) = failures.notices(FIRST + HOUR, [], ["all"])
    assert failures.notices(FIRST + 2 * HOUR, [], ["all"]) == []
    assert (first.message, second.message) == ("region/US: one", "three")
    assert first.details == {"series_failed": 2.0, "series_failed_in_all": 2.0}
    assert second.details == {"series_failed": 2.0, "series_failed_in_all": 4.0}
