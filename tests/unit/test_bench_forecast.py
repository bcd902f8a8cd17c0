"""The benchmark of forecasts fits what it should, and counts what it says."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.detection.forecast import FIT_SEEDS, TEST_SEEDS, Told, fit, section, table
from detectors.forecast import HOURS, QUANTILES, C, features

ROW = Told(
    incident="1 in-a",
    series="hashtag/x",
    bucket=1,
    kind="opened",
    users=20.0,
    hours=1,
    lower=10.0,
    middle=20.0,
    upper=40.0,
    expected=0.0,
    observed=20.0,
    late=50.0,
    x=features(1.0, 20.0, peaked=False),
)


def test_the_fit_finds_the_quantiles_of_the_errors() -> None:
    """Errors of a normal law whose spread grows with age: its quantiles, within sampling."""
    rng = np.random.default_rng(1)
    rows = []
    for hours in HOURS:
        for _ in range(1_500):
            age, users = math.exp(rng.uniform(-1, 3)), 10.0 ** rng.uniform(1, 3)
            z = 0.5 + (0.5 + 0.1 * math.log(age)) * rng.normal()
            observed = (50.0 * hours + C) * math.exp(z) - C
            x = features(age, users, peaked=bool(rng.random() < 0.3))
            rows.append(replace(ROW, hours=hours, observed=observed, x=x))
    for quantiles in fit(rows).values():
        for quantile, found in zip(QUANTILES, quantiles, strict=True):
            normal = {0.1: -1.2816, 0.5: 0.0, 0.9: 1.2816}[quantile]
            assert found[0] == pytest.approx(0.5 + 0.5 * normal, abs=0.15)
            assert found[1] == pytest.approx(0.1 * normal, abs=0.08)


def test_the_table_counts() -> None:
    """Truths below, inside and above are told as shares of each horizon's forecasts."""
    observed = [5.0, 10.0, 20.0, 41.0]
    rows = [replace(ROW, hours=hours, observed=n) for hours in HOURS for n in observed]
    rows += [
        replace(ROW, hours=hours, kind=kind, users=users)
        for hours in HOURS
        for kind, users in (("updated", 100.0), ("peaked", 1_000.0))
    ]
    lines = table(rows).splitlines()
    assert lines[2] == "| 1 h | all | 6 | 67% | 17% | 17% | 30 users | 4.0 |"
    assert lines[3] == "| 1 h | opened | 4 | 50% | 25% | 25% | 30 users | 4.0 |"
    assert "12 alerts of 1 incidents" not in section(rows)
    assert "6 alerts of 1 incidents" in section(rows)


def test_it_is_judged_on_other_worlds() -> None:
    """No world that the intervals were fitted on is among those that they are judged on."""
    assert not set(FIT_SEEDS) & set(TEST_SEEDS)
