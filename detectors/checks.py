"""The laws that every bank obeys, as checks that anyone can run; for detectors: ``river_checks``.

Each check is a function that raises ``AssertionError``; its docstring states the law::

    for check in check_bank(lambda: make_bank("scan", {}, context=context)):
        check()

The checks drive a bank with counts from a seeded generator, over as many buckets as the slowest of
River's detectors needs to warm up.
"""

from __future__ import annotations

import functools
import math
import pickle
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


def check_unready_is_silent(make: MakeBank) -> None:
    """A bank that is not ready to alarm raises no alarm, whatever comes."""
    bank, rows = make(), np.arange(ROWS)
    bank.resize(_parents(ROWS))
    for bucket, quiet in enumerate(counts(), FIRST):
        if not bank.is_ready:
            found = bank.score_many(bucket, rows, np.full(ROWS, SURGE), np.ones(ROWS))
            assert not np.any(found.score >= found.threshold), "an alarm before it is ready"
        bank.learn_many(bucket, rows, quiet)


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
    check_unready_is_silent,
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
        yield bound(check, make)


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


def bound(check: Callable[[Any], None], subject: Any) -> Check:
    """A check of one subject, to be called without arguments."""
    return named(check.__name__, functools.partial(check, subject), check.__doc__)


def named(name: str, check: Any, doc: str | None = None) -> Check:
    """The check with a name and a docstring, for whoever lists checks and reads why one failed."""

    def run() -> None:
        try:
            check()
        except AssertionError as error:
            if str(error):
                raise
            law = (doc or "").strip().partition("\n")[0]
            raise AssertionError(f"{name}: {law or 'its source says what it asks'}") from error

    run.__name__, run.__doc__ = name, doc
    return run
