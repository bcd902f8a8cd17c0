"""Does the budget hold on an operator's own history, and which setting would make it hold?

The history is replayed under the configured budget and others around it. All its incidents are
taken for false but those that labels call true or expected. Whether the budget holds is a question
to a Poisson count: the interval says what the history can tell, which of a short one is little.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from streams.backtest.rates import poisson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.backtest.assess import Assessment

FACTORS = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""Settings that are tried, as multiples of the configured one. A history says little of what lies
closer together: from ten incidents a rate is known to a factor of two."""


@dataclass(frozen=True, slots=True)
class Step:
    """The history under one setting of the budget.

    Attributes:
        setting: false incidents a week that are acceptable, as configured.
        incidents: found in the history.
        false: of these, what no label calls true or expected.
        per_week: false ones a week.
        interval: 95 % Poisson interval of ``per_week``.
    """

    setting: float
    incidents: int
    false: int
    per_week: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a history says of the budget.

    Attributes:
        budget: false incidents a week that are wanted.
        weeks: of history that were judged.
        steps: the settings that were tried, ascending.
        outcome: ``holds``, or is the observed rate significantly ``above`` or ``below``?
        fits: the largest setting that was tried up to which this history has no more false
            incidents than the budget; None if even the smallest has.
        has_labels: whether labels were given.
    """

    budget: float
    weeks: float
    steps: Sequence[Step]
    outcome: Literal["holds", "above", "below"]
    fits: float | None
    has_labels: bool

    @property
    def configured(self) -> Step:
        """The history under the setting as it is."""
        return next(step for step in self.steps if step.setting == self.budget)

    @property
    def recommended(self) -> float:
        """The setting to use: another than the present one only if the history speaks against it.

        Where even the smallest setting that was tried has too many false incidents, it is that.
        """
        if self.outcome == "holds":
            return self.budget
        return self.steps[0].setting if self.fits is None else self.fits


def settings_to_try(budget: float, highest: float) -> list[float]:
    """Settings around a budget, ascending, none above ``highest``.

    >>> settings_to_try(1.0, 10_000.0)
    [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    """
    return [budget * factor for factor in FACTORS if factor == 1.0 or budget * factor <= highest]


def calibrate(budget: float, assessments: Sequence[Assessment]) -> Calibration:
    """Compare what was expected with what was observed.

    Args:
        budget: as configured.
        assessments: of one history under each setting to try, ascending; one of them the budget's.

    Raises:
        ValueError: nothing of the history was judged.
    """
    weeks = assessments[0].weeks
    if weeks <= 0:
        raise ValueError("nothing was judged")
    steps = [_step(one) for one in assessments]
    observed = next(step for step in steps if step.setting == budget)
    low, high = observed.interval
    outcome: Literal["holds", "above", "below"] = "holds"
    if budget < low:
        outcome = "above"
    elif budget > high:
        outcome = "below"
    fitting = [step.setting for step in takewhile(lambda step: step.per_week <= budget, steps)]
    return Calibration(
        budget=budget,
        weeks=weeks,
        steps=steps,
        outcome=outcome,
        fits=max(fitting, default=None),
        has_labels=assessments[0].has_labels,
    )


def _step(one: Assessment) -> Step:
    false = one.count("false") + one.count("unknown")
    low, high = poisson_interval(false)
    return Step(
        setting=one.budget,
        incidents=len(one.judged),
        false=false,
        per_week=false / one.weeks,
        interval=(low / one.weeks, high / one.weeks),
    )
