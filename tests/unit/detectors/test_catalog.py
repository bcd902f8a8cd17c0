"""From names in the configuration to banks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from river import anomaly, preprocessing

from detectors.catalog import (
    BankContext,
    UnknownDetector,
    UnknownParameter,
    make_bank,
    names,
)
from detectors.checks import counts, teach
from detectors.river_calls import core
from detectors.river_models import RiverBank
from detectors.scan import ScanBank

CONTEXT = BankContext(
    bucket_minutes=5,
    false_incidents_per_week=1,
    min_users=5,
    fresh_for_buckets=72,
    watched_series=2,
)
TREES = "river.anomaly.HalfSpaceTrees"
FILTER = "river.anomaly.QuantileFilter"
FORECAST = "river.anomaly.PredictiveAnomalyDetection"


def make(name: str, **parameters: Any) -> Any:
    return make_bank(name, parameters, context=CONTEXT)


def test_every_name_is_made() -> None:
    """Every name on the list makes a bank; filters say what they need."""
    needs = {
        FILTER: {"anomaly_detector": {"name": "river.anomaly.GaussianScorer"}, "q": 0.9},
        "river.anomaly.ThresholdFilter": {
            "anomaly_detector": {"name": "river.anomaly.GaussianScorer"},
            "threshold": 0.9,
        },
    }
    for name in names():
        bank = make(name, **needs.get(name, {}))
        assert isinstance(bank, ScanBank if name == "scan" else RiverBank)


def test_parameters_reach_the_detector() -> None:
    """Parameters are the detector's own; features are scaled as River recommends; seeds are set."""
    pipeline = make(TREES, n_trees=3)._prototype
    assert isinstance(next(iter(pipeline.steps.values())), preprocessing.MinMaxScaler)
    assert (core(pipeline).n_trees, core(pipeline).seed) == (3, 0)
    assert core(make(TREES, seed=9)._prototype).seed == 9


def test_parts_are_nested() -> None:
    """A mapping with a name becomes one of River's objects, at any depth."""
    model = {"name": "river.time_series.HoltWinters", "alpha": 0.3}
    forecast = {"name": FORECAST, "predictive_model": model}
    made = make(FILTER, q=0.99, anomaly_detector=forecast)._prototype
    assert isinstance(made, anomaly.QuantileFilter)
    assert made.anomaly_detector.predictive_model.alpha == 0.3


def test_trees_in_a_filter_are_scaled() -> None:
    """The scaler goes inside the filter, next to the detector that wants it."""
    made = make(FILTER, q=0.99, anomaly_detector={"name": TREES})._prototype
    assert isinstance(next(iter(made.anomaly_detector.steps.values())), preprocessing.MinMaxScaler)


def test_context_reaches_the_bank() -> None:
    """The limit on watched series is the bank's."""
    bank = make("river.anomaly.GaussianScorer")
    teach(bank, counts(buckets=50))
    assert len(bank.watched) == 2
    assert bank.unwatched > 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("scna", "'scan'"),
        ("HalfSpaceTree", TREES),
        ("river.anomaly.GausianScorer", "river.anomaly.GaussianScorer"),
        ("os.system", "there are: scan"),
        ("river.linear_model.LinearRegression", "there are: scan"),
        ("river.anomaly.__builtins__", "there are: scan"),
    ],
)
def test_unknown_detector_names_the_nearest(name: str, hint: str) -> None:
    """A name that is not on the list is refused with what was probably meant, never imported."""
    with pytest.raises(UnknownDetector, match=hint):
        make(name)


@pytest.mark.parametrize(
    ("name", "parameters", "hint"),
    [
        (TREES, {"n_tres": 3}, "did you mean 'n_trees'"),
        (TREES, {"n_trees": "many"}, "does not work with these parameters"),
        (FILTER, {"q": 0.9}, "needs the parameter 'anomaly_detector'"),
        (FORECAST, {"predictive_model": {"name": "river.time_series.HoltWinters"}}, "model.alpha"),
        (
            FORECAST,
            {"predictive_model": {"name": "river.time_series.HoltWinters", "alfa": 0.1}},
            "did you mean 'alpha'",
        ),
        ("scan", {"windows": [1, 2]}, "no parameter 'windows'"),
        ("scan", {"min_users": 2}, "no parameter 'min_users'"),
        ("river.anomaly.GaussianScorer", {"window_size": 50}, "never scores"),
        (
            "river.anomaly.ThresholdFilter",
            {
                "anomaly_detector": {"name": "river.anomaly.GaussianScorer"},
                "threshold": 0.9,
                "protect_anomaly_detector": False,
            },
            "never learns",
        ),
        (
            FORECAST,
            {
                "predictive_model": {
                    "name": "river.time_series.HoltWinters",
                    "alpha": 0.1,
                    "seasonality": 7,
                }
            },
            "gamma must be set",
        ),
    ],
)
def test_unknown_parameter_names_the_remedy(
    name: str, parameters: dict[str, Any], hint: str
) -> None:
    """A parameter that is unknown, missing or useless is refused with what to do."""
    with pytest.raises(UnknownParameter, match=hint):
        make(name, **parameters)


@pytest.mark.parametrize("part", ["os.path.join", "river.datasets.Elec2", "river.time_series.base"])
def test_parts_come_from_a_short_list(part: str) -> None:
    """A configuration can't make the program import or call anything but River's estimators."""
    with pytest.raises(UnknownDetector):
        make(FORECAST, predictive_model={"name": part})


def test_default_does_not_import_river_anomaly() -> None:
    """The default detector is made without the second and 90 MB that river.anomaly costs."""
    code = (
        "import sys; from detectors.catalog import BankContext, make_bank;"
        "make_bank('scan', {}, context=BankContext(5, 1, 5, 72));"
        "sys.exit('river.anomaly' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_made_bank_scores() -> None:
    """A bank from the catalogue is ready to be taught and asked."""
    bank = teach(make("river.anomaly.StandardAbsoluteDeviation"), counts())
    found = bank.score_many(5_789_400, np.array([0]), np.array([400.0]), np.ones(1))
    assert np.isfinite(found.score[0])
