"""The laws that every bank and every detector obeys, as checks that anyone can run.

Each check is a function that raises ``AssertionError``; its docstring states the law::

    for check in check_bank(lambda: make_bank("scan", {}, context=context)):
        check()

The checks drive a bank with counts from a seeded generator, over as many buckets as the slowest of
River's detectors needs to warm up.
"""

from __future__ import annotations

import copy
import functools
import math
import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from detectors.bank import Bank, FloatArray, IntArray, Scores

if TYPE_CHECKING:
    from collections.abc import Sequence

MakeBank = Callable[[], Bank]
Check = Callable[[], None]
AnyBank = TypeVar("AnyBank", bound=Bank)

ROWS = 4
BUCKETS = 320
FIRST = 5_789_000
"""Index of the first bucket: detectors must not expect time to begin at 0."""
SURGE = 400.0
SURGE_BUCKETS = 24
SURGE_AT, SURGE_LASTS = 260, 10
"""Samples of a surge: a filter needs 250 before."""
GRACE = 100
"""Samples before a detector's scores count: a forecaster has nothing to say before."""
EXACT = ("score", "threshold", "observed", "expected", "upper", "window")
OWN = ("score", "observed", "expected", "window")
"""The fields that do not depend on the threshold, which all rows share."""


def counts(seed: int = 1, buckets: int = BUCKETS, rows: int = ROWS) -> FloatArray:
    """Quiet Poisson counts with a daily rhythm, shape (buckets, rows); row 0 is the sum."""
    rng = np.random.default_rng(seed)
    rhythm = 1.0 + 0.5 * np.sin(np.arange(buckets) * 2.0 * math.pi / 288.0)
    children = rng.poisson(rhythm[:, None] * np.linspace(0.3, 9.0, rows - 1))
    return np.column_stack([children.sum(axis=1), children]).astype(np.float64)


def teach(
    bank: AnyBank, history: FloatArray, first: int = FIRST, *, zeros: bool = False
) -> AnyBank:
    """Feed a history, shape (buckets, rows), score before learn, as the detect stage does.

    Args:
        bank: a new bank; it gets as many rows as the history has.
        history: fresh users.
        first: index of the first bucket.
        zeros: name rows that had no fresh users too.
    """
    bank.resize(_parents(history.shape[1]))
    for bucket, row_counts in enumerate(history, first):
        rows = np.arange(len(row_counts)) if zeros else np.flatnonzero(row_counts)
        fresh = row_counts[rows]
        bank.score_many(bucket, rows, fresh, np.ones(len(rows)))
        bank.learn_many(bucket, rows, fresh)
    return bank


def check_score_changes_nothing(make: MakeBank) -> None:
    """Scoring twice gives the same twice, and a bank that scored learns as one that did not."""
    history = counts()
    asked, silent = teach(make(), history), make()
    silent.resize(_parents(ROWS))
    for bucket, row_counts in enumerate(history, FIRST):
        rows = np.flatnonzero(row_counts)
        silent.learn_many(bucket, rows, row_counts[rows])
    first = _look(asked)
    _same(first, _look(asked), EXACT)
    _same(first, _look(silent), EXACT)


def check_order_of_rows(make: MakeBank) -> None:
    """The order in which rows are named changes nothing but the order of the results."""
    forward, backward = make(), make()
    for bank in (forward, backward):
        bank.resize(_parents(ROWS))
    for bucket, row_counts in enumerate(counts(), FIRST):
        rows = np.flatnonzero(row_counts)
        forward.learn_many(bucket, rows, row_counts[rows])
        backward.learn_many(bucket, rows[::-1], row_counts[rows[::-1]])
    _same(_look(forward), _pick(_look(backward, order=-1), np.arange(ROWS)[::-1]), EXACT)


def check_zeros(make: MakeBank) -> None:
    """A row that is named with no fresh users is a row that is not named."""
    history = counts()
    _same(_look(teach(make(), history)), _look(teach(make(), history, zeros=True)), EXACT)


def check_skip_is_zeros(make: MakeBank) -> None:
    """Skipping buckets is learning them without fresh users."""
    skipped, learned = teach(make(), counts()), teach(make(), counts())
    first, last = FIRST + BUCKETS, FIRST + BUCKETS + 29
    skipped.skip(first, last, missing=False)
    for bucket in range(first, last + 1):
        learned.learn_many(bucket, np.zeros(0, dtype=np.int64), np.zeros(0))
    _same(_look(skipped, later=30), _look(learned, later=30), EXACT)


def check_keep(make: MakeBank) -> None:
    """Rows that are kept score as before, under their new numbers; rows made later are new."""
    whole, cut = teach(make(), counts()), teach(make(), counts())
    kept = np.array([0, 2, 3])
    cut.keep(kept)
    before = _pick(_look(whole), kept)
    _same(before, _look(cut, rows=len(kept)), EXACT)
    cut.resize(_parents(ROWS))
    _same(before, _pick(_look(cut), np.arange(len(kept))), OWN)


def check_finite(make: MakeBank) -> None:
    """No field is ever NaN, no score is plus infinity, an expectation is finite and not negative.

    Held from the first bucket on, for no users, for a surge, for a sample of every tenth user.
    """
    bank = make()
    bank.resize(_parents(ROWS))
    for bucket, row_counts in enumerate(counts(), FIRST):
        fresh = np.where(bucket % 50 == 0, SURGE, row_counts)
        for precision in (1.0, 0.1):
            found = bank.score_many(bucket, np.arange(ROWS), fresh, np.full(ROWS, precision))
            for name in EXACT:
                assert not np.any(np.isnan(getattr(found, name))), f"{name} is NaN"
            assert not np.any(found.score == np.inf), "a score is infinite"
            assert np.all(np.isfinite(found.expected) & (found.expected >= 0)), "bad expectation"
            assert np.all(found.window >= 1), "a window has no bucket"
        rows = np.flatnonzero(row_counts)
        bank.learn_many(bucket, rows, row_counts[rows])


def check_precision(make: MakeBank) -> None:
    """A count estimated from a sample is no stronger evidence than the same count, exact."""
    bank = teach(make(), counts())
    assert np.all(_look(bank, precision=0.25).score <= _look(bank).score)


def check_pickle(make: MakeBank) -> None:
    """A bank that went through pickle scores and goes on learning like itself."""
    bank = teach(make(), counts())
    copied = pickle.loads(pickle.dumps(bank))  # noqa: S301 - made in the line before
    _same(_look(bank), _look(copied), EXACT)
    for each in (bank, copied):
        each.learn_many(FIRST + BUCKETS, np.arange(ROWS), np.full(ROWS, 5.0))
    _same(_look(bank, later=1), _look(copied, later=1), EXACT)


def check_surge_is_evidence(make: MakeBank) -> None:
    """Within two hours of surge every busy row has had a finite score, above what none would score.

    Without it a bank that says nothing at all would obey every other law. Most detectors need one
    bucket, change detectors several.
    """
    bank = teach(make(), counts())
    busy = np.array([0, 2, 3])
    found = np.zeros(len(busy), dtype=np.bool_)
    for bucket in range(FIRST + BUCKETS, FIRST + BUCKETS + SURGE_BUCKETS):
        quiet = bank.score_many(bucket, busy, np.zeros(3), np.ones(3))
        surge = bank.score_many(bucket, busy, np.full(3, SURGE), np.ones(3))
        higher = np.isfinite(surge.score) & (surge.score > quiet.score)
        assert np.all(surge.observed[higher] > surge.expected[higher])
        found |= higher
        bank.learn_many(bucket, busy, np.full(3, SURGE))
    assert np.all(found), "a surge is no evidence"


def check_rows_are_independent(make: MakeBank) -> None:
    """A row's own fields do not depend on which other rows exist.

    Not for banks that borrow strength between related rows.
    """
    history = counts()
    alone = np.column_stack([history[:, 0], history[:, 3]])
    few, many = teach(make(), alone), teach(make(), history)
    _same(_pick(_look(many), np.array([0, 3])), _look(few, rows=2), OWN)


def check_more_is_stranger(make: MakeBank) -> None:
    """A larger count never lowers the score. Not for River's detectors, which may saturate."""
    bank = teach(make(), counts())
    rows, last = np.arange(ROWS), np.full(ROWS, -np.inf)
    for count in (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 1_000.0, 1e6):
        found = bank.score_many(FIRST + BUCKETS, rows, np.full(ROWS, count), np.ones(ROWS))
        assert np.all(found.score >= last), f"{count:.0f} fresh users score lower than fewer"
        last = found.score


FOR_ALL: tuple[Callable[[MakeBank], None], ...] = (
    check_score_changes_nothing,
    check_order_of_rows,
    check_zeros,
    check_skip_is_zeros,
    check_keep,
    check_finite,
    check_precision,
    check_pickle,
    check_surge_is_evidence,
)
"""The laws for every bank; the other two hold only where their docstrings say so."""


def check_bank(make: MakeBank, also: Iterable[Callable[[MakeBank], None]] = ()) -> Iterator[Check]:
    """The checks for a bank, each to be called without arguments.

    Args:
        make: makes a new bank, the same each time; give it buckets of five minutes, so that the
            history of 320 buckets is longer than a day.
        also: checks that are not for all banks: ``check_rows_are_independent``,
            ``check_more_is_stranger``.
    """
    for check in (*FOR_ALL, *also):
        yield _bound(check, make)


RIVER_CHECKS = (
    "check_repr",
    "check_str",
    "check_tags",
    "check_doc",
    "check_clone_same_class",
    "check_clone_is_idempotent",
    "check_clone_changes_memory_addresses",
    "check_clone_with_new_params_applies",
    "check_repr_roundtrips_clone",
    "check_get_params_matches_signature",
    "check_init_has_default_params_for_tests",
    "check_init_default_params_are_not_mutable",
    "check_mutate_can_be_idempotent",
    "check_pickling_supports_roundtrip",
)
RIVER_STREAM_CHECKS = (
    "check_learn_one",
    "check_no_state_aliasing_with_input",
    "check_clone_is_independent",
    "check_bounded_memory_growth",
)
RIVER_UNSUPERVISED_CHECKS = (
    "check_pickling",
    "check_shuffle_features_no_impact",
    "check_predict_one_pure",
    "check_predict_one_before_any_learn",
    "check_seeding_is_idempotent",
)
"""River's own checks by name; the last group calls ``score_one`` without a target."""
RIVER_FEATURE_CHECKS = (
    "check_emerging_features",
    "check_disappearing_features",
    "check_radically_disappearing_features",
)
"""River's checks for features that come and go, which those that a bank gives never do."""


def check_detector(detector: Any, also: Iterable[str] = ()) -> Iterator[Check]:
    """The checks for one of River's detectors, or one of your own with its interface.

    River's own generic checks where the installed version has them and they apply, run on counts
    instead of River's data sets (which it downloads), then three of ours::

        for check in check_detector(MyDetector()):
            check()

    Args:
        detector: an ``AnomalyDetector``, ``SupervisedAnomalyDetector`` or a filter around one;
            each check gets a clone.
        also: names of checks that are not for all detectors: ``RIVER_FEATURE_CHECKS``.
    """
    from river import base  # noqa: PLC0415 - a second to import
    from river.checks import common  # noqa: PLC0415

    plain = isinstance(detector, base.AnomalyDetector)
    on_stream = (*RIVER_STREAM_CHECKS, *(RIVER_UNSUPERVISED_CHECKS if plain else ()), *also)
    for name in (*RIVER_CHECKS, *on_stream):
        check = getattr(common, name, None)
        if check is None:
            continue
        stream = [(list(_samples()),)] if name in on_stream else [()]
        yield _named(name, functools.partial(_seeded, check, detector, *stream))
    for own in (check_score_one_is_pure, check_scores_are_numbers, check_surge_ranks_high):
        yield _bound(own, detector)


def check_score_one_is_pure(detector: Any) -> None:
    """Asking for a score does not change the detector."""
    detector, _ = _run(detector.clone())
    before = pickle.dumps(detector)
    x, y = next(iter(_samples(seed=2)))
    _ask(detector, x, y)
    assert pickle.dumps(detector) == before, "score_one changed the detector"


def check_scores_are_numbers(detector: Any) -> None:
    """A score is a number, from the hundredth sample on and for a surge.

    Never NaN or infinite: ``Kind.score`` raises for those.
    """
    trained, scores = _run(detector.clone())
    x, _ = next(iter(_samples(seed=2)))
    surge = {**x, "fresh": math.log1p(SURGE), "hour": math.log1p(SURGE)}
    scores.append(_ask(trained, surge, SURGE))
    assert len(scores) > 1


def check_surge_ranks_high(detector: Any) -> None:
    """The largest score of a surge is above those of most quiet stretches as long.

    That is what River asks of a detector on a set of card fraud, as an area under the ROC curve
    over one half: scored before learned.
    """
    _, scores = _run(detector.clone(), surge=True)
    starts = range(0, len(scores), SURGE_LASTS)
    largest = {GRACE + i: max(scores[i : i + SURGE_LASTS]) for i in starts}
    surge = largest.pop(SURGE_AT)
    above = [(surge > quiet) + 0.5 * (surge == quiet) for quiet in largest.values()]
    assert np.mean(above) > 0.5, "a surge ranks no higher than quiet counts"  # noqa: PLR2004


def _samples(seed: int = 1, *, surge: bool = False) -> Iterator[tuple[dict[str, float], float]]:
    for bucket, (quiet, *_) in enumerate(counts(seed, buckets=300, rows=2).tolist()):
        surges = surge and SURGE_AT <= bucket < SURGE_AT + SURGE_LASTS
        count = SURGE if surges else quiet
        angle = 2.0 * math.pi * bucket / 288.0
        features = {"fresh": math.log1p(count), "hour": math.log1p(11.0 * quiet + count)}
        yield {**features, "hour_sin": math.sin(angle), "hour_cos": math.cos(angle)}, count


def _run(detector: Any, *, surge: bool = False) -> tuple[Any, list[float]]:
    """Teach the samples; the scores are of those from ``GRACE`` on."""
    from detectors.river_calls import Kind  # noqa: PLC0415 - with River

    kind = Kind.of(detector)
    scores = []
    for i, (x, y) in enumerate(_samples(surge=surge)):
        if i >= GRACE:
            asked = copy.deepcopy(detector) if kind.counts else detector
            scores.append(kind.score(asked, x, y))
        kind.learn(detector, x, y, first=i < GRACE)
    return detector, scores


def _ask(detector: Any, x: dict[str, float], y: float) -> float:
    from detectors.river_calls import Kind  # noqa: PLC0415 - with River

    return Kind.of(detector).score(detector, x, y)


def _seeded(check: Callable[..., None], detector: Any, *stream: Any) -> None:
    """River's checks draw from the global generator: give them a known one, and put it back."""
    state = random.getstate()
    random.seed(1)
    try:
        check(detector.clone(), *(each for part in stream for each in part))
    finally:
        random.setstate(state)


def _look(
    bank: Bank, *, rows: int = ROWS, later: int = 0, order: int = 1, precision: float = 1.0
) -> Scores:
    """Score a surge in every row, in the bucket after the history."""
    fresh = np.full(rows, SURGE)
    return bank.score_many(
        FIRST + BUCKETS + later, np.arange(rows)[::order], fresh, np.full(rows, precision)
    )


def _parents(rows: int) -> IntArray:
    return np.array([-1] + [0] * (rows - 1), dtype=np.int64)


def _pick(scores: Scores, at: IntArray) -> Scores:
    return Scores(**{name: getattr(scores, name)[at] for name in EXACT})


def _same(a: Scores, b: Scores, fields: Sequence[str]) -> None:
    for name in fields:
        left, right = getattr(a, name), getattr(b, name)
        assert np.allclose(left, right, rtol=1e-9, atol=1e-9), f"{name}: {left} != {right}"


def _bound(check: Callable[[Any], None], subject: Any) -> Check:
    return _named(check.__name__, functools.partial(check, subject), check.__doc__)


def _named(name: str, check: Any, doc: str | None = None) -> Check:
    check.__name__, check.__doc__ = name, doc
    return check  # type: ignore[no-any-return]
