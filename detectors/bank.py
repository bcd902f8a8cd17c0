"""The interface between the detect stage and any detector: many series at once.

A *bank* holds the state of every live series of one detect stage, as arrays. A series is a row;
the caller gives rows out and takes them back. Time is the index of a bucket (event time divided
by the bucket's length), never a clock.

The order at every bucket is the law of online detection: first ``score_many``, which changes
nothing, then ``learn_many``.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

NO_ROWS: IntArray = np.zeros(0, dtype=np.int64)
NO_USERS: FloatArray = np.zeros(0)


class Scores(NamedTuple):
    """What a bank says of some rows at one bucket; every field is an array of one value a row.

    Attributes:
        score: evidence for a surge, larger is stranger; comparable with ``threshold`` only.
        threshold: the score from which a verdict is an alarm (the same unit as ``score``).
        observed: fresh users over the winning window.
        expected: expected fresh users over the same window.
        upper: the observed count at which the score would reach the threshold.
        window: length of the winning window, in buckets.
    """

    score: FloatArray
    threshold: FloatArray
    observed: FloatArray
    expected: FloatArray
    upper: FloatArray
    window: IntArray


class Verdict(NamedTuple):
    """``Scores`` of one row."""

    score: float
    threshold: float
    observed: float
    expected: float
    upper: float
    window: int


MAKEUP = ("newcomers", "posts_per_user", "languages")
"""What a makeup says, by name: see ``detectors.river_row``."""


class Makeup(NamedTuple):
    """Who the users of some rows are in one bucket, fresh or not.

    Attributes:
        rows: row numbers, shape (n,).
        values: a column for each name of ``MAKEUP``, shape (n, 3).
        users: how many users each value rests on, shape (n, 3); 0 says that it is not known.
    """

    rows: IntArray
    values: FloatArray
    users: FloatArray


class Bank(Protocol):
    """A detector over many series."""

    def resize(self, parents: IntArray, countries: IntArray | None = None) -> None:
        """Make room for as many rows as ``parents`` has, old ones first and unchanged.

        Args:
            parents: for each row the row it may borrow strength from (``all`` for a region or a
                hashtag, the region for a pair), or -1; a parent comes before its children.
            countries: for each row the country whose holidays it keeps, as a number
                (``detectors.holiday``), 0 for none; None for none at all.
        """

    def expose(self, tests_per_week: float) -> None:
        """Say how many chances of a false alarm a week brings: (series, bucket) with users."""

    def score_many(
        self,
        bucket: int,
        rows: IntArray,
        fresh: FloatArray,
        precision: FloatArray,
        longest: IntArray | None = None,
    ) -> Scores:
        """Score ``rows``, whose fresh users in ``bucket`` are ``fresh``. Changes nothing.

        Args:
            bucket: index of the bucket that has just closed.
            rows: distinct row numbers, shape (n,).
            fresh: estimated fresh users in the bucket, shape (n,), zero or more.
            precision: share of users that the estimate rests on, shape (n,), in (0, 1];
                1 is an exact count, 0.25 a sample of every fourth user.
            longest: look at no window longer than this many buckets, shape (n,); a detector
                without windows ignores it.
        """

    def preview(self, bucket: int, rows: IntArray, fresh: FloatArray) -> NDArray[np.bool_]:
        """Which rows might raise an alarm if ``bucket`` closed now. Changes nothing.

        A row that is not named here would surely raise none; one that is, ``judge`` looks at.

        Args:
            bucket: index of a bucket that has not closed.
            rows: row numbers, shape (n,); the number of rows stands for a series without one.
            fresh: fresh users since the newest closed bucket, shape (n,).
        """

    def judge(self, bucket: int, row: int, fresh: FloatArray, precision: float) -> Verdict | None:
        """What ``score_many`` would say of a row if ``bucket`` closed with these counts.

        Args:
            bucket: index of a bucket that has not closed.
            row: row number; the number of rows stands for a series without one.
            fresh: fresh users of the buckets that end with ``bucket``, the newest last, as far
                back as the longest window, shape (k,).
            precision: share of users that the counts rest on.

        Returns:
            None where it would say nothing of note.
        """

    def learn_many(self, bucket: int, rows: IntArray, fresh: FloatArray) -> None:
        """Learn a closed bucket. Rows that are not named had no fresh user in it."""

    def skip(self, first: int, last: int, *, missing: bool) -> None:
        """Learn that buckets ``first`` to ``last`` (inclusive) held nothing.

        With ``missing`` they are a hole in the data, not zeros: they are not learned. A hole is
        known to be one only after a while, so ``first`` may then name buckets that have been
        skipped as zeros before; what can still be taken back of them is.
        """

    @property
    def is_ready(self) -> bool:
        """Might the next bucket raise an alarm, as far as the bank goes?"""

    def log_silence(self, first: int, last: int) -> float:
        """Natural logarithm of the odds that row 0 (``all``) has no user in these buckets.

        0 where that is nothing remarkable. Asked after the first bucket of ``last``'s hour has been
        learned or skipped: within an hour the odds hold.
        """

    def band(self, buckets: IntArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Expected fresh users of single buckets, and the counts that would alarm in them.

        Args:
            buckets: indexes of buckets, shape (n,).
            rows: the row that each is asked for, shape (n,).
        """

    def weight(self) -> FloatArray:
        """How much would be lost with each row: 0 for idle ones, more for the heavier.

        A row is idle when it has no recent users and no rate to speak of.
        """

    def restore(self, other: Any) -> None:
        """Take over all that another bank of the same detector has learned.

        What is this bank's own are its settings: the budget and the limits.
        """

    def mute(self, bucket: int, rows: IntArray) -> None:
        """Let no window of these rows begin before ``bucket`` (their last episode ended there)."""

    def keep(self, rows: IntArray) -> None:
        """Forget all rows but these; row ``rows[i]`` becomes row ``i``."""


@runtime_checkable
class ModelBank(Bank, Protocol):
    """A bank that keeps an object of foreign code for each of some rows.

    Such a bank may ask who the users of a row are, and its objects may fail. Banks that need
    neither have none of this, and the detect stage spends nothing on it.
    """

    def wanted(self) -> IntArray:
        """The rows whose makeup it would like to know, ascending."""

    def describe(self, bucket: int, makeup: Makeup) -> None:
        """Say who the users of a bucket are, before it is scored; forgotten once it is learned.

        Rows that are not named had no users, or nobody knows.
        """

    def take_failures(self) -> list[tuple[int, str]]:
        """The rows whose object has failed since the last call, and how it failed.

        The row is -1 if it has been forgotten since. Texts are printable and short.
        """
