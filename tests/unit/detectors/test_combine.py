"""Banks of banks: what they say follows from what their parts say, and keeps the budget."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from river import base

from detectors.bank import Makeup
from detectors.catalog import BankContext, make_bank
from detectors.checks import FIRST, counts, teach
from detectors.combine import CombinedBank, How, _ratio
from detectors.scan import ScanBank

CONTEXT = BankContext(
    bucket_minutes=30, false_incidents_per_week=1.0, min_users=5, fresh_for_buckets=12
)
GAUSSIAN = "river.anomaly.GaussianScorer"
PER_WEEK = 7 * 48
ROWS = np.arange(3)
NONE = np.zeros(0, dtype=np.int64)


def combined(how: str, *detectors: Any, **more: Any) -> Any:
    return make_bank(how, {"detectors": list(detectors), **more}, context=CONTEXT)


def alone(detector: str, share: float) -> Any:
    context = dataclasses.replace(CONTEXT, false_incidents_per_week=share)
    return make_bank(detector, {}, context=context)


def history(weeks: float, seed: int = 7) -> np.ndarray:
    """Quiet counts of three rows, half an hour each."""
    rng = np.random.default_rng(seed)
    return rng.poisson([3.0, 8.0, 20.0], size=(round(weeks * PER_WEEK), 3)).astype(float)


@pytest.mark.parametrize(("how", "at_once"), [("any", True), ("all", False)])
def test_ready_when_an_alarm_is_possible(how: str, at_once: bool) -> None:
    """The scan is at once, River's detectors after some days; ``all`` waits for both."""
    bank = teach(combined(how, "scan", GAUSSIAN), history(0.3))
    assert bank.is_ready is at_once
    assert teach(combined(how, "scan", GAUSSIAN), history(2.0)).is_ready


@pytest.mark.parametrize(("how", "share"), [("any", 0.5), ("all", 1.0)])
def test_alarms_are_those_of_the_parts(how: str, share: float) -> None:
    """``any`` alarms where a part with half the budget does, ``all`` where each with the whole."""
    bank = combined(how, "scan", GAUSSIAN)
    parts = [alone("scan", share), alone(GAUSSIAN, share)]
    counts_ = history(2)
    counts_[-20:-10] += [0.0, 15.0, 40.0]
    counts_[-40:-38] += [6.0, 0.0, 0.0]
    over = []
    for each in (bank, *parts):
        each.resize(np.full(3, -1))
    for bucket, row in enumerate(counts_, FIRST):
        found = bank.score_many(bucket, ROWS, row, np.ones(3))
        said = [part.score_many(bucket, ROWS, row, np.ones(3)) for part in parts]
        alarms = np.array([each.score >= each.threshold for each in said])
        expected = alarms.any(axis=0) if how == "any" else alarms.all(axis=0)
        assert (found.score >= found.threshold).tolist() == expected.tolist()
        over.append(alarms)
        for each in (bank, *parts):
            each.learn_many(bucket, ROWS, row)
    seen = np.array(over)
    assert np.any(seen[:, 0] != seen[:, 1]), "the parts never disagreed: nothing was shown"
    assert np.any(seen.all(axis=1)), "nor agreed"


def test_the_deciding_part_is_told() -> None:
    """What is observed and expected is the part's with the largest, or the smallest, ratio."""
    said = {}
    for how in ("any", "all"):
        bank = teach(combined(how, "scan", GAUSSIAN), history(2))
        said[how] = bank.score_many(FIRST + 2 * PER_WEEK, ROWS, np.full(3, 60.0), np.ones(3))
        parts = [
            part.score_many(FIRST + 2 * PER_WEEK, ROWS, np.full(3, 60.0), np.ones(3))
            for part in bank._parts
        ]
        ratios = np.array([part.score / part.threshold for part in parts])
        decides = ratios.argmax(axis=0) if how == "any" else ratios.argmin(axis=0)
        assert said[how].score == pytest.approx(ratios[decides, ROWS])
        for name in ("observed", "expected", "upper", "window"):
            fields = np.array([getattr(part, name) for part in parts])
            assert getattr(said[how], name).tolist() == fields[decides, ROWS].tolist()
    assert np.all(said["any"].score >= said["all"].score)


@pytest.mark.parametrize("how", ["any", "all", "weighted"])
def test_budget_holds_and_surge_is_found(how: str) -> None:
    """Six quiet weeks cost at most twelve alarms (budget: one a week), then a surge is found."""
    bank = combined(how, "scan", GAUSSIAN)
    bank.resize(np.full(3, -1))
    alarms, quiet = set(), history(6)
    for bucket, row in enumerate(quiet, FIRST):
        found = bank.score_many(bucket, ROWS, row, np.ones(3))
        if np.any(found.score >= found.threshold):
            alarms.add(bucket)
        bank.learn_many(bucket, ROWS, row)
    assert sum(bucket - 1 not in alarms for bucket in alarms) <= 12
    surge = bank.score_many(FIRST + len(quiet), ROWS, np.array([4.0, 8.0, 70.0]), np.ones(3))
    over = surge.score >= surge.threshold
    assert over.tolist() == [False, False, True]
    assert surge.expected[2] == pytest.approx(20.0, rel=0.2)
    assert surge.upper[2] <= surge.observed[2]
    if how == "weighted":
        assert surge.threshold[2] < 0.9, "parts that seldom err together leave some of the budget"


def test_weights_matter() -> None:
    """All the weight on one part is that part; the mean lies between the parts."""
    found = []
    for weights in ([1e9, 1], [1, 1], [1, 1e9]):
        bank = teach(combined("weighted", "scan", GAUSSIAN, weights=weights), history(1.5))
        found.append(bank.score_many(FIRST + 504, ROWS, np.full(3, 40.0), np.ones(3)).score)
    parts = [
        part.score_many(FIRST + 504, ROWS, np.full(3, 40.0), np.ones(3)) for part in bank._parts
    ]
    ratios = [np.maximum(part.score, 0.0) / part.threshold for part in parts]
    assert found[0] == pytest.approx(ratios[0], rel=1e-6)
    assert found[2] == pytest.approx(ratios[1], rel=1e-6)
    assert found[1] == pytest.approx((ratios[0] + ratios[1]) / 2)


def test_young_mean_waits_for_all_parts() -> None:
    """While a part has no threshold, the mean's tail learns nothing, and the threshold is 1."""
    bank = teach(combined("weighted", "scan", GAUSSIAN), history(6 / 7))
    assert not bank._tail._started
    found = bank.score_many(FIRST + 288, ROWS, np.full(3, 9.0), np.ones(3))
    assert np.all(found.threshold == 1.0)


class _Fragile(base.AnomalyDetector):  # type: ignore[misc]
    """Fails when it learns a busy bucket."""

    def learn_one(self, x: dict[str, float]) -> None:
        if x["fresh"] > np.log(100.0):
            raise RuntimeError("too much")

    def score_one(self, x: dict[str, float]) -> float:
        return 1.0 + x["newcomers"]


def test_parts_get_what_is_meant_for_them() -> None:
    """Makeups reach the parts that want them, and failures of parts are handed on."""
    bank = teach(combined("any", "scan", _Fragile(), GAUSSIAN), history(1))
    assert bank.wanted().tolist() == [0, 1, 2]
    bucket, busy = FIRST + PER_WEEK, np.array([3.0, 200.0, 20.0])
    fragile = bank._parts[1]
    makeup = Makeup(np.array([2]), np.array([[1.0, 0.0, 0.0]]), np.full((1, 3), 95.0))
    before = fragile.score_many(bucket, ROWS, np.full(3, 50.0), np.ones(3)).score
    bank.describe(bucket, makeup)
    told = fragile.score_many(bucket, ROWS, np.full(3, 50.0), np.ones(3)).score
    assert (told - before).tolist() == pytest.approx([0.0, 0.0, 0.95])
    bank.score_many(bucket, ROWS, busy, np.ones(3))
    bank.learn_many(bucket, ROWS, busy)
    assert bank.take_failures() == [(1, "RuntimeError: too much")]
    assert bank.take_failures() == []
    assert combined("any", "scan", "scan").wanted().tolist() == []


def test_early_alerts_follow_the_alarms() -> None:
    """Of an open bucket ``any`` says what a part says, ``all`` what all say, a mean nothing."""
    surge = np.array([0.0, 0.0, 90.0])
    for how, parts, named in (
        ("any", ("scan", GAUSSIAN), True),
        ("any", ("scan", "scan"), True),
        ("all", ("scan", "scan"), True),
        ("all", ("scan", GAUSSIAN), False),
        ("weighted", ("scan", "scan"), False),
    ):
        bank = teach(combined(how, *parts), history(2))
        bucket = FIRST + 2 * PER_WEEK
        assert bank.preview(bucket, ROWS, surge).tolist() == [False, False, named]
        verdict = bank.judge(bucket, 2, np.array([20.0, 90.0]), 1.0)
        assert (verdict is not None) == named
        if verdict is not None:
            closed = bank.score_many(bucket, ROWS, surge, np.ones(3))
            assert verdict.threshold == 1.0 == closed.threshold[2]
            assert verdict.score > 1.0


@pytest.mark.parametrize("how", ["any", "weighted"])
def test_restored_bank_goes_on(how: str) -> None:
    """A bank that took over another's state goes on as that one would."""
    first = combined(how, "scan", GAUSSIAN)
    teach(first, history(5))
    second = combined(how, "scan", GAUSSIAN)
    second.restore(pickle.loads(pickle.dumps(first)))  # noqa: S301 - our own bytes
    for bucket, row in enumerate(history(1, seed=8), FIRST + 5 * PER_WEEK):
        a, b = (each.score_many(bucket, ROWS, row, np.ones(3)) for each in (first, second))
        assert a.score.tobytes() == b.score.tobytes()
        assert a.threshold.tolist() == b.threshold.tolist()
        for each in (first, second):
            each.learn_many(bucket, ROWS, row)


def test_ratio_is_one_exactly_at_the_threshold() -> None:
    """Also where a threshold is no more than 0; none without a threshold, and none of nothing."""
    for threshold in (3.7, 0.0, -2.0):
        score = np.array([np.nextafter(threshold, -9.0), threshold, np.nextafter(threshold, 9.0)])
        ratio = _ratio(score, np.full(3, threshold))
        assert (ratio >= 1.0).tolist() == [False, True, True] or threshold <= 0.0
        assert ratio[1] == 1.0
    assert _ratio(np.array([5.0, -np.inf]), np.full(2, np.inf)).tolist() == [0.0, -np.inf]
    assert _ratio(np.array([-np.inf]), np.array([3.0])).tolist() == [-np.inf]


def test_idle_for_all_is_idle() -> None:
    """A row weighs while a part remembers it; how odd a silence is, is the first part's."""
    bank = teach(combined("any", "scan", GAUSSIAN), counts(buckets=400))
    scan = bank._parts[0]
    assert isinstance(scan, ScanBank)
    assert isinstance(bank, CombinedBank)
    assert bank._how is How.ANY
    weights = [part.weight() for part in bank._parts]
    assert bank.weight().tolist() == np.maximum(*weights).tolist()
    bank.skip(FIRST + 400, FIRST + 500, missing=False)
    assert bank.log_silence(FIRST + 400, FIRST + 500) == scan.log_silence(FIRST + 400, FIRST + 500)
