"""From names and parameters to River's objects, and to detectors of one's own with its interface.

What River leaves to its user is done here: detectors that measure distances get their features
scaled as River's documentation recommends, change detectors look at every bucket and for rises, and
whatever has a ``seed`` is seeded, so that the same log gives the same alerts.

A detector of one's own is a class that an installed package offers under the entry point group
``surgewatch.detectors``: what is not installed and offered can't be named, so that a configuration
makes the program import nothing else.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

from detectors.naming import UnknownDetector, UnknownParameter, check_parameter, nearest, place

PARTS = (
    "river.anomaly",
    "river.drift",
    "river.linear_model",
    "river.neighbors",
    "river.optim",
    "river.preprocessing",
    "river.stats",
    "river.time_series",
)
"""Modules whose objects may be parameters; a configuration can't import anything else."""
DETECTORS = "river.anomaly"
DRIFT: dict[str, dict[str, Any]] = {
    "river.drift.ADWIN": {"clock": 1},
    "river.drift.PageHinkley": {"mode": "up"},
}
"""The change detectors that are offered, and what is set unless the configuration sets it."""
OWN = "surgewatch.detectors"

SEED = 0
TREE_HEIGHT_MAX = 20
NODES_MAX = 1 << 21
"""Of the trees of one series: some hundreds of MB. River makes them all with the first sample."""
_TRIAL_COUNTS = (0.0, 3.0, 1.0, 7.0)


def river_names() -> list[str]:
    """Names of River's detectors."""
    module = importlib.import_module(DETECTORS)
    return [*sorted(f"{DETECTORS}.{name}" for name in module.__all__), *DRIFT]


def own_names() -> list[str]:
    """Names of the detectors that other packages offer."""
    return sorted(point.name for point in metadata.entry_points(group=OWN))


def make_river(name: str, parameters: Mapping[str, object], *, path: str) -> Any:
    """Make one of River's objects, its parts first.

    Args:
        name: dotted, of an object in ``PARTS``, or of an entry point.
        parameters: by the names of its signature; River's objects as mappings with a ``name``.
        path: leads to it in the configuration, for messages.

    Raises:
        UnknownDetector: the message gives the nearest names.
        UnknownParameter: the message gives the nearest parameters, or why a value is refused.
    """
    cls = _find_own(name, path) if name in own_names() else _find(name, path)
    signature = inspect.signature(cls).parameters
    arguments: dict[str, Any] = dict(DRIFT.get(name, {}))
    for parameter, value in parameters.items():
        check_parameter(name, parameter, list(signature), path)
        arguments[parameter] = value
        if isinstance(value, Mapping) and "name" in value:
            part = {key: each for key, each in value.items() if key != "name"}
            arguments[parameter] = make_river(str(value["name"]), part, path=f"{path}{parameter}.")
    for parameter, known in signature.items():
        if known.default is known.empty and parameter not in arguments:
            raise UnknownParameter(f"{name} needs the parameter {path + parameter!r}")
    if "seed" in signature:
        arguments.setdefault("seed", SEED)
    made = _build(cls, name, path, arguments)
    _refuse_useless(name, path, arguments)
    return _ready(made)


def _refuse_useless(name: str, path: str, arguments: Mapping[str, Any]) -> None:
    """Refuse what River 0.26 accepts and then never learns, never scores or fills the memory."""
    if name.endswith(".ThresholdFilter") and not arguments.get("protect_anomaly_detector", True):
        raise UnknownParameter(
            f"{name} with {path}protect_anomaly_detector = false never learns; leave the parameter"
            " out, or name the detector inside the filter instead"
        )
    if name.endswith(".HalfSpaceTrees"):
        trees, height = arguments.get("n_trees", 10), arguments.get("height", 8)
        if isinstance(trees, int) and isinstance(height, int):
            nodes = trees << (height + 1) if 0 < height <= TREE_HEIGHT_MAX else 0
            if not (trees > 0 and 0 < nodes <= NODES_MAX):
                raise UnknownParameter(
                    f"{name} with {path}n_trees = {trees} and {path}height = {height}: both must be"
                    f" 1 or more, and n_trees * 2**(height + 1), the nodes that each series has in"
                    f" memory, at most {NODES_MAX:,}"
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
    if module_name not in PARTS:
        raise UnknownDetector(
            f"{name!r} {place(path)} is in none of {', '.join(PARTS)};"
            f" {nearest(module_name, PARTS)}"
        )
    module = importlib.import_module(module_name)
    if module_name == "river.drift":
        known = list(DRIFT)
    else:
        offered = [each for each in module.__all__ if inspect.isclass(getattr(module, each))]
        known = [
            f"{module_name}.{each}"
            for each in offered
            if issubclass(getattr(module, each), base.Base)
        ]
    if name not in known:
        raise UnknownDetector(f"there is no {name!r} {place(path)}; {nearest(name, known)}")
    return getattr(module, class_name)


def _find_own(name: str, path: str) -> Any:
    from river import base  # noqa: PLC0415 - a second to import

    (point, *_) = metadata.entry_points(group=OWN, name=name)
    try:
        cls = point.load()
    except Exception as error:
        raise UnknownDetector(
            f"{name!r} {place(path)} cannot be imported from {point.value}: {error}"
        ) from error
    if not (
        inspect.isclass(cls)
        and issubclass(cls, base.AnomalyDetector | base.SupervisedAnomalyDetector)
    ):
        raise UnknownDetector(
            f"{name!r} {place(path)}: {point.value} is no river.base.AnomalyDetector or"
            " SupervisedAnomalyDetector"
        )
    return cls


def _build(cls: Callable[..., Any], name: str, path: str, arguments: dict[str, Any]) -> Any:
    try:
        return cls(**arguments)
    except Exception as error:
        where = f" (at {path[:-1]})" if path else ""
        raise UnknownParameter(f"{name}{where} refuses its parameters: {error}") from error


def _ready(made: Any) -> Any:
    """Put the scaler that River recommends before its detector, a scorer around a change detector.

    Detectors of one's own see their features as they are.
    """
    from river import anomaly, base, drift, preprocessing  # noqa: PLC0415 - a second to import

    from detectors.drift import AdwinScorer, PageHinkleyScorer  # noqa: PLC0415 - with River

    if isinstance(made, drift.ADWIN):
        return AdwinScorer(made)
    if isinstance(made, drift.PageHinkley):
        return PageHinkleyScorer(made)
    if isinstance(made, anomaly.HalfSpaceTrees):
        return preprocessing.MinMaxScaler() | made
    if isinstance(made, base.AnomalyDetector) and type(made).__module__.startswith("river."):
        return preprocessing.StandardScaler() | made
    return made


def try_out(name: str, detector: Any, path: str) -> None:
    """Let a clone see a few counts, so that a wrong value is refused now and not for every row.

    Raises:
        UnknownParameter: it could not learn them.
    """
    from detectors.river_calls import Kind  # noqa: PLC0415 - with River
    from detectors.river_row import Scale, WatchedRow  # noqa: PLC0415 - with River

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clone = detector.clone()
            kind, scale = Kind.of(clone), Scale.of(1.0)
            row = WatchedRow(clone, seen=0)
            for bucket, count in enumerate(_TRIAL_COUNTS):
                x = (
                    row.known_before(bucket, bucket, scale)
                    if kind.supervised
                    else row.seen_in(bucket, bucket, count, None, scale)
                )
                kind.learn(clone, x, count, first=True)
                row.learn(bucket, bucket, count, None, scale)
    except Exception as error:
        where = f" (at {path[:-1]})" if path else ""
        raise UnknownParameter(
            f"{name}{where} does not work with these parameters: {error}"
        ) from error
