"""Who the users of some series are in one bucket, for detectors that want to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors.bank import Makeup
from detectors.origin import AGE_KNOWN, NEWCOMER

if TYPE_CHECKING:
    from detectors.bank import FloatArray, IntArray
    from streams.stages.merge import Table


def makeup(table: Table, rows: IntArray, wanted: IntArray) -> Makeup:
    """The makeup of those of a bucket's series that are wanted; see ``detectors.river_row``.

    A user counts once in a series, with the age and language of the first of their posts there. Of
    a series that is sampled the sample is told.

    Args:
        table: the merged partials.
        rows: row of each of the table's series, shape (series,).
        wanted: the rows that are wanted.
    """
    at = np.flatnonzero(np.isin(rows, wanted))
    series = len(rows)
    index, user = table.index, table.user
    first = np.ones(len(index), dtype=np.bool_)
    first[1:] = (index[1:] != index[:-1]) | (user[1:] != user[:-1])
    whose, flags, lang = index[first], table.flags[first], table.lang[first]
    users = np.bincount(whose, minlength=series)[at]
    posts = np.bincount(index, minlength=series)[at]
    aged = np.bincount(whose[flags & AGE_KNOWN > 0], minlength=series)[at]
    newcomers = np.bincount(whose[flags & NEWCOMER > 0], minlength=series)[at]
    speaks = np.array([name != "" for name in table.langs], dtype=np.bool_)[lang]
    speakers = np.bincount(whose[speaks], minlength=series)[at]
    values = (
        newcomers / np.maximum(aged, 1),
        np.log(posts / users),
        _entropy(whose[speaks], lang[speaks].astype(np.int64), series)[at],
    )
    rests_on = (aged, users, speakers)
    return Makeup(rows[at], np.column_stack(values), np.column_stack(rests_on).astype(np.float64))


def _entropy(series: IntArray, group: IntArray, count: int) -> FloatArray:
    """Shannon entropy in nats of the groups within each of ``count`` series, 0 for an empty one."""
    pairs, sizes = np.unique(np.column_stack([series, group]), axis=0, return_counts=True)
    # Groups are numbered as they happen to come: summed by size, or the last bit would show how.
    order = np.lexsort((sizes, pairs[:, 0]))
    of, sizes = pairs[order, 0], sizes[order]
    share = sizes / np.bincount(of, weights=sizes, minlength=count)[of]
    parts = -share * np.log(share)
    return np.bincount(of, weights=parts, minlength=count).astype(np.float64)
