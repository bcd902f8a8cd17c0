"""The default detector: two faces, brute force, budget, waves, gaps."""

from __future__ import annotations

import copy
import math
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import checks
from detectors.baseline import overlap
from detectors.checks import check_bank, check_more_is_stranger
from detectors.ratio import single_ratio
from detectors.scan import FEW_ROWS, ScanBank

if TYPE_CHECKING:
    from collections.abc import Callable

    from detectors.bank import FloatArray, Scores

FIELDS = ("score", "threshold", "observed", "expected", "upper", "window")
FIRST = 5_789_088
"""A bucket of five minutes at midnight."""
DAY = 288
ANY_LENGTH = 1 << 40


def bank(rows: int = 1, minutes: float = 5, budget: float = 1.0, fresh_for: int = 72) -> ScanBank:
    made = ScanBank(
        bucket_minutes=minutes,
        false_incidents_per_week=budget,
        min_users=5,
        fresh_for_buckets=fresh_for,
    )
    made.resize(np.array([-1] + [0] * (rows - 1), dtype=np.int64)[:rows])
    return made


def step(made: ScanBank, bucket: int, counts: FloatArray) -> Scores:
    """Score and learn a bucket, with rows that have no users left out."""
    rows = np.flatnonzero(counts)
    scores = made.score_many(bucket, rows, counts[rows], np.ones(len(rows)))
    made.learn_many(bucket, rows, counts[rows])
    return scores


def look(made: ScanBank, bucket: int, counts: FloatArray, **more: Any) -> Scores:
    rows = np.arange(len(counts))
    return made.score_many(bucket, rows, counts, more.pop("precision", np.ones(len(rows))), **more)


def quiet(made: ScanBank, first: int, buckets: int, mean: float, seed: int = 1) -> int:
    """Feed row 0 with Poisson counts; returns the next bucket."""
    for i, count in enumerate(np.random.default_rng(seed).poisson(mean, buckets)):
        step(made, first + i, np.array([float(count)]))
    return first + buckets


@pytest.mark.parametrize(
    "check",
    list(check_bank(lambda: bank(0), also=[check_more_is_stranger])),
    ids=lambda check: check.__name__,
)
def test_conforms(check: Callable[[], None]) -> None:
    """The scan obeys every law of the project's conformance suite, and that more is stranger."""
    check()


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, FEW_ROWS), st.integers(0, 40))
def test_few_rows_score_as_many(seed: int, rows: int, later: int) -> None:
    """A few rows scored one by one, and as part of arrays, get the same verdicts to 1e-9."""
    rng = np.random.default_rng(seed)
    made = bank(rows + FEW_ROWS)
    means = rng.choice([0.01, 0.1, 3.0, 40.0], rows)
    for bucket in range(FIRST, FIRST + 60):
        step(made, bucket, np.r_[rng.poisson(means), np.zeros(FEW_ROWS)].astype(float))
    made.mute(FIRST + 40, np.arange(0, rows, 3))
    if later > 30:
        made.skip(FIRST + 60, FIRST + 60 + later, missing=True)
    bucket = FIRST + 61 + later
    counts = rng.poisson(means * rng.choice([0.0, 1.0, 4.0, 30.0], rows)).astype(float)
    precision = rng.choice([1.0, 0.25], rows)
    few = look(made, bucket, counts, precision=precision)
    taught = made._seen
    padded = np.r_[counts, np.zeros(FEW_ROWS)]
    many = look(made, bucket, padded, precision=np.r_[precision, np.ones(FEW_ROWS)])
    assert made._seen == pytest.approx(taught), "what the tails of scores will learn"
    asked = look(made, bucket, counts, precision=precision, longest=np.full(rows, ANY_LENGTH))
    for field in FIELDS:
        one = getattr(few, field)
        for other in (getattr(many, field)[:rows], getattr(asked, field)):
            assert np.allclose(one, other, rtol=1e-9, atol=1e-9), field


def reference(
    made: ScanBank, history: dict[int, float], bucket: int, fresh: float
) -> tuple[float, float, int]:
    """Score, users and length of the best window of row 0, by brute force over the history."""
    best = (0.0, fresh, 1)
    for window in made.windows.tolist():
        first = bucket + 1 - window
        count = fresh + sum(n for b, n in history.items() if first <= b < bucket)
        end = (bucket + 1) * made.bucket_hours
        hours = overlap(np.array([end - window * made.bucket_hours]), end)
        mean = float(
            made.baseline.expected(np.zeros(1, dtype=np.int64), hours, bucket // made._per_hour)[
                0, 0
            ]
        )
        if count > mean and count >= made.min_users and first >= min(history, default=bucket):
            score = single_ratio(count, mean, float(made.baseline.dispersion[0]))
            if score > best[0] + 1e-12:
                best = (score, count, window)
    return best


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 90), st.sampled_from([0, 1, 2, 7, 30])), max_size=40),
    st.integers(1, 200),
    st.sampled_from([0, 4, 60]),
)
def test_windows_are_sums_of_the_history(
    steps: list[tuple[int, int]], later: int, fresh: int
) -> None:
    """Over sparse histories, learned and skipped, the best window is the one of brute force."""
    made, history, bucket = bank(), {FIRST: 3.0}, FIRST
    step(made, FIRST, np.array([3.0]))
    for distance, count in steps:
        if distance > 1:
            made.skip(bucket + 1, bucket + distance - 1, missing=False)
        bucket += distance
        step(made, bucket, np.array([float(count)]))
        history[bucket] = float(count)
    made.skip(bucket + 1, bucket + later, missing=False)
    bucket += later + 1
    found = look(made, bucket, np.array([float(fresh)]))
    score, observed, window = reference(made, history, bucket, float(fresh))
    assert float(found.score[0]) == pytest.approx(score, rel=1e-6, abs=1e-9)
    if score > 0:
        assert (float(found.observed[0]), int(found.window[0])) == (observed, window)


def test_score_changes_nothing() -> None:
    """A bank that was asked about surges again and again learns exactly as one that was not."""
    asked, silent = bank(3), bank(3)
    rng = np.random.default_rng(3)
    for bucket in range(FIRST, FIRST + 300):
        counts = rng.poisson([9.0, 6.0, 0.3]).astype(float)
        look(asked, bucket, counts * 50.0, longest=np.full(3, 6))
        step(asked, bucket, counts)
        step(silent, bucket, counts)
    surge = np.full(3, 60.0)
    for field in FIELDS:
        one, two = (getattr(look(b, FIRST + 300, surge), field) for b in (asked, silent))
        assert one.tolist() == two.tolist(), field


def test_empty_buckets_teach_no_scores() -> None:
    """A bucket without users, learned without being scored, repeats no score of the one before."""
    scored, unscored = bank(), bank()
    for made in (scored, unscored):
        now = quiet(made, FIRST, 2 * DAY, 4.0)
        step(made, now, np.array([12.0]))
    none, no_count = np.zeros(0, dtype=np.int64), np.zeros(0)
    for bucket in range(now + 1, now + 4 * DAY):
        scored.score_many(bucket, none, no_count, no_count)
        for made in (scored, unscored):
            made.learn_many(bucket, none, no_count)
    assert pickle.dumps(unscored._thresholds) == pickle.dumps(scored._thresholds)


def quiet_runs(budget: float, days: int, rows: int = 12) -> int:
    """Runs of alarms in a quiet world of Poisson series with a daily rhythm, after two days."""
    rng = np.random.default_rng(12)
    rhythm = 1.0 + 0.5 * np.sin(np.arange(days * DAY) * 2 * math.pi / DAY)
    history = rng.poisson(rhythm[:, None] * np.geomspace(0.05, 12.0, rows)).astype(float)
    history[:, 0] = history.sum(axis=1)
    made = bank(rows, budget=budget)
    made.expose(rows * 7.0 * DAY)
    runs, last = 0, np.full(rows, -DAY)
    for i, counts in enumerate(history):
        named = np.flatnonzero(counts)
        scores = step(made, FIRST + i, counts)
        over = named[scores.score >= scores.threshold]
        if i >= 2 * DAY:
            runs += int(np.count_nonzero(i - last[over] > DAY // 4))
        last[over] = i
    return runs


def test_quiet_world_stays_within_its_budget() -> None:
    """Quiet days cost no more false alarms than were allowed, and a large budget buys some."""
    assert quiet_runs(1.0, days=6) <= 1
    assert 1 <= quiet_runs(2_000.0, days=6) <= 2_000


@pytest.mark.parametrize(("mean", "wave", "minutes_max"), [(2.0, 12.0, 30), (0.01, 3.0, 20)])
def test_wave_is_found(mean: float, wave: float, minutes_max: int) -> None:
    """A wave on a busy and on a near-silent series is found within half an hour, and described."""
    made = bank()
    made.expose(3.0 * 7 * DAY)
    now = quiet(made, FIRST, 7 * DAY, mean)
    rng = np.random.default_rng(5)
    for i in range(12):
        counts = np.array([float(rng.poisson(mean + wave))])
        scores = step(made, now + i, counts) if counts[0] else None
        if scores is not None and scores.score[0] >= scores.threshold[0]:
            break
    assert (i + 1) * 5 <= minutes_max
    assert scores is not None
    assert scores.observed[0] > scores.upper[0] > scores.expected[0]
    assert int(scores.window[0]) <= 2 * (i + 1)


def test_slow_daily_rhythm_is_no_alarm() -> None:
    """A series whose evenings bring twenty times its nights does not alarm in its second week."""
    made, rng = bank(), np.random.default_rng(8)
    made.expose(7.0 * DAY)
    for i in range(14 * DAY):
        mean = 10.0 if i % DAY >= 3 * DAY // 4 else 0.5
        scores = step(made, FIRST + i, np.array([float(rng.poisson(mean))]))
        if i > 10 * DAY and len(scores.score):
            assert scores.score[0] < scores.threshold[0]


def test_upper_is_the_count_that_would_alarm() -> None:
    """The count named ``upper`` scores the threshold when it comes in the same window."""
    made = bank()
    now = quiet(made, FIRST, 3 * DAY, 4.0)
    found = look(made, now, np.array([40.0]))
    more = float(found.upper[0] - found.observed[0])
    at_upper = look(made, now, np.array([40.0 + more]), longest=found.window)
    assert at_upper.score[0] == pytest.approx(found.threshold[0], rel=1e-6)


def test_min_users() -> None:
    """Four users never score, however unlikely they are, and five do."""
    made = bank()
    step(made, FIRST, np.array([1.0]))
    made.skip(FIRST + 1, FIRST + 7 * DAY, missing=False)
    now = FIRST + 7 * DAY + 1
    assert look(made, now, np.array([4.0])).score[0] == 0.0
    assert look(made, now, np.array([5.0])).score[0] > 10.0


def test_muted_windows_begin_later() -> None:
    """After a mute no window reaches back before it; the users since then still count."""
    made = bank(2)
    made.skip(FIRST, FIRST + 3 * DAY, missing=False)
    now = FIRST + 3 * DAY + 1
    for i in range(10):
        step(made, now + i, np.array([30.0, 30.0]))
    made.mute(now + 8, np.array([0]))
    found = look(made, now + 10, np.array([30.0, 30.0]))
    assert found.observed.tolist()[0] <= 90.0
    assert found.window.tolist()[0] <= 3
    assert found.observed.tolist()[1] == 330.0


def test_longest_limits_the_window() -> None:
    """With ``longest`` only shorter windows are looked at, for each row its own."""
    made = bank(2)
    made.skip(FIRST, FIRST + 3 * DAY, missing=False)
    now = FIRST + 3 * DAY + 1
    for i in range(20):
        step(made, now + i, np.array([5.0, 5.0]))
    found = look(made, now + 20, np.array([5.0, 5.0]), longest=np.array([3, 1_000]))
    assert found.window.tolist() == [3, 24]


def test_gap_is_not_learned_and_not_crossed() -> None:
    """A gap leaves the rate as it was, and no window after it reaches into it."""
    hole, zeros = bank(), bank()
    for made, missing in ((hole, True), (zeros, False)):
        now = quiet(made, FIRST, 4 * DAY, 5.0)
        made.skip(now, now + DAY - 1, missing=missing)
        now = quiet(made, now + DAY, DAY // 4, 5.0, seed=2)
    expected = [float(b.band(np.array([now]), np.zeros(1, np.int64))[0][0]) for b in (hole, zeros)]
    assert expected[0] == pytest.approx(5.0, rel=0.15)
    assert expected[1] < 0.85 * expected[0]
    assert int(look(hole, now, np.array([500.0])).window[0]) <= DAY // 4 + 1


def test_no_window_reaches_into_a_gap() -> None:
    """Users from before a gap are in no window after it, however recent they are."""
    made = bank()
    made.skip(FIRST, FIRST + 3 * DAY, missing=False)
    now = FIRST + 3 * DAY + 1
    for i in range(2):
        step(made, now + i, np.array([50.0]))
    made.skip(now + 2, now + 4, missing=True)
    found = look(made, now + 5, np.array([20.0]))
    assert (float(found.observed[0]), int(found.window[0])) == (20.0, 1)


def test_rows_that_were_dropped_leave_no_trace() -> None:
    """Users of dropped rows are not taken out of rows that got their place, up to the last one."""
    made = bank(256)
    step(made, FIRST, np.full(256, 7.0))
    made.keep(np.array([0]))
    made.resize(np.array([-1] + [0] * 255))
    found = look(made, FIRST + 3, np.full(256, 6.0), longest=np.full(256, ANY_LENGTH))
    assert found.observed[1:].tolist() == [6.0] * 255
    step(made, FIRST + 200, np.full(256, 5.0))
    later = look(made, FIRST + 201, np.full(256, 6.0), longest=np.full(256, ANY_LENGTH))
    assert later.observed[1:].tolist() == [11.0] * 255


def test_return_after_a_gap_is_no_alarm() -> None:
    """The usual users who come back after five hours of outage, all fresh at once, do not alarm."""
    made, rng = bank(), np.random.default_rng(4)
    made.expose(7.0 * DAY)
    now = quiet(made, FIRST, 4 * DAY, 5.0)
    gap = 60
    made.skip(now, now + gap - 1, missing=False)
    made.skip(now, now + gap - 1, missing=True)
    now += gap
    without = copy.deepcopy(made)
    without._gap = None
    alarms = [0, 0]
    for i in range(72):
        # The backlog: most of who would have been counted in the gap shows up within the hour.
        count = np.array([float(rng.poisson(5.0 + (0.7 * gap * 5.0 / 12 if i < 12 else 0.0)))])
        for k, each in enumerate((made, without)):
            scores = step(each, now + i, count)
            alarms[k] += int(scores.score[0] >= scores.threshold[0])
    assert alarms[0] == 0
    assert alarms[1] > 0, "a bank that knows of no gap would have alarmed"


def test_wave_after_a_gap_is_still_found() -> None:
    """Ten times the usual after a gap, more than any backlog, alarms within the hour."""
    made = bank()
    now = quiet(made, FIRST, 4 * DAY, 5.0)
    made.skip(now, now + 35, missing=True)
    scores = [step(made, now + 36 + i, np.array([60.0])) for i in range(12)]
    assert any(s.score[0] >= s.threshold[0] for s in scores)


def test_silence_is_judged_by_the_hour_of_day() -> None:
    """Silence at the busy hour is unlikelier than as much at night, and longer than shorter."""
    made, rng = bank(), np.random.default_rng(6)
    for i in range(8 * DAY):
        step(made, FIRST + i, np.array([float(rng.poisson(6.0 if i % DAY < DAY // 2 else 0.3))]))
    start = FIRST + 8 * DAY
    by_day = [made.log_silence(start + 24, start + 24 + n) for n in (5, 11, 23)]
    by_night = made.log_silence(start + DAY // 2 + 24, start + DAY // 2 + 47)
    assert 0 >= by_day[0] >= by_day[1] > by_day[2]
    assert by_day[2] < math.log(1e-6) < by_night <= 0


@pytest.mark.parametrize("minutes", [1 / 12, 1 / 3, 1.25, 10, 60])
def test_any_bucket_that_divides_an_hour(minutes: float) -> None:
    """Hours begin at the right bucket for every length of bucket, also when skipping over them."""
    per_hour = round(60 / minutes)
    made = bank(minutes=minutes, fresh_for=round(360 / minutes))
    midnight = 482_400 * per_hour
    made.skip(midnight - 1, midnight + 3 * per_hour - 1, missing=False)
    made.learn_many(midnight + 3 * per_hour, np.zeros(1, np.int64), np.ones(1))
    assert made.baseline.age_hours == pytest.approx(1 + minutes / 60, rel=1e-6)
    made.baseline.profile[:, 0] = 1.0 + np.arange(24.0)
    ends = midnight + np.array([0, per_hour - 1, per_hour, 24 * per_hour - 1])
    rate = float(made.baseline.rate[0]) * minutes / 60
    band = made.band(ends, np.zeros(4, np.int64))[0]
    assert band == pytest.approx(rate * np.array([1.0, 1.0, 2.0, 24.0]))


def test_idle_rows_weigh_nothing() -> None:
    """Rows without users weigh nothing, and of others the busier weighs more."""
    made = bank(3)
    for bucket in range(FIRST, FIRST + DAY):
        step(made, bucket, np.array([9.0, 1.0, 0.0]))
    weight = made.weight()
    assert weight[0] > weight[1] > weight[2] == 0.0


def test_histories_of_the_suite_are_quiet() -> None:
    """The suite's own history raises no alarm, so that its laws are tested on a trained bank."""
    made = checks.teach(bank(0), checks.counts())
    scores = look(made, checks.FIRST + checks.BUCKETS, np.array([15.0, 0.0, 5.0, 9.0]))
    assert np.all(scores.score < scores.threshold)


def test_weight_does_not_depend_on_when_it_was_kept() -> None:
    """Writing a state down between two buckets changes nothing of what would be forgotten."""
    plain, kept = bank(3), bank(3)
    for bucket in (FIRST, FIRST + 143):
        for made in (plain, kept):
            step(made, bucket, np.array([5.0, 2.0, float(bucket == FIRST)]))
        pickle.dumps(kept)
        assert plain.weight().tolist() == kept.weight().tolist()
