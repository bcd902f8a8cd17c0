"""From a name and parameters in the configuration to a bank.

``"scan"`` is the default detector. A dotted name is River's: ``"river.anomaly.HalfSpaceTrees"``.
A parameter that is itself a River object is a mapping with its name::

    [detector]
    name = "river.anomaly.PredictiveAnomalyDetection"
    n_std = 4.0
    predictive_model = { name = "river.time_series.HoltWinters", alpha = 0.3 }

What River leaves to its user is done here: detectors that measure distances get their features
scaled as River's documentation recommends, and whatever has a ``seed`` is seeded, so that the same
log gives the same alerts.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detectors.bank import Bank

DEFAULT = "scan"
DETECTORS = "river.anomaly"
PARTS = (
    "river.anomaly",
    "river.linear_model",
    "river.neighbors",
    "river.optim",
    "river.preprocessing",
    "river.stats",
    "river.time_series",
)
"""Modules whose objects may be parameters; a configuration can't import anything else."""

SEED = 0
_TRIAL_COUNTS = (0.0, 3.0, 1.0, 7.0)


class CatalogError(ValueError):
    """The configuration asks for a detector that can't be made; the message is for the operator."""


class UnknownDetector(CatalogError):  # noqa: N818 - "unknown" says it
    """No detector has this name."""


class UnknownParameter(CatalogError):  # noqa: N818 - "unknown" says it
    """The detector has no such parameter, needs one more, or refuses its value."""


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

    >>> names()[:3]
    ['scan', 'river.anomaly.GaussianScorer', 'river.anomaly.HalfSpaceTrees']
    """
    module = importlib.import_module(DETECTORS)
    return [DEFAULT, *sorted(f"{DETECTORS}.{name}" for name in module.__all__)]


def make_bank(name: str, parameters: Mapping[str, object], *, context: BankContext) -> Bank:
    """Make the bank that a configuration asks for.

    Args:
        name: one of :func:`names`.
        parameters: the detector's own, by the names of its signature; River's objects as mappings.
        context: what every bank is told.

    Raises:
        UnknownDetector: the message gives the nearest names.
        UnknownParameter: the message gives the nearest parameters, or why a value is refused.
    """
    if name == DEFAULT:
        return _make_scan(parameters, context)
    if name not in names():
        raise UnknownDetector(f"there is no detector {name!r}; {_nearest(name, names())}")
    detector = _make_river(name, parameters, path="")
    _try(name, detector)
    from detectors.river_models import RiverBank  # noqa: PLC0415 - River only when asked for

    return RiverBank(
        detector,
        bucket_minutes=context.bucket_minutes,
        false_incidents_per_week=context.false_incidents_per_week,
        watched=context.watched_series,
        min_users=context.min_users,
    )


def _make_scan(parameters: Mapping[str, object], context: BankContext) -> Bank:
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
        _check(DEFAULT, parameter, own)
    return ScanBank(**{**told, **parameters})


def _make_river(name: str, parameters: Mapping[str, object], *, path: str) -> Any:
    """Make one of River's objects, its parts first; ``path`` leads to it, for messages."""
    cls = _find(name, path)
    signature = inspect.signature(cls).parameters
    arguments: dict[str, Any] = {}
    for parameter, value in parameters.items():
        _check(name, parameter, list(signature), path)
        arguments[parameter] = value
        if isinstance(value, Mapping) and "name" in value:
            part = {key: each for key, each in value.items() if key != "name"}
            arguments[parameter] = _make_river(str(value["name"]), part, path=f"{path}{parameter}.")
    for parameter, known in signature.items():
        if known.default is known.empty and parameter not in arguments:
            raise UnknownParameter(f"{name} needs the parameter {path + parameter!r}")
    if "seed" in signature:
        arguments.setdefault("seed", SEED)
    made = _build(cls, name, path, arguments)
    _refuse_mute(name, path, arguments)
    return _scaled(made)


def _refuse_mute(name: str, path: str, arguments: Mapping[str, Any]) -> None:
    """Refuse what River 0.26 accepts and then never learns or never scores."""
    if name.endswith(".ThresholdFilter") and not arguments.get("protect_anomaly_detector", True):
        raise UnknownParameter(
            f"{name} with {path}protect_anomaly_detector = false never learns; leave the parameter"
            " out, or name the detector inside the filter instead"
        )
    window, grace = arguments.get("window_size"), arguments.get("grace_period", 100)
    if name.endswith(".GaussianScorer") and window and window < grace:
        raise UnknownParameter(
            f"{name} with {path}window_size = {window} never scores: the window must hold"
            f" {path}grace_period = {grace} or more"
        )


def _find(name: str, path: str) -> Any:
    from river import base  # noqa: PLC0415 - a second to import

    module_name, _, class_name = name.rpartition(".")
    where = f"for {path[:-1]!r}" if path else "for the detector"
    if module_name not in PARTS:
        raise UnknownDetector(
            f"{name!r} {where} is in none of {', '.join(PARTS)}; {_nearest(module_name, PARTS)}"
        )
    module = importlib.import_module(module_name)
    known = [
        each
        for each in module.__all__
        if inspect.isclass(getattr(module, each)) and issubclass(getattr(module, each), base.Base)
    ]
    if class_name not in known:
        nearest = _nearest(name, [f"{module_name}.{each}" for each in known])
        raise UnknownDetector(f"there is no {name!r} {where}; {nearest}")
    return getattr(module, class_name)


def _build(cls: Callable[..., Any], name: str, path: str, arguments: dict[str, Any]) -> Any:
    try:
        return cls(**arguments)
    except Exception as error:
        where = f" (at {path[:-1]})" if path else ""
        raise UnknownParameter(f"{name}{where} refuses its parameters: {error}") from error


def _scaled(made: Any) -> Any:
    """Put the scaler that River's documentation recommends before an unsupervised detector."""
    from river import anomaly, base, preprocessing  # noqa: PLC0415 - a second to import

    if not isinstance(made, base.AnomalyDetector):
        return made
    if isinstance(made, anomaly.HalfSpaceTrees):
        return preprocessing.MinMaxScaler() | made
    return preprocessing.StandardScaler() | made


def _try(name: str, detector: Any) -> None:
    """Let a clone see a few counts, so that a wrong value is refused now and not for every row."""
    from detectors.river_calls import Kind, time_features  # noqa: PLC0415 - with River

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clone = detector.clone()
            kind = Kind.of(clone)
            for bucket, count in enumerate(_TRIAL_COUNTS):
                x = {"fresh": count, **time_features(bucket, 1.0)}
                kind.learn(clone, x, count, first=True)
    except Exception as error:
        raise UnknownParameter(f"{name} does not work with these parameters: {error}") from error


def _check(name: str, parameter: str, known: list[str], path: str = "") -> None:
    if parameter not in known:
        raise UnknownParameter(
            f"{name} has no parameter {path + parameter!r}; {_nearest(parameter, known)}"
        )


def _nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Say what was probably meant, or everything that there is."""
    if not known:
        return "it takes none"
    tails = {each.rpartition(".")[2].lower(): each for each in known}
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75) or [
        tails[each]
        for each in difflib.get_close_matches(name.rpartition(".")[2].lower(), tails, n=1)
    ]
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
