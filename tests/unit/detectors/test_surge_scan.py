"""The scan's single-series face."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.river_checks import RIVER_FEATURE_CHECKS, check_detector
from detectors.scan import FEW_ROWS, ScanBank
from detectors.surge_scan import SurgeScan

if TYPE_CHECKING:
    from collections.abc import Callable

WEEK_MINUTES = 7 * 24 * 60
HOURS = st.lists(st.integers(0, 400), min_size=1, max_size=60)


@settings(deadline=None, max_examples=40)
@given(counts=HOURS, others=st.sampled_from([0, 3, FEW_ROWS + 5]))
def test_face_equals_the_bank(counts: list[int], others: int) -> None:
    """One series alone scores as it does as a row of a bank, whatever the other rows are."""
    face = SurgeScan(bucket_minutes=60.0, sustained=False)
    bank = ScanBank(
        bucket_minutes=60.0, false_incidents_per_week=1.0, min_users=5.0, fresh_for_buckets=6
    )
    rows = np.arange(others + 1)
    bank.resize(np.full(others + 1, -1))
    bank.expose(WEEK_MINUTES / 60.0)
    for bucket, count in enumerate(counts):
        fresh = np.r_[float(count), np.full(others, 7.0)]
        expected = bank.score_many(bucket, rows, fresh, np.ones(others + 1)).score[0]
        assert np.isclose(face.score_one({"fresh": float(count)}), expected, rtol=1e-9)
        face.learn_one({"fresh": float(count)})
        bank.learn_many(bucket, rows, fresh)


@pytest.mark.parametrize(
    "check",
    list(check_detector(SurgeScan(bucket_minutes=60.0), also=RIVER_FEATURE_CHECKS)),
    ids=lambda check: check.__name__,
)
def test_passes_the_conformance_suite(check: Callable[[], None]) -> None:
    """The face keeps River's generic laws and the project's own, on count streams."""
    check()


def test_scoring_changes_nothing() -> None:
    """A detector that was asked for a score learns on as one that was not."""
    asked, silent = SurgeScan(bucket_minutes=15.0), SurgeScan(bucket_minutes=15.0)
    for count in np.random.default_rng(1).poisson(9.0, size=24 * 14).astype(float):
        asked.score_one({"fresh": 90.0 + count})
        asked.learn_one({"fresh": count})
        silent.learn_one({"fresh": count})
    assert asked.score_one({"fresh": 70.0}) == silent.score_one({"fresh": 70.0})
    assert asked.threshold == silent.threshold


def test_threshold_is_the_verdicts() -> None:
    """The threshold is the one that the next bucket's score is held against."""
    detector = SurgeScan(bucket_minutes=60.0)
    rng = np.random.default_rng(1)
    for count in rng.poisson(rng.gamma(2.0, 10.0, size=24 * 21)).astype(float):
        verdict = detector.judge_one({"fresh": count})
        assert verdict is not None
        if verdict.score > 0.0:
            assert detector.threshold == verdict.threshold
        detector.learn_one({"fresh": count})


def test_pickles() -> None:
    """A copy through pickle scores as its original does."""
    detector = SurgeScan(bucket_minutes=60.0)
    for count in (3.0, 9.0, 4.0):
        detector.learn_one({"fresh": count})
    copy = pickle.loads(pickle.dumps(detector))  # noqa: S301 - our own bytes
    assert copy.score_one({"fresh": 50.0}) == detector.score_one({"fresh": 50.0})


def test_absent_count_is_zero() -> None:
    """A missing feature is no user, and is learned as a bucket without one."""
    absent, zero = SurgeScan(bucket_minutes=15.0), SurgeScan(bucket_minutes=15.0)
    for detector, nothing in ((absent, {}), (zero, {"fresh": 0.0})):
        for count in (3.0, 9.0, 4.0):
            detector.learn_one({"fresh": count})
        for _ in range(10):
            detector.learn_one(nothing)
    assert absent.score_one({}) == zero.score_one({"fresh": 0.0})
    assert absent.score_one({"fresh": 50.0}) == zero.score_one({"fresh": 50.0})
