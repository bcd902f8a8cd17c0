"""A threshold by budget for a River detector on one stream."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from river import anomaly, drift, evaluate, metrics, preprocessing, time_series

from detectors import BudgetFilter, check_detector
from detectors.drift import PageHinkleyScorer

WEEK = 7 * 24


def trees() -> Any:
    return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(n_trees=5, height=5, seed=1)


def forecaster() -> Any:
    return anomaly.PredictiveAnomalyDetection(time_series.HoltWinters(alpha=0.1))


def page_hinkley() -> Any:
    return PageHinkleyScorer(drift.PageHinkley(mode="up"))


@pytest.mark.parametrize(
    "detector",
    [trees(), anomaly.GaussianScorer(), forecaster()],
    ids=["trees", "gaussian", "forecaster"],
)
def test_quiet_weeks_keep_the_budget(detector: Any) -> None:
    """Of ten quiet weeks, eight of them judged, at most sixteen runs of alarms; then a surge."""
    model = BudgetFilter(detector, bucket_minutes=60.0)
    rng = np.random.default_rng(11)
    alarms: list[bool] = []
    for count in rng.poisson(20.0, size=10 * WEEK).astype(float):
        x, y = {"count": float(count)}, float(count)
        alarms.append(model.classify(model.score_one(x, y)))
        model.learn_one(x, y)
    runs = sum(now and not before for before, now in zip([False, *alarms], alarms, strict=False))
    assert runs <= 16
    assert not any(alarms[: 250 + 47])
    assert 0.0 < model.threshold < math.inf
    usual, surge = (model.score_one({"count": n}, n) for n in (21.0, 200.0))
    assert usual < surge
    # A few trees tell a surge from the usual, but not from the strangest hour of a week.
    assert model.classify(surge) or "Trees" in str(detector)


def test_larger_budget_lower_threshold() -> None:
    """Ten false alarms a week are had at a lower threshold than one in two weeks."""
    thresholds = []
    for budget in (0.5, 1.0, 10.0):
        model = BudgetFilter(anomaly.GaussianScorer(), 60.0, budget)
        for count in np.random.default_rng(11).poisson(20.0, size=4 * WEEK):
            model.learn_one({}, float(count))
        thresholds.append(model.threshold)
    assert thresholds == sorted(thresholds, reverse=True)
    assert len(set(thresholds)) == 3


@pytest.mark.parametrize(
    "detector", [trees(), anomaly.GaussianScorer(), page_hinkley()], ids=["trees", "gaussian", "ph"]
)
def test_conforms(detector: Any) -> None:
    """The filter passes River's checks and ours, as the detector inside does."""
    for check in check_detector(BudgetFilter(detector, bucket_minutes=60.0)):
        check()


def test_goes_into_evaluation_and_pipelines() -> None:
    """Around a pipeline under ``river.evaluate``, or as its last step: the same verdicts."""
    scaler = preprocessing.MinMaxScaler()
    trees = anomaly.HalfSpaceTrees(n_trees=10, height=6, seed=1)
    rng = np.random.default_rng(5)
    stream = []
    for hour in range(8 * WEEK):
        surge = hour > 4 * WEEK and hour % 100 < 3
        stream.append(({"users": float(rng.poisson(80.0 if surge else 20.0))}, surge))
    around = BudgetFilter(scaler.clone() | trees.clone(), bucket_minutes=60.0)
    assert evaluate.progressive_val_score(stream, around, metrics.ROCAUC()).get() > 0.8
    last = scaler | BudgetFilter(trees, bucket_minutes=60.0)
    f1 = metrics.F1()
    for x, surge in stream:
        f1.update(surge, last["BudgetFilter"].classify(last.score_one(x)))
        last.learn_one(x)
    assert f1.get() > 0.7


def test_score_changes_nothing_and_state_pickles() -> None:
    """Looking counts for nothing, and a copy goes on as its original."""
    asked, silent = (BudgetFilter(forecaster(), bucket_minutes=60.0) for _ in range(2))
    for count in np.random.default_rng(11).poisson(20.0, size=3 * WEEK).astype(float):
        asked.score_one({}, 2.0 * count)
        asked.learn_one({}, count)
        silent.learn_one({}, count)
    copy = pickle.loads(pickle.dumps(silent))  # noqa: S301 - our own bytes
    assert asked.score_one({}, 60.0) == silent.score_one({}, 60.0) == copy.score_one({}, 60.0)
    assert asked.threshold == silent.threshold == copy.threshold
