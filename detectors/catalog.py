"""From names and parameters in the configuration to a bank.

``"scan"`` is the default detector. A dotted name is River's: ``"river.anomaly.HalfSpaceTrees"``.
A parameter that is itself a River object is a mapping with its name::

    [detection]
    detector = "river.anomaly.PredictiveAnomalyDetection"
    parameters.n_std = 4.0
    parameters.predictive_model = { name = "river.time_series.HoltWinters", alpha = 0.3 }

``"any"``, ``"all"`` and ``"weighted"`` combine others (``detectors.combine``)::

    [detection]
    detector = "weighted"
    parameters.detectors = ["scan", { name = "river.anomaly.HalfSpaceTrees", n_trees = 5 }]
    parameters.weights = [2, 1]
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detectors.combine import CombinedBank, How
from detectors.naming import (
    CatalogError,
    UnknownDetector,
    UnknownParameter,
    check_parameter,
    nearest,
    place,
)
from detectors.river_catalog import make_river, own_names, river_names, try_out

if TYPE_CHECKING:
    from detectors.bank import Bank

__all__ = [
    "BankContext",
    "CatalogError",
    "UnknownDetector",
    "UnknownParameter",
    "make_bank",
    "names",
]

DEFAULT = "scan"
COMBINATIONS = [how.value for how in How]
PARTS_MIN, PARTS_MAX = 2, 16


@dataclass(frozen=True, slots=True)
class BankContext:
    """What every bank is told, whatever its name.

    Attributes:
        bucket_minutes: length of a bucket.
        false_incidents_per_week: the budget over all series.
        min_users: fresh users below which nothing is a surge.
        fresh_for_buckets: for how many buckets a user stays counted.
        watched_series: largest number of series that one of River's detectors watches.
    """

    bucket_minutes: float
    false_incidents_per_week: float
    min_users: float
    fresh_for_buckets: int
    watched_series: int = 500


def names() -> list[str]:
    """Every name that can be chosen, the default first.

    >>> names()[:5]
    ['scan', 'any', 'all', 'weighted', 'river.anomaly.GaussianScorer']
    """
    ours = [DEFAULT, *COMBINATIONS, *river_names()]
    return [*ours, *(name for name in own_names() if name not in ours)]


def make_bank(
    detector: str | Any, parameters: Mapping[str, object], *, context: BankContext
) -> Bank:
    """Make the bank that a configuration asks for.

    Args:
        detector: one of :func:`names`; or, in a program of one's own, an object with River's
            interface, which is cloned and never itself taught.
        parameters: the detector's own, by the names of its signature; River's objects as mappings
            with a ``name``. None for an object.
        context: what every bank is told.

    Raises:
        UnknownDetector: the message gives the nearest names.
        UnknownParameter: the message gives the nearest parameters, or why a value is refused.
    """
    return _make(detector, parameters, context, path="")


def _make(
    detector: str | Any, parameters: Mapping[str, object], context: BankContext, path: str
) -> Bank:
    if detector == DEFAULT:
        return _make_scan(parameters, context, path)
    if isinstance(detector, str) and detector in COMBINATIONS:
        return _make_combined(detector, parameters, context, path)
    return _make_watched(detector, parameters, context, path)


def _make_scan(parameters: Mapping[str, object], context: BankContext, path: str) -> Bank:
    """The only place that knows how the default bank is made."""
    from detectors.scan import ScanBank  # noqa: PLC0415 - a configuration may never need it

    told: dict[str, Any] = {
        "bucket_minutes": context.bucket_minutes,
        "false_incidents_per_week": context.false_incidents_per_week,
        "min_users": context.min_users,
        "fresh_for_buckets": context.fresh_for_buckets,
    }
    own = [name for name in inspect.signature(ScanBank).parameters if name not in told]
    for parameter in parameters:
        check_parameter(DEFAULT, parameter, own, path)
    return ScanBank(**{**told, **parameters})


def _make_watched(
    detector: str | Any, parameters: Mapping[str, object], context: BankContext, path: str
) -> Bank:
    """A bank of River's objects, one a row."""
    name = detector if isinstance(detector, str) else type(detector).__name__
    if isinstance(detector, str):
        if detector not in names():
            raise UnknownDetector(
                f"there is no detector {detector!r}{path and f' {place(path)}'};"
                f" {nearest(detector, names())}"
            )
        detector = make_river(detector, parameters, path=path)
    else:
        for parameter in parameters:
            check_parameter(name, parameter, [], path)
    try_out(name, detector, path)
    from detectors.river_models import RiverBank  # noqa: PLC0415 - River only when asked for

    return RiverBank(
        detector,
        bucket_minutes=context.bucket_minutes,
        false_incidents_per_week=context.false_incidents_per_week,
        watched=context.watched_series,
        min_users=context.min_users,
    )


def _make_combined(
    name: str, parameters: Mapping[str, object], context: BankContext, path: str
) -> Bank:
    own = ["detectors", "weights"] if name == How.WEIGHTED else ["detectors"]
    for parameter in parameters:
        check_parameter(name, parameter, own, path)
    parts = parameters.get("detectors")
    if not isinstance(parts, list) or not PARTS_MIN <= len(parts) <= PARTS_MAX:
        raise UnknownParameter(
            f"{name} needs the parameter {path + 'detectors'!r}: a list of {PARTS_MIN} to"
            f" {PARTS_MAX} detectors, each a name, or a table with a name and parameters, as in"
            ' ["scan", { name = "river.anomaly.GaussianScorer", window_size = 500 }]'
        )
    weights = _weights(parameters, len(parts), path) if name == How.WEIGHTED else None
    budget = context.false_incidents_per_week
    share = budget if name == How.ALL else budget / len(parts)
    for_part = dataclasses.replace(context, false_incidents_per_week=share)
    banks = []
    for i, part in enumerate(parts):
        where = f"{path}detectors[{i}]"
        detector, of_part = part, {}
        if isinstance(part, Mapping):
            if not isinstance(part.get("name"), str):
                raise UnknownParameter(f"{name}: {where!r} has no name of a detector")
            detector = part["name"]
            of_part = {key: value for key, value in part.items() if key != "name"}
        banks.append(_make(detector, of_part, for_part, f"{where}."))
    return CombinedBank(
        How(name),
        banks,
        weights=weights,
        bucket_minutes=context.bucket_minutes,
        false_incidents_per_week=budget,
    )


def _weights(parameters: Mapping[str, object], parts: int, path: str) -> list[float]:
    weights = parameters.get("weights", [1.0] * parts)
    if (
        not isinstance(weights, list)
        or len(weights) != parts
        or not all(isinstance(weight, int | float) and 0 < weight < math.inf for weight in weights)
    ):
        raise UnknownParameter(
            f"weighted: {path + 'weights'!r} must be {parts} numbers above 0, one a detector"
        )
    return weights
