"""One bucket's partials of several source partitions become one table."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from detectors.users import WHOLE, cut

if TYPE_CHECKING:
    from detectors.bank import IntArray
    from streams.events import I16, I64, U8, Partials


_LAST = chr(0x10FFFF)


class Table(msgspec.Struct, frozen=True, gc=False):
    """The merged partials of a bucket; columns as in ``streams.events.Partials``.

    ``ends`` and the row columns may belong to samples: of a series with ``theta < WHOLE`` only
    the users below it are present.
    """

    series: list[str]
    ends: I64
    theta: I64
    user: I64
    lang: I16
    flags: U8
    langs: list[str]

    def rows_of(self, index: int) -> slice:
        """Rows of series number ``index``."""
        return slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))

    def find(self, key: str) -> int | None:
        """Number of a series, None if it has no row."""
        i = bisect_left(self.series, key)
        return i if i < len(self.series) and self.series[i] == key else None

    def span(self, prefix: str) -> range:
        """Numbers of the series whose keys start with ``prefix``."""
        return range(bisect_left(self.series, prefix), bisect_left(self.series, prefix + _LAST))

    @property
    def index(self) -> IntArray:
        """For each row the number of its series, shape (rows,)."""
        starts = np.zeros(len(self.user) + 1, dtype=np.int64)
        starts[self.ends] = 1
        return np.cumsum(starts[:-1])


def merge(partials: list[Partials], rows_max: int) -> Table:
    """Unite the partials of one bucket.

    A union: idempotent, and independent of the order of ``partials`` and of how the posts were
    split among them.

    Args:
        partials: at least one, all of the same bucket.
        rows_max: rows kept of one series before it is sampled; the same as in ingest.
    """
    if len(partials) == 1:
        one = partials[0]
        return Table(one.series, one.ends, one.theta, one.user, one.lang, one.flags, one.langs)
    series = sorted({key for part in partials for key in part.series})
    number = {key: i for i, key in enumerate(series)}
    langs = sorted({lang for part in partials for lang in part.langs})
    lang_number = {lang: i for i, lang in enumerate(langs)}
    theta = np.full(len(series), WHOLE, dtype=np.int64)
    index_parts, lang_parts = [], []
    for part in partials:
        mine = np.array([number[key] for key in part.series], dtype=np.int64)
        theta[mine] = np.minimum(theta[mine], part.theta)
        index_parts.append(np.repeat(mine, np.diff(part.ends, prepend=0)))
        langs_new = np.array([lang_number[lang] for lang in part.langs], dtype=np.int16)
        lang_parts.append(langs_new[part.lang])
    index = np.concatenate(index_parts)
    user = np.concatenate([part.user for part in partials])
    post = np.concatenate([part.post for part in partials])
    lang = np.concatenate(lang_parts)
    flags = np.concatenate([part.flags for part in partials])
    # Language and flags last: copies of a post that contradict each other have an order too.
    order = np.lexsort((flags, lang, post, user, index))
    index, user, post = index[order], user[order], post[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (index[1:] != index[:-1]) | (user[1:] != user[:-1]) | (post[1:] != post[:-1])
    kept = new & (user < theta[index])
    keep_rows = order[kept]
    index, user = index[kept], user[kept]
    lang, flags = lang[keep_rows], flags[keep_rows]
    counts = np.bincount(index, minlength=len(series))
    large = np.flatnonzero((counts > rows_max) | (theta < WHOLE))
    if len(large):
        stay = np.ones(len(user), dtype=np.bool_)
        for i in large.tolist():
            rows = slice(*np.searchsorted(index, [i, i + 1]))
            stay[rows], cut_at = cut(user[rows], rows_max, was_cut=theta[i] < WHOLE)
            theta[i] = min(int(theta[i]), cut_at)
        index, user, lang, flags = index[stay], user[stay], lang[stay], flags[stay]
        counts = np.bincount(index, minlength=len(series))
    return Table(series, np.cumsum(counts), theta, user, lang, flags, langs)
