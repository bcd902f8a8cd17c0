"""From names in the configuration to banks."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from river import anomaly, base, preprocessing

from detectors.catalog import (
    BankContext,
    UnknownDetector,
    UnknownParameter,
    make_bank,
    names,
)
from detectors.checks import counts, teach
from detectors.combine import CombinedBank
from detectors.river_calls import core
from detectors.river_models import RiverBank
from detectors.scan import ScanBank

if TYPE_CHECKING:
    from pathlib import Path

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
        **{how: {"detectors": ["scan", "river.drift.ADWIN"]} for how in ("any", "all", "weighted")},
    }
    kinds = {"scan": ScanBank, "any": CombinedBank, "all": CombinedBank, "weighted": CombinedBank}
    assert set(kinds) < set(names())
    for name in names():
        bank = make(name, **needs.get(name, {}))
        assert isinstance(bank, kinds.get(name, RiverBank))


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
        ("river.drift.AdWin", "river.drift.ADWIN"),
        ("river.drift.KSWIN", "river.drift.ADWIN"),
        ("anny", "'any'"),
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
        (TREES, {"n_trees": 0}, "both must be 1 or more"),
        (TREES, {"height": -1}, "both must be 1 or more"),
        (TREES, {"n_trees": 1_000, "height": 30}, "in memory, at most"),
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
        ("river.drift.ADWIN", {"detla": 0.1}, "did you mean 'delta'"),
        ("river.drift.PageHinkley", {"mode": "upwards"}, "refuses its parameters: Invalid 'mode'"),
        (FILTER, {"q": 0.9, "anomaly_detector": {"name": TREES, "hight": 2}}, "or.hight'; did you"),
        ("any", {}, "needs the parameter 'detectors': a list of 2 to 16"),
        ("any", {"detectors": ["scan"]}, "a list of 2 to 16"),
        ("any", {"detectors": ["scan", "scan"], "weights": [1, 2]}, "no parameter 'weights'"),
        ("all", {"detectors": ["scan", {"n_trees": 2}]}, r"'detectors\[1\]' has no name"),
        ("all", {"detectors": ["scan", {"name": TREES, "n_tres": 2}]}, r"\[1\].n_tres'; did you"),
        ("all", {"detectors": ["scan", {"name": TREES, "height": "a"}]}, r"at detectors\[1\]"),
        (
            "all",
            {
                "detectors": [
                    "scan",
                    {"name": "any", "detectors": [{"name": "scan", "x": 1}, TREES]},
                ]
            },
            r"scan has no parameter 'detectors\[1\]\.detectors\[0\]\.x'",
        ),
        ("weighted", {"detectors": ["scan", TREES], "weights": [1]}, "2 numbers above 0"),
        ("weighted", {"detectors": ["scan", TREES], "weights": [1, -1]}, "2 numbers above 0"),
        ("weighted", {"detectors": ["scan", TREES], "weights": [1, "2"]}, "2 numbers above 0"),
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


@pytest.mark.parametrize(
    ("part", "hint"),
    [
        ("scn", r"'scn' for 'detectors\[1\]'; did you mean 'scan'"),
        ("river.anomaly.HalfTrees", TREES),
        ({"name": FILTER, "q": 0.9, "anomaly_detector": {"name": "river.anomaly.LODO"}}, "LODA"),
        (7, r"int \(at detectors\[1\]\) does not work"),
    ],
)
def test_unknown_parts_are_named(part: Any, hint: str) -> None:
    """A part of a combination that is not known is refused where it stands, at any depth."""
    with pytest.raises((UnknownDetector, UnknownParameter), match=hint):
        make("any", detectors=["scan", part])


@pytest.mark.parametrize(
    "part", ["os.path.join", "river.datasets.Elec2", "river.time_series.base", "river.drift.KSWIN"]
)
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


class Spike(base.AnomalyDetector):  # type: ignore[misc]
    """A detector of one's own."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def learn_one(self, x: dict[str, float]) -> None:
        """It has nothing to learn."""

    def score_one(self, x: dict[str, float]) -> float:
        """Score the ratio."""
        return self.factor * x["ratio"]


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is installed that offers detectors."""
    (tmp_path / "own_detectors.py").write_text(
        "from river import anomaly\n"
        "class Late(anomaly.GaussianScorer): pass\n"
        "def no_class(): pass\n"
        "class NoDetector: pass\n"
    )
    info = tmp_path / "own_detectors-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-detectors\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[surgewatch.detectors]\n"
        "own.Late = own_detectors:Late\n"
        "own.Function = own_detectors:no_class\n"
        "own.Other = own_detectors:NoDetector\n"
        "own.Gone = own_detectors:Gone\n"
        "scan = own_detectors:Late\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("offered")
def test_installed_detectors_have_names() -> None:
    """What an installed package offers has a name, also as a part, and never hides ours."""
    assert {"own.Late", "own.Gone"} < set(names())
    assert names().count("scan") == 1
    assert isinstance(make("scan"), ScanBank)
    assert type(make("own.Late", grace_period=50)._prototype).__name__ == "Late"
    made = make(FILTER, q=0.9, anomaly_detector={"name": "own.Late"})._prototype
    assert type(made.anomaly_detector).__name__ == "Late"
    with pytest.raises(UnknownParameter, match="did you mean 'grace_period'"):
        make("own.Late", grace_periode=50)
    with pytest.raises(UnknownDetector, match=r"did you mean 'own\.Late'"):
        make("own.Latte")


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("own.Function", "is no river.base.AnomalyDetector"),
        ("own.Other", "is no river.base.AnomalyDetector"),
        ("own.Gone", "cannot be imported from own_detectors:Gone"),
    ],
)
def test_what_is_offered_must_be_a_detector(name: str, hint: str) -> None:
    """An offer that can't be kept is refused with where it comes from."""
    with pytest.raises(UnknownDetector, match=hint):
        make(name)


def test_objects_make_banks() -> None:
    """In a program, an object with River's interface takes the place of a name."""
    bank = make_bank(Spike(2.0), {}, context=CONTEXT)
    assert isinstance(bank, RiverBank)
    both = make("any", detectors=[Spike(), "scan"])
    assert isinstance(both, CombinedBank)
    with pytest.raises(UnknownParameter, match="Spike has no parameter 'factor'; it takes none"):
        make_bank(Spike(), {"factor": 3.0}, context=CONTEXT)


def test_made_bank_scores() -> None:
    """A bank from the catalogue is ready to be taught and asked."""
    bank = teach(make("river.anomaly.StandardAbsoluteDeviation"), counts())
    found = bank.score_many(5_789_400, np.array([0]), np.array([400.0]), np.ones(1))
    assert np.isfinite(found.score[0])
