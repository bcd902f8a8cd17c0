"""River's change detectors as scorers."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from river import drift

from detectors.drift import LEVELS, AdwinScorer, PageHinkleyScorer, _stable

SCORERS = {
    "adwin": AdwinScorer(drift.ADWIN(clock=1)),
    "page-hinkley": PageHinkleyScorer(drift.PageHinkley(mode="up")),
}


def run(scorer: Any, counts: Any) -> list[float]:
    scores = []
    for count in counts:
        scores.append(scorer.score_one(None, float(count)))
        scorer.learn_one(None, float(count))
    return scores


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("mean", [5.0, 50.0, 5_000.0])
def test_rise_is_found_and_fall_is_not(name: str, mean: float) -> None:
    """A doubling scores above all that was quiet, whatever the mean; a fall to half does not."""
    rng = np.random.default_rng(3)
    quiet = rng.poisson(mean, size=400)
    rise, fall = SCORERS[name].clone(), SCORERS[name].clone()
    calm = max(run(rise, quiet))
    run(fall, quiet)
    assert calm < 25.0
    assert max(run(rise, rng.poisson(2.0 * mean, size=40))) > calm + 2.0
    assert max(run(fall, rng.poisson(0.5 * mean, size=40))) <= calm


def test_page_hinkley_scores_rivers_statistic() -> None:
    """River says that the mean has changed where the score is above River's threshold."""
    test = drift.PageHinkley(mode="up", threshold=8.0)
    scorer = PageHinkleyScorer(test)
    found = 0
    for count in np.random.default_rng(4).poisson([10.0] * 300 + [25.0] * 30):
        score = scorer.score_one(None, float(count))
        test.update(_stable(float(count)))
        assert (score > 8.0) == test.drift_detected
        found += test.drift_detected
        scorer.learn_one(None, float(count))
    assert found > 1


def test_adwin_scores_the_strongest_level() -> None:
    """The score is the surprise of the most significant ADWIN that finds a rise."""
    deltas = [0.002 / 10**level for level in range(LEVELS)]
    alone = {delta: drift.ADWIN(delta=delta, clock=1) for delta in deltas}
    scorer = AdwinScorer(drift.ADWIN(clock=1))
    seen = set()
    for count in np.random.default_rng(4).poisson([10.0] * 300 + [25.0] * 30 + [5.0] * 50):
        expected = 0.0
        for delta, adwin in alone.items():
            before = adwin.estimation
            adwin.update(_stable(float(count)))
            if adwin.drift_detected and adwin.estimation > before:
                expected = max(expected, -math.log(delta))
        assert scorer.score_one(None, float(count)) == pytest.approx(expected)
        seen.add(expected)
        scorer.learn_one(None, float(count))
    assert len(seen) > LEVELS // 2


@pytest.mark.parametrize("name", SCORERS)
def test_parameters_and_state_are_its_own(name: str) -> None:
    """A clone starts anew, a copy goes on, and the prototype is never taught."""
    scorer = SCORERS[name].clone()
    counts = np.random.default_rng(5).poisson([4.0] * 100 + [20.0] * 12)
    run(scorer, counts)
    assert scorer.clone().score_one(None, 90.0) == SCORERS[name].clone().score_one(None, 90.0)
    assert run(copy.deepcopy(scorer), counts) == run(scorer, counts)
