"""The scan's single-series face."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.checks import check_detector
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
    face = SurgeScan(bucket_minutes=60.0)
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
    "check", list(check_detector(SurgeScan(bucket_minutes=60.0))), ids=lambda check: check.__name__
)
def test_passes_the_conformance_suite(check: Callable[[], None]) -> None:
    """The face keeps River's generic laws and the project's own, on count streams."""
    check()


def test_scoring_changes_nothing() -> None:
    """A detector that was asked for a score learns on as one that was not."""
    asked, silent = SurgeScan(bucket_minutes=60.0), SurgeScan(bucket_minutes=60.0)
    for count in (3.0, 9.0, 0.0, 40.0):
        asked.score_one({"fresh": 90.0})
        asked.learn_one({"fresh": count})
        silent.learn_one({"fresh": count})
    assert asked.score_one({"fresh": 70.0}) == silent.score_one({"fresh": 70.0})


def test_pickles() -> None:
    """A copy through pickle scores as its original does."""
    detector = SurgeScan(bucket_minutes=60.0)
    for count in (3.0, 9.0, 4.0):
        detector.learn_one({"fresh": count})
    copy = pickle.loads(pickle.dumps(detector))  # noqa: S301 - our own bytes
    assert copy.score_one({"fresh": 50.0}) == detector.score_one({"fresh": 50.0})


def test_negative_and_absent_counts_are_zero() -> None:
    """A difference of totals that falls below zero, or a missing feature, is no user."""
    detector = SurgeScan(bucket_minutes=60.0)
    assert detector.score_one({"fresh": -4.0}) == detector.score_one({}) == 0.0
