"""The conformance suite: real banks pass it, and planted faults do not."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from river import anomaly, base, drift, preprocessing, time_series

from detectors import checks
from detectors.catalog import BankContext, make_bank
from detectors.checks import check_bank
from detectors.drift import AdwinScorer, PageHinkleyScorer
from detectors.river_checks import check_detector

if TYPE_CHECKING:
    from detectors.bank import Bank

CONTEXT = BankContext(
    bucket_minutes=5, false_incidents_per_week=1, min_users=5, fresh_for_buckets=72
)
GAUSSIAN = "river.anomaly.GaussianScorer"
BANKS: dict[str, tuple[str, dict[str, Any]]] = {
    "scan": ("scan", {}),
    "gaussian": (GAUSSIAN, {}),
    "trees": ("river.anomaly.HalfSpaceTrees", {"n_trees": 2, "height": 3}),
    "adwin": ("river.drift.ADWIN", {}),
    "page-hinkley": ("river.drift.PageHinkley", {}),
    "any": ("any", {"detectors": ["scan", GAUSSIAN]}),
    "all": ("all", {"detectors": ["scan", GAUSSIAN]}),
    "weighted": (
        "weighted",
        {
            "detectors": [{"name": "any", "detectors": ["scan", GAUSSIAN]}, "scan"],
            "weights": [2, 1],
        },
    ),
    "forecaster": (
        "river.anomaly.QuantileFilter",
        {
            "q": 0.99,
            "anomaly_detector": {
                "name": "river.anomaly.PredictiveAnomalyDetection",
                "predictive_model": {"name": "river.time_series.HoltWinters", "alpha": 0.3},
            },
        },
    ),
}


def make(key: str) -> Bank:
    name, parameters = BANKS[key]
    return make_bank(name, parameters, context=CONTEXT)


@pytest.mark.parametrize("key", BANKS)
def test_banks_conform(key: str) -> None:
    """The default and a River detector of each kind obey every law for banks."""
    for check in check_bank(lambda: make(key)):
        check()


def test_river_rows_are_independent() -> None:
    """River's detectors share nothing but the threshold."""
    checks.check_rows_are_independent(lambda: make("gaussian"))


@pytest.mark.parametrize("key", ["scan", "gaussian"])
def test_more_is_stranger(key: str) -> None:
    """The scan and the Gaussian scorer never score a larger count lower."""
    checks.check_more_is_stranger(lambda: make(key))


class _Wrong:
    """A real bank with one fault; everything else is passed on."""

    def __init__(self, fault: str) -> None:
        self.bank: Any = make("gaussian")
        self.fault = fault
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "bank":
            raise AttributeError(name)
        return getattr(self.bank, name)

    def score_many(
        self, bucket: int, rows: Any, fresh: Any, precision: Any, longest: Any = None
    ) -> Any:
        self.asked += 1
        found = self.bank.score_many(bucket, rows, fresh, precision, longest)
        if self.fault == "counts looks":
            found.score[:] += self.asked
        elif self.fault == "by place":
            found.score[:] += np.arange(len(rows))
        elif self.fault == "nan" and bucket % 100 == 0:
            found.score[:] = np.nan
        elif self.fault == "trusts samples":
            found.score[:] /= precision
        elif self.fault == "mute":
            found.score[:] = -np.inf
        elif self.fault == "hasty":
            found = found._replace(threshold=np.zeros(len(rows)))
        return found

    def learn_many(self, bucket: int, rows: Any, fresh: Any) -> None:
        if self.fault == "floor":
            fresh = np.maximum(fresh, 1.0)
        self.bank.learn_many(bucket, rows, fresh)

    def skip(self, first: int, last: int, *, missing: bool) -> None:
        if self.fault != "deaf":
            self.bank.skip(first, last, missing=missing)

    def keep(self, rows: Any) -> None:
        self.bank.keep(rows[::-1] if self.fault == "shuffles" else rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "bank": make("gaussian") if self.fault == "amnesia" else self.bank}


@pytest.mark.parametrize(
    ("fault", "caught"),
    [
        ("counts looks", "check_score_changes_nothing"),
        ("by place", "check_order_of_rows"),
        ("floor", "check_zeros"),
        ("deaf", "check_skip_is_zeros"),
        ("shuffles", "check_keep"),
        ("nan", "check_finite"),
        ("trusts samples", "check_precision"),
        ("mute", "check_surge_is_evidence"),
        ("hasty", "check_unready_is_silent"),
    ],
)
def test_faults_are_caught(fault: str, caught: str) -> None:
    """Each law is broken by a planted fault, and its check says so."""
    by_name = {check.__name__: check for check in check_bank(lambda: cast("Bank", _Wrong(fault)))}
    with pytest.raises(AssertionError, match=r"\w"):
        by_name[caught]()


def test_a_failure_names_its_law() -> None:
    """Also where the check says no word itself, as most of River's."""

    def wrong() -> None:
        raise AssertionError

    with pytest.raises(AssertionError, match=r"^check_x: It holds\.$"):
        checks.named("check_x", wrong, "It holds.\n\nAlways.")()


def test_amnesia_is_caught() -> None:
    """A bank that forgets its rows in pickle does not go on as itself."""
    with pytest.raises((AssertionError, IndexError)):
        checks.check_pickle(lambda: cast("Bank", _Wrong("amnesia")))


def test_checks_state_their_law() -> None:
    """Every check has a name and a docstring, also when it is bound to its bank."""
    for check in check_bank(lambda: make("gaussian")):
        assert check.__name__.startswith("check_")
        assert check.__doc__


@pytest.mark.parametrize(
    "detector",
    [
        anomaly.GaussianScorer(),
        anomaly.StandardAbsoluteDeviation(),
        preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(n_trees=2, height=3, seed=1),
        anomaly.LocalOutlierFactor(),
        anomaly.LODA(seed=1),
        anomaly.OneClassSVM(),
        anomaly.QuantileFilter(anomaly.GaussianScorer(), q=0.9),
        AdwinScorer(drift.ADWIN(clock=1)),
        PageHinkleyScorer(drift.PageHinkley(mode="up")),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_river_detectors_conform(detector: Any) -> None:
    """River's detectors pass River's own checks on counts, and ours."""
    state = random.getstate()
    for check in check_detector(detector):
        check()
    assert random.getstate() == state


def test_impure_scorer_is_found() -> None:
    """The one River scorer that a look changes is caught (the bank asks a copy of it)."""
    detector = anomaly.PredictiveAnomalyDetection(time_series.HoltWinters(alpha=0.3))
    by_name = {check.__name__: check for check in check_detector(detector)}
    with pytest.raises(AssertionError, match="changed the detector"):
        by_name["check_score_one_is_pure"]()


class _Sleeper(base.AnomalyDetector):  # type: ignore[misc]
    """Finds the quiet ones strange, if anything."""

    def learn_one(self, x: dict[str, float]) -> None:
        """It learns nothing."""

    def score_one(self, x: dict[str, float]) -> float:
        return 9.0 - x["fresh"]


def test_upside_down_detector_is_found() -> None:
    """A detector that ranks quiet counts over surges obeys every other law."""
    failed = []
    for check in check_detector(_Sleeper()):
        try:
            check()
        except AssertionError:
            failed.append(check.__name__)
    assert failed == ["check_surge_ranks_high"]


class _Hoarder(base.AnomalyDetector):  # type: ignore[misc]
    """Keeps its input, which changes under it, and answers NaN."""

    def __init__(self) -> None:
        self.last: dict[str, float] = {}

    def learn_one(self, x: dict[str, float]) -> None:
        self.last = x

    def score_one(self, x: dict[str, float]) -> float:
        return float("nan") if self.last else x["fresh"]


def test_bad_detector_is_found() -> None:
    """A detector that keeps references and scores NaN fails River's check and ours."""
    by_name = {check.__name__: check for check in check_detector(_Hoarder())}
    with pytest.raises(AssertionError):
        by_name["check_no_state_aliasing_with_input"]()
    with pytest.raises(ArithmeticError):
        by_name["check_scores_are_numbers"]()
