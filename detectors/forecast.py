"""What a wave brings next: new users of the coming hour and of the coming six, with an interval.

Waves end without notice, so the middle of a forecast is little more than *persistence*: what comes
beyond the usual goes on at its late rate ``a``, an exponentially discounted mean (simple
exponential smoothing: Brown, 1956). How far that misses is known from many simulated waves: for
each horizon of ``h`` hours the quantiles of::

    z = ln((N - M + c) / (a h + c)),    c = C + sqrt(M)

where ``N`` new users came and ``M`` were usual, are linear in what an episode knows of itself: its
age, the noise of a count as small as its users so far, and whether it is past its peak (regression
quantiles: Koenker and Bassett, Econometrica 46, 1978). Intervals read off past errors: Williams and
Goodman, Journal of the American Statistical Association 66, 1971. ``c`` keeps the ratio in hand
where few come, and lets the chance of a large expectation count.

Growth was tried (a Poisson regression with a damped trend; the doubling time as one more feature):
it made intervals narrower by a few per cent at most, since a wave that doubles every quarter of an
hour is as many doublings from its end as one that doubles every two hours. The coefficients are
made by ``python -m benchmarks.detection.forecast --fit``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HOURS = (1, 6)
"""The horizons."""
QUANTILES = (0.1, 0.5, 0.9)
CONFIDENCE = 0.8
"""How often the truth is meant to lie between lower and upper."""
LATE_HOURS = 0.2
"""Half-life of the discounted mean."""
SPANS_MINUTES = (5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0)
"""Where its pieces end: so many minutes ago."""
C = 3.0
AGE_MIN_HOURS = 0.1
AGE_MAX_HOURS = 24.0

COEFFICIENTS: dict[int, tuple[tuple[float, ...], ...]] = {
    1: ((-0.23, 0.01, -1.92, -0.25), (0.19, -0.08, -0.38, 0.01), (0.86, -0.26, 0.68, 0.19)),
    6: ((-1.18, 0.25, -1.54, -0.54), (-0.31, 0.06, 1.95, -0.14), (0.27, 0.05, 5.82, -0.28)),
}
"""By horizon, for each of ``QUANTILES``: of 1, ln age, 1/sqrt(users + 1), past the peak."""


class Horizon(NamedTuple):
    """New users of a series over the hours that come.

    Attributes:
        hours: how many.
        users: the middle: as often more as less.
        lower: a tenth of the time fewer.
        upper: a tenth of the time more.
        expected: how many would come without the wave.
    """

    hours: int
    users: float
    lower: float
    upper: float
    expected: float


def late_rate(pieces: Iterable[tuple[float, float, float]]) -> float:
    """Users an hour beyond the usual of late, the discounted mean; never below zero.

    Args:
        pieces: of the past, each with how many hours ago it began and ended, and its users beyond
            the usual.

    >>> late_rate([(0.5, 0.0, 20.0)])
    40.0
    >>> round(late_rate([(0.2, 0.0, 20.0), (0.4, 0.2, 0.0)]), 1)  # the older half counts half
    66.7
    """
    users = hours = 0.0
    for began, ended, excess in pieces:
        weight = 0.5 ** ((began + ended) / 2.0 / LATE_HOURS)
        users += weight * excess
        hours += weight * (began - ended)
    return max(users / hours, 0.0) if hours > 0.0 else 0.0


def features(age_hours: float, users: float, *, peaked: bool) -> tuple[float, ...]:
    """What the quantiles are linear in.

    Args:
        age_hours: since the onset.
        users: of the wave so far.
        peaked: is it past its peak?
    """
    age = min(max(age_hours, AGE_MIN_HOURS), AGE_MAX_HOURS)
    return (1.0, math.log(age), 1.0 / math.sqrt(users + 1.0), float(peaked))


def error(observed: float, expected: float, late: float, hours: float) -> float:
    """``z`` of a forecast that has come true, see above.

    >>> error(40.0, 0.0, 40.0, 1.0)
    0.0
    """
    c = C + math.sqrt(expected)
    return math.log(max(observed - expected + c, 0.5) / (late * hours + c))


def forecast(
    late: float, x: Sequence[float], expected: Sequence[float], hours: Sequence[int] = HOURS
) -> list[Horizon]:
    """Forecast the new users of a series.

    Args:
        late: see ``late_rate``.
        x: see ``features``.
        expected: users that are usual in each of the next hours, as many as the longest horizon.
        hours: the horizons.

    >>> one, six = forecast(40.0, features(2.0, 60.0, peaked=False), [0.0] * 6)
    >>> one.lower < one.users < one.upper < six.upper
    True
    """
    found = []
    for h in hours:
        usual = math.fsum(expected[:h])
        c = C + math.sqrt(usual)
        # Regression quantiles may cross far from the data; sorted, they cover no less.
        z = sorted(sum(b * v for b, v in zip(w, x, strict=True)) for w in COEFFICIENTS[h])
        lower, users, upper = (max(usual - c + (late * h + c) * math.exp(q), 0.0) for q in z)
        found.append(Horizon(h, users, lower, upper, usual))
    return found
