"""The likelihood ratio and its inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.ratio import log_likelihood_ratio, single_ratio, single_upper, upper_count

MEANS = st.floats(1e-4, 1e5)
DISPERSIONS = st.floats(0.004, 6.0)
SCORES = st.floats(1.0, 100.0)


def ratio(observed: float, expected: float, dispersion: float) -> float:
    found = log_likelihood_ratio(np.array([observed]), np.array([expected]), np.array([dispersion]))
    return float(found[0])


@settings(max_examples=40)
@given(MEANS, DISPERSIONS, SCORES)
def test_upper_inverts_the_ratio(expected: float, dispersion: float, score: float) -> None:
    """The count that ``upper_count`` names scores what was asked for, and one more scores more."""
    upper = float(upper_count(np.array([expected]), np.array([dispersion]), score)[0])
    assert upper > expected
    assert ratio(upper, expected, dispersion) == pytest.approx(score, rel=1e-6)
    assert ratio(upper + 1.0, expected, dispersion) > score


@settings(max_examples=40)
@given(MEANS, DISPERSIONS, SCORES)
def test_single_upper_is_the_array_one(expected: float, dispersion: float, score: float) -> None:
    """The inverse for single numbers equals the one for arrays."""
    many = float(upper_count(np.array([expected]), np.array([dispersion]), score)[0])
    assert single_upper(expected, dispersion, score) == pytest.approx(many, rel=1e-6)


@settings(max_examples=40)
@given(st.floats(0.1, 1e4), st.floats(1.01, 50.0))
def test_poisson_limit(expected: float, times: float) -> None:
    """Without overdispersion the ratio is Kulldorff's N ln(N/M) - (N - M)."""
    observed = expected * times
    poisson = observed * math.log(times) - (observed - expected)
    assert ratio(observed, expected, 1e-9) == pytest.approx(poisson, rel=1e-3, abs=1e-3)


@settings(max_examples=40)
@given(MEANS, DISPERSIONS, st.floats(1.0, 100.0), st.floats(1.0001, 10.0))
def test_more_users_score_more(
    expected: float, dispersion: float, times: float, more: float
) -> None:
    """The score grows with the observed count, from 0 at and below the expectation."""
    low = ratio(expected * times, expected, dispersion)
    assert low >= -1e-6
    assert ratio(expected * times * more, expected, dispersion) >= low - 1e-6
    assert ratio(expected / times, expected, dispersion) == 0.0


@settings(max_examples=40)
@given(MEANS, DISPERSIONS, st.floats(1.1, 100.0), st.floats(1.01, 10.0))
def test_burstier_series_score_less(
    expected: float, dispersion: float, times: float, more: float
) -> None:
    """The same excess is weaker evidence in a burstier series, and under a larger expectation."""
    observed = expected * times
    found = ratio(observed, expected, dispersion)
    assert ratio(observed, expected, dispersion * more) <= found + 1e-6
    assert ratio(observed, expected * min(more, times), dispersion) <= found + 1e-6


@settings(max_examples=40)
@given(MEANS, DISPERSIONS, st.floats(1.0, 1e3))
def test_single_is_the_array_one(expected: float, dispersion: float, times: float) -> None:
    """The ratio of single numbers equals that of arrays."""
    observed = expected * times
    assert single_ratio(observed, expected, dispersion) == pytest.approx(
        ratio(observed, expected, dispersion), rel=1e-9, abs=1e-9
    )


def test_shapes_broadcast() -> None:
    """Windows by rows: each cell is the ratio of its own numbers."""
    observed, expected = np.array([[3.0, 30.0], [50.0, 60.0]]), np.array([[1.0, 2.0], [5.0, 70.0]])
    dispersion = np.array([0.1, 0.5])
    found = log_likelihood_ratio(observed, expected, dispersion[:, None])
    assert found.shape == (2, 2)
    assert found[0, 1] == pytest.approx(ratio(30.0, 2.0, 0.1))
    assert found[1, 0] == pytest.approx(ratio(50.0, 5.0, 0.5))
    assert found[1, 1] == 0.0
