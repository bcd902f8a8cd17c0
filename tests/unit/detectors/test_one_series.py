"""Any detector over one series, on any counts."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import anomaly, preprocessing

from detectors import BankContext, SeriesDetector, SurgeScan, check_detector, make_bank
from detectors.naming import UnknownDetector, UnknownParameter

GAUSSIAN = "river.anomaly.GaussianScorer"
MISSING = [math.nan, -1.0, -1e9, math.inf, -math.inf]
COUNTS = st.one_of(st.integers(0, 2**53).map(float), st.sampled_from(MISSING), st.floats(0, 1e12))


def taught(detector: Any, hours: int = 24 * 14, mean: float = 20.0) -> Any:
    for count in np.random.default_rng(7).poisson(mean, size=hours):
        detector.learn_one({"fresh": float(count)})
    return detector


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("scan", None),
        (GAUSSIAN, {"grace_period": 50}),
        ("any", {"detectors": ["scan", GAUSSIAN]}),
        ("weighted", {"detectors": ["scan", "river.drift.PageHinkley"], "weights": [2, 1]}),
    ],
)
def test_is_a_bank_with_one_row(name: str, parameters: dict[str, Any] | None) -> None:
    """Every detector of the catalogue says of one series what its bank says of one row."""
    alone = SeriesDetector(
        name, parameters, bucket_minutes=60.0, fresh_for_minutes=360.0, sustained=False
    )
    context = BankContext(60.0, 1.0, 5.0, 6)
    bank = make_bank(name, parameters or {}, context=context)
    bank.resize(np.array([-1]))
    bank.expose(7 * 24.0)
    rows = np.zeros(1, dtype=np.int64)
    for bucket, count in enumerate(np.random.default_rng(7).poisson(20.0, size=400).astype(float)):
        fresh = np.array([count * (3.0 if bucket % 90 == 0 else 1.0)])
        found = bank.score_many(bucket, rows, fresh, np.ones(1))
        x = {"fresh": float(fresh[0])}
        assert alone.score_one(x) == max(found.score[0], 0.0)
        verdict = alone.judge_one(x)
        assert verdict is not None
        assert verdict.threshold == found.threshold[0] == alone.threshold
        assert (verdict.observed, verdict.window) == (found.observed[0], found.window[0])
        alone.learn_one(x)
        bank.learn_many(bucket, rows, fresh)


def test_catalogue_conforms() -> None:
    """The face of a combination passes River's checks and ours."""
    both = SeriesDetector("any", {"detectors": ["scan", GAUSSIAN]}, bucket_minutes=60.0)
    for check in check_detector(both):
        check()


def test_objects_take_the_place_of_names() -> None:
    """A River object is cloned for the series and stays as it was."""
    trees = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(n_trees=2, height=3, seed=1)
    before = pickle.dumps(trees)
    detector = taught(SeriesDetector(trees, bucket_minutes=60.0, sustained=False))
    assert detector.score_one({"fresh": 500.0}) > 0.0
    assert pickle.dumps(trees) == before
    assert detector.clone().score_one({"fresh": 500.0}) == 0.0


@pytest.mark.parametrize("name", ["scan", GAUSSIAN])
@pytest.mark.parametrize("missing", MISSING)
def test_missing_data_never_alarm_and_are_not_learned(name: str, missing: float) -> None:
    """What is no count scores 0, and leaves the expectation where it was."""
    detector = taught(SeriesDetector(name, bucket_minutes=60.0, sustained=False))
    before = detector.judge_one({"fresh": 20.0})
    for _ in range(24):
        assert detector.score_one({"fresh": missing}) == 0.0
        assert detector.judge_one({"fresh": missing}) is None
        detector.learn_one({"fresh": missing})
    after = detector.judge_one({"fresh": 20.0})
    # The hour after a hole may bring the users of the hole too: the scan then expects more.
    assert after.expected >= 0.97 * before.expected / max(before.window, 1)
    zeros = taught(SeriesDetector(name, bucket_minutes=60.0, sustained=False))
    for _ in range(24):
        zeros.learn_one({"fresh": 0.0})
    for each in (detector, zeros):
        for count in np.random.default_rng(8).poisson(20.0, size=12):
            each.learn_one({"fresh": float(count)})
    assert zeros.judge_one({"fresh": 60.0}).expected < 0.95 * 20.0
    ahead = detector.judge_one({"fresh": 60.0})
    assert ahead.expected / ahead.window == pytest.approx(20.0, rel=0.1)


@settings(max_examples=40)
@given(st.lists(COUNTS, min_size=1, max_size=80))
def test_any_counts_are_taken(counts: list[float]) -> None:
    """Whatever comes, scores are numbers, 0 or more; what is missing scores 0."""
    detector = SurgeScan(bucket_minutes=60.0)
    for count in counts:
        score = detector.score_one({"fresh": count})
        assert 0.0 <= score < math.inf
        assert score == 0.0 or 0.0 <= count < math.inf
        detector.learn_one({"fresh": count})
        assert detector.threshold > 0.0


def test_a_huge_count_is_forgotten() -> None:
    """One count of 10^15, of a million millions of users an hour, is found and leaves no trace."""
    huge, none = (taught(SurgeScan(bucket_minutes=60.0, sustained=False), 200) for _ in range(2))
    assert huge.score_one({"fresh": 1e15}) > 1e12
    huge.learn_one({"fresh": 1e15})
    none.learn_one({"fresh": 20.0})
    for count in np.random.default_rng(8).poisson(20.0, size=48):
        huge.learn_one({"fresh": float(count)})
        none.learn_one({"fresh": float(count)})
    a, b = (each.judge_one({"fresh": 90.0}) for each in (huge, none))
    assert a.observed == b.observed
    assert a.expected == pytest.approx(b.expected, rel=0.1)


def test_a_leap_of_one_hour_is_no_surge() -> None:
    """By the hour a count is believed no further than the one before it, whatever lies between."""
    detector = taught(SurgeScan(bucket_minutes=60.0))
    for count in (5000.0, 20.0, math.nan, 400.0, -300.0, 20.0, 21.0):
        assert detector.score_one({"fresh": count}) < detector.threshold
        detector.learn_one({"fresh": count})
    detector.learn_one({"fresh": 80.0})
    assert detector.score_one({"fresh": 90.0}) > detector.threshold


def test_a_leap_leaves_no_trace() -> None:
    """It is not learned either: neither the level nor the threshold rises."""
    leaps, none = (taught(SurgeScan(bucket_minutes=60.0)) for _ in range(2))
    for hour, count in enumerate(np.random.default_rng(9).poisson(20.0, size=24 * 14)):
        leaps.learn_one({"fresh": 5000.0 if hour % 50 == 0 else float(count)})
        none.learn_one({"fresh": float(count)})
    for detector in (leaps, none):
        detector.learn_one({"fresh": 90.0})
    a, b = (each.judge_one({"fresh": 90.0}) for each in (leaps, none))
    assert a.expected == pytest.approx(b.expected, rel=0.1)
    assert a.threshold == pytest.approx(b.threshold, rel=0.2)


@pytest.mark.parametrize(
    ("minutes", "sustained", "surge"),
    [(60.0, None, False), (60.0, False, True), (15.0, None, True), (15.0, True, False)],
)
def test_who_asks_gets_single_buckets_believed(
    minutes: float, sustained: bool | None, surge: bool
) -> None:
    """Only buckets of an hour wait for a second one, unless told."""
    detector = taught(SurgeScan(bucket_minutes=minutes, sustained=sustained))
    assert (detector.score_one({"fresh": 200.0}) > detector.threshold) == surge


@pytest.mark.parametrize("minutes", [0, -5.0, 7, 120, 1440, math.inf, math.nan])
def test_buckets_divide_an_hour(minutes: float) -> None:
    """Other lengths are refused at once, in words."""
    with pytest.raises(ValueError, match="does not divide an hour"):
        SurgeScan(bucket_minutes=minutes)


def test_text_is_no_count() -> None:
    """What is not a number at all is refused, not taken for missing."""
    with pytest.raises((TypeError, ValueError)):
        SurgeScan().learn_one({"fresh": "many"})
    with pytest.raises((TypeError, ValueError)):
        SurgeScan().score_one({"fresh": None})


def test_wrong_names_are_refused() -> None:
    """As in a configuration, with the nearest name."""
    with pytest.raises(UnknownDetector, match="did you mean 'scan'"):
        SeriesDetector("scam")
    with pytest.raises(UnknownParameter, match="did you mean 'grace_period'"):
        SeriesDetector(GAUSSIAN, {"graceperiod": 5})
