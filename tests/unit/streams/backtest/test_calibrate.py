"""Expected against observed, and the setting that a history speaks for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streams.backtest import Assessment, Judged, calibrate, settings_to_try

Made = Callable[..., list[Assessment]]


def history(counts: dict[float, int], weeks: float = 10.0, real: int = 0) -> list[Assessment]:
    """A history with so many incidents under each setting, of which some are real."""
    return [
        Assessment(
            budget=setting,
            weeks=weeks,
            judged=[Judged({}, "true" if n < real else "unknown", None) for n in range(count)],
            waves=(),
            unmatched=(),
            elsewhere=(),
            has_truth=False,
            has_labels=real > 0,
        )
        for setting, count in counts.items()
    ]


def test_settings_around_the_budget() -> None:
    """The budget is among what is tried, and nothing is beyond what a setting may be."""
    assert settings_to_try(10_000.0, 10_000.0) == [1_250.0, 2_500.0, 5_000.0, 10_000.0]


def test_the_budget_holds() -> None:
    """Where the budget is within what the history can tell, the setting stays as it is."""
    found = calibrate(1.0, history({0.5: 4, 1.0: 13, 2.0: 20}))
    assert (found.outcome, found.recommended, found.fits) == ("holds", 1.0, 0.5)
    assert found.configured.per_week == 1.3
    low, high = found.configured.interval
    assert low < 1.0 < high


def test_too_many() -> None:
    """Significantly more than the budget: the largest setting that this history keeps to it."""
    found = calibrate(1.0, history({0.125: 5, 0.25: 9, 0.5: 14, 1.0: 30}))
    assert (found.outcome, found.recommended) == ("above", 0.25)


def test_too_many_under_all() -> None:
    """Where no setting that was tried is good enough, the least of them is recommended."""
    found = calibrate(1.0, history({0.5: 28, 1.0: 30}))
    assert (found.outcome, found.fits, found.recommended) == ("above", None, 0.5)


def test_too_few() -> None:
    """Significantly fewer: the largest setting up to which the budget still holds."""
    found = calibrate(1.0, history({0.5: 1, 1.0: 2, 2.0: 7, 4.0: 30, 8.0: 9}))
    assert (found.outcome, found.recommended) == ("below", 2.0)


def test_what_labels_call_real_is_not_false() -> None:
    """True and expected incidents are not counted; the others all are, for want of labels."""
    steps = calibrate(1.0, history({1.0: 30}, real=22)).steps
    assert [(step.incidents, step.false) for step in steps] == [(30, 8)]


def test_a_history_that_was_not_judged() -> None:
    """It is refused: no rate can be had of it."""
    with pytest.raises(ValueError, match="nothing was judged"):
        calibrate(1.0, history({1.0: 0}, weeks=0.0))
