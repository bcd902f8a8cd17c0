"""River's detectors as a bank, with River's real objects."""

from __future__ import annotations

import copy
import math
import re
from typing import Any

import numpy as np
import pytest
from river import anomaly, base, linear_model, preprocessing, time_series

from detectors import river_row
from detectors.checks import FIRST, ROWS, SURGE, counts, teach
from detectors.river_calls import Kind, core
from detectors.river_models import ZERO_RUN, RiverBank
from detectors.river_row import Scale, WatchedRow

QUIET = 5.0
NONE = np.zeros(0, dtype=np.int64)


def bank(detector: Any, minutes: float = 15, **more: Any) -> RiverBank:
    return RiverBank(detector, bucket_minutes=minutes, false_incidents_per_week=1, **more)


def trees(**more: Any) -> Any:
    return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(
        n_trees=5, height=5, window_size=96, seed=1, **more
    )


def forecaster(n_std: float = 3.0) -> Any:
    return anomaly.PredictiveAnomalyDetection(time_series.HoltWinters(alpha=0.1), n_std=n_std)


def run(subject: RiverBank, history: np.ndarray, first: int = FIRST) -> set[int]:
    """Feed a history; the buckets in which a row alarmed."""
    subject.resize(np.full(history.shape[1], -1))
    alarms = set()
    for bucket, row_counts in enumerate(history, first):
        rows = np.flatnonzero(row_counts)
        scores = subject.score_many(bucket, rows, row_counts[rows], np.ones(len(rows)))
        if np.any(scores.score >= scores.threshold):
            alarms.add(bucket)
        subject.learn_many(bucket, rows, row_counts[rows])
    return alarms


def one(subject: RiverBank, count: float, row: int = 0, bucket: int = FIRST + 400) -> Any:
    return subject.score_many(bucket, np.array([row]), np.array([count]), np.ones(1))


class _Moody(base.AnomalyDetector):  # type: ignore[misc]
    """Scores 1.5 until it has learned ``calm`` buckets, then misbehaves as told."""

    def __init__(self, calm: int = 300, how: str = "raise") -> None:
        self.calm = calm
        self.how = how
        self.seen = 0

    def learn_one(self, x: dict[str, float]) -> None:
        self.seen += 1
        if self.how == "learn" and self.seen > self.calm and x["fresh"] > 2.0:
            raise RuntimeError("learned too much")

    def score_one(self, x: dict[str, float]) -> float:
        if self.seen <= self.calm or x["fresh"] < 2.0 or self.how == "learn":
            return 1.5
        if self.how == "raise":
            raise RuntimeError("out of mood")
        return math.nan if self.how == "nan" else math.inf


@pytest.mark.parametrize(
    "detector",
    [
        anomaly.GaussianScorer(),
        anomaly.GaussianScorer(window_size=192),
        anomaly.QuantileFilter(anomaly.GaussianScorer(), q=0.99),
        forecaster(),
        anomaly.PredictiveAnomalyDetection(time_series.SNARIMAX(p=2, d=0, q=1)),
    ],
    ids=["gaussian", "windowed", "filter", "holt-winters", "snarimax"],
)
def test_budget_holds_and_surge_is_found(detector: Any) -> None:
    """Three quiet weeks cost at most nine alarms (budget: one a week), then a surge is found."""
    per_week = 7 * 48
    subject = bank(detector, minutes=30)
    quiet = np.random.default_rng(7).poisson([3.0, 8.0, 20.0], size=(3 * per_week, 3)).astype(float)
    alarms = run(subject, quiet)
    clumps = sum(bucket - 1 not in alarms for bucket in alarms)
    assert clumps <= 9
    surge = one(subject, 120.0, row=2, bucket=FIRST + len(quiet))
    assert surge.score[0] >= surge.threshold[0]
    assert surge.expected[0] == pytest.approx(20.0, rel=0.2)
    assert surge.expected[0] < surge.upper[0] <= 120.0
    assert subject.failures == {}


@pytest.mark.parametrize(
    "detector",
    [
        trees(),
        anomaly.QuantileFilter(trees(), q=0.99),
        preprocessing.StandardScaler() | anomaly.LocalOutlierFactor(n_neighbors=5),
    ],
    ids=["trees", "filter", "lof"],
)
def test_unsupervised_rank_a_surge_high(detector: Any) -> None:
    """Detectors that only see features score a surge above nine in ten quiet buckets."""
    subject = bank(detector)
    quiet = np.random.default_rng(7).poisson(10.0, size=(500, 1)).astype(float)
    run(subject, quiet[:400])
    scores = []
    for bucket, row_counts in enumerate(quiet[400:], FIRST + 400):
        scores.append(one(subject, row_counts[0], bucket=bucket).score[0])
        subject.learn_many(bucket, np.array([0]), row_counts)
    surge = one(subject, 200.0, bucket=FIRST + 500).score[0]
    assert math.isfinite(surge)
    assert surge > np.quantile(scores, 0.9)


def test_gaussian_scores_do_not_saturate() -> None:
    """At high rates, where River's score is rounded to 1 for every wave, more is still stranger."""
    rng = np.random.default_rng(7)
    subject = teach(bank(anomaly.GaussianScorer()), rng.poisson(1_000.0, (400, 1)).astype(float))
    found = [one(subject, count).score[0] for count in (1_020.0, 1_300.0, 1_400.0, 4_000.0)]
    scorer, zero = subject._rows[0].detector, subject._rows[0].usual_score(subject._warmup)
    assert scorer.score_one(None, 1_300.0) == scorer.score_one(None, 4_000.0) == 1.0
    assert found[0] + zero == pytest.approx(-math.log1p(-scorer.score_one(None, 1_020.0)))
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    "detector",
    [
        forecaster(),
        anomaly.PredictiveAnomalyDetection(
            preprocessing.MinMaxScaler() | linear_model.PARegressor()
        ),
    ],
    ids=["forecast", "regression"],
)
def test_errors_are_not_cut(detector: Any) -> None:
    """Beyond its limit, where River says 1 to every error, a larger error is still stranger."""
    rng = np.random.default_rng(7)
    subject = teach(bank(detector), rng.poisson(30.0, (400, 1)).astype(float))
    zero = subject._rows[0].usual_score(subject._warmup)
    small, large, larger = (one(subject, n).score[0] + zero for n in (33.0, 300.0, 400.0))
    assert small < 1.0
    assert 5.0 < large < larger
    kind, row = subject._kind, subject._rows[0]
    x = row.known_before(FIRST + 400, 400, subject._scale)
    score = copy.deepcopy(row.detector).score_one(None if kind.blind else x, 33.0)
    assert small == pytest.approx(score), "below it, the score is River's"


def test_gaussian_scorer_of_constant_counts() -> None:
    """Counts that were all alike have no deviation: River says 1 to anything else, and so it is."""
    scorer = anomaly.GaussianScorer()
    for _ in range(200):
        scorer.learn_one(None, 6.0)
    assert scorer.score_one(None, 9.0) == 1.0
    assert 36.0 < Kind.of(scorer).score(scorer, {}, 9.0) < 37.0


def test_usual_scores_are_zero() -> None:
    """A detector without a zero of its own gets one: what is usual in a row scores about 0.

    It says when an episode is calm: when the score stays under a share of the threshold.
    """
    subject = bank(preprocessing.StandardScaler() | anomaly.LocalOutlierFactor(n_neighbors=5))
    quiet = np.random.default_rng(7).poisson(10.0, size=(700, 1)).astype(float)
    run(subject, quiet[:500])
    scores = []
    for bucket, row_counts in enumerate(quiet[500:], FIRST + 500):
        found = one(subject, row_counts[0], bucket=bucket)
        scores.append(found.score[0] / found.threshold[0])
        subject.learn_many(bucket, np.array([0]), row_counts)
    assert found.threshold[0] > 0.0
    assert np.mean(np.array(scores) < 1 / 3) > 0.8


def test_rare_evidence_has_no_usual_score() -> None:
    """A sparse row whose every score is high keeps its threshold above 0, and its scores as are."""
    subject = bank(anomaly.GaussianScorer())
    rng = np.random.default_rng(7)
    busy, sparse = rng.poisson(20.0, 900), np.where(np.arange(900) % 40 == 0, 9, 0)
    run(subject, np.column_stack([busy, sparse]).astype(float))
    found = subject.score_many(FIRST + 900, np.arange(2), np.array([40.0, 9.0]), np.ones(2))
    rows = subject._rows
    assert rows[0].usual_score(subject._warmup) > 0.0 == rows[1].usual_score(subject._warmup)
    assert np.all(found.threshold > 0.0)
    scorer = rows[1].detector
    assert found.score[1] == pytest.approx(-math.log1p(-scorer.score_one(None, 9.0)), rel=1e-6)


def test_low_counts_are_no_evidence() -> None:
    """A busy row that falls silent scores minus infinity, though the scorer is two-sided."""
    subject = teach(bank(anomaly.GaussianScorer()), 50.0 + counts(buckets=400, rows=2)[:, :1])
    assert one(subject, 10.0).score[0] == -math.inf
    assert one(subject, SURGE).score[0] > QUIET


def test_few_users_are_no_evidence() -> None:
    """Below ``min_users`` fresh users nothing scores, at it a quiet row does."""
    history = np.ones((400, 1)) * (np.arange(400)[:, None] % 2)
    subject = teach(bank(anomaly.GaussianScorer(), min_users=8.0), history)
    assert one(subject, 7.0).score[0] == -math.inf
    assert one(subject, 8.0).score[0] > QUIET


def test_a_forecast_that_runs_away_is_no_alarm() -> None:
    """River says 1 of an infinite error; the error itself is no score to be told of."""
    detector = forecaster()
    kind = Kind.of(detector)
    for i, count in enumerate(np.random.default_rng(3).poisson(9.0, size=300).tolist()):
        kind.learn(detector, {}, float(count), first=i < 100)
    detector.predictive_model.forecast = lambda _horizon: [math.inf]
    with pytest.raises(ArithmeticError, match="inf"):
        kind.score(detector, {}, 9.0)


@pytest.mark.parametrize("how", ["raise", "nan", "infinity", "learn"])
def test_failing_detector_is_isolated(how: str) -> None:
    """A detector that raises, or scores NaN or infinity, retires its row and no other."""
    subject = bank(_Moody(how=how))
    history = np.tile([3.0, 3.0], (400, 1))
    history[350, 1] = 30.0
    run(subject, history)
    assert list(subject.failures) == [1]
    assert subject.failures[1]
    assert subject.watched.tolist() == [0]
    run(subject, np.full((30, 2), 30.0) * [0.1, 1.0], first=FIRST + 400)
    assert subject.watched.tolist() == [0]
    assert one(subject, 30.0, row=1).score[0] == -math.inf
    assert one(subject, 6.0, row=0).score[0] == 1.5
    subject.keep(np.array([1]))
    assert list(subject.failures) == [0]


def test_scoring_does_not_retire() -> None:
    """A look that fails changes nothing: only learning retires a row."""
    subject = bank(_Moody())
    run(subject, np.full((400, 1), 3.0))
    assert one(subject, 30.0).score[0] == -math.inf
    assert subject.failures == {}


def test_watched_limit_is_counted() -> None:
    """Rows beyond the limit get no object and are counted; heavier rows of a bucket go first."""
    subject = bank(anomaly.GaussianScorer(), watched=2)
    subject.resize(np.full(4, -1))
    subject.learn_many(FIRST, np.arange(4), np.array([30.0, 50.0, 19.0, 40.0]))
    assert subject.watched.tolist() == [1, 3]
    assert subject.unwatched == 1


def test_idle_row_makes_place() -> None:
    """A row without users for a week gives its place away, a row that was busy since keeps it."""
    subject = bank(anomaly.GaussianScorer(), watched=2)
    subject.resize(np.full(3, -1))
    subject.learn_many(FIRST, np.arange(3), np.array([40.0, 30.0, 1.0]))
    week = 7 * 96
    subject.skip(FIRST + 1, FIRST + week // 2, missing=False)
    subject.learn_many(FIRST + week // 2 + 1, np.array([1, 2]), np.array([1.0, 60.0]))
    assert subject.watched.tolist() == [0, 1]
    subject.skip(FIRST + week // 2 + 2, FIRST + week + 1, missing=False)
    subject.learn_many(FIRST + week + 2, np.array([2]), np.array([5.0]))
    assert subject.watched.tolist() == [1, 2]


def test_row_in_the_bucket_keeps_its_place() -> None:
    """A row that comes back after a week in the very bucket of a rival is not idle."""
    subject = bank(anomaly.GaussianScorer(), watched=1)
    subject.resize(np.full(2, -1))
    subject.learn_many(FIRST, np.array([0]), np.array([40.0]))
    subject.skip(FIRST + 1, FIRST + 700, missing=False)
    subject.learn_many(FIRST + 701, np.array([0, 1]), np.array([1.0, 60.0]))
    assert subject.watched.tolist() == [0]


def test_long_silence_is_cheap_and_counted_in_the_mean() -> None:
    """Of a run of zeros the detector is taught the first ones only, the mean all of them."""
    subject = bank(_Moody())
    run(subject, np.full((1, 1), 30.0))
    subject.skip(FIRST + 1, FIRST + 3_000, missing=False)
    taught = next(iter(subject._rows.values())).detector.seen
    assert taught == 1 + ZERO_RUN
    assert one(subject, 1.0, bucket=FIRST + 3_001).expected[0] < 1e-6


def test_hole_is_not_learned() -> None:
    """Missing buckets leave the mean alone, also when they were taken for zeros at first."""
    subject = teach(bank(anomaly.GaussianScorer()), np.full((50, 1), 30.0))
    subject.skip(FIRST + 50, FIRST + 99, missing=False)
    assert one(subject, 1.0).expected[0] < 25.0
    subject.skip(FIRST + 50, FIRST + 150, missing=True)
    subject.skip(FIRST + 151, FIRST + 200, missing=True)
    assert one(subject, 1.0).expected[0] == pytest.approx(30.0)


def test_features_of_a_target_leave_it_out() -> None:
    """A supervised detector can't read the count off its features; an unsupervised one sees it."""
    supervised = teach(bank(anomaly.GaussianScorer()), counts(rows=2))
    free = teach(bank(trees()), counts(rows=2))
    for subject, changed in ((supervised, False), (free, True)):
        row = subject._rows[0]
        low = subject._features(0, row, FIRST + 400, 1.0)
        high = subject._features(0, row, FIRST + 400, 90.0)
        assert (low != high) == changed


def test_features_are_documented() -> None:
    """The module's table lists each feature, and for whom."""
    row, scale = WatchedRow(None, seen=0), Scale.of(5.0)
    seen, known = row.seen_in(1, 1, 1.0, None, scale), row.known_before(1, 1, scale)
    table = dict(re.findall(r"^``(\w+)`` +([SU, ]+?)  ", river_row.__doc__ or "", re.MULTILINE))
    kinds = {
        name: ["U", "S", "S, U"][(name in known) + (name in seen and name in known)]
        for name in {**seen, **known}
    }
    assert table == kinds


def test_weight_is_zero_when_idle() -> None:
    """Unwatched rows are idle after twelve hours, watched ones after a week; busy ones weigh."""
    subject = bank(anomaly.GaussianScorer())
    subject.resize(np.full(2, -1))
    subject.learn_many(FIRST, np.arange(2), np.array([40.0, 3.0]))
    assert subject.weight().tolist() == [40.0, 3.0]
    subject.skip(FIRST + 1, FIRST + 48, missing=False)
    assert subject.weight().tolist() == [40.0, 0.0]
    subject.skip(FIRST + 49, FIRST + 672, missing=False)
    assert subject.weight().tolist() == [0.0, 0.0]


def test_silence_of_all_is_remarkable() -> None:
    """Hours without anybody on a busy row 0 are unlikely, on a sparse one nothing remarkable."""
    busy = teach(bank(anomaly.GaussianScorer()), counts(buckets=700))
    sparse = teach(bank(anomaly.GaussianScorer()), np.eye(700)[:, :1])
    for subject in (busy, sparse):
        subject.skip(FIRST + 700, FIRST + 800, missing=False)
    assert busy.log_silence(FIRST + 700, FIRST + 800) < math.log(1e-6)
    assert sparse.log_silence(FIRST + 700, FIRST + 800) == 0.0


def test_band_holds_the_mean() -> None:
    """The band of a watched row lies around its mean, an unwatched row's around zero."""
    subject = teach(bank(anomaly.GaussianScorer(), watched=1), counts())
    expected, upper = subject.band(np.arange(3), np.array([0, 0, 3]))
    assert expected[0] == expected[1] > 10.0
    assert expected[2] == 0.0
    assert np.all(upper > expected)
    assert len(subject.band(NONE, NONE)[0]) == 0


def test_threshold_filter_without_protection_never_learns() -> None:
    """River 0.26 still has the bug for which the catalogue refuses this filter."""
    river_filter = anomaly.ThresholdFilter(
        anomaly.GaussianScorer(), threshold=0.9, protect_anomaly_detector=False
    )
    river_filter.learn_one(None, 1.0)
    assert river_filter.anomaly_detector.gaussian.n_samples == 0


def test_kind_looks_inside() -> None:
    """Filters and pipelines are called as the detector inside them wants it."""
    wrapped = anomaly.QuantileFilter(forecaster(), q=0.9)
    assert core(trees()).__class__ is anomaly.HalfSpaceTrees
    assert Kind.of(wrapped) == Kind(
        supervised=True,
        blind=True,
        counts=True,
        filtered=True,
        bounded=False,
        normal=False,
        cut=True,
        season=0,
    )
    seasonal = time_series.HoltWinters(alpha=0.1, beta=0.1, gamma=0.1, seasonality=96)
    assert Kind.of(anomaly.PredictiveAnomalyDetection(seasonal)).season == 96
    assert not Kind.of(trees()).supervised


def test_same_log_same_scores() -> None:
    """Two banks from one prototype agree to the last bit: nothing is drawn from a global seed."""
    first, second = (teach(bank(trees()), counts()) for _ in range(2))
    rows, surge = np.arange(ROWS), np.full(ROWS, SURGE)
    a, b = (each.score_many(FIRST + 400, rows, surge, np.ones(ROWS)) for each in (first, second))
    assert a.score.tobytes() == b.score.tobytes()
