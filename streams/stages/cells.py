"""The open buckets of one source partition: which posts each series holds so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors.series import ALL
from detectors.users import WHOLE, cut
from streams.events import Partials

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[int, int, int, int]
"""User, post, language number, flags of one post."""


class OpenBucket:
    """A bucket that still takes posts.

    Args:
        rows_max: rows of a series that are kept before it is sampled.
        series_max: hashtags and pairs; above it the lightest half is dropped. This is lossy
            counting (Manku and Motwani, VLDB 2002): a series that holds more than its share of
            the bucket's posts survives any number of light ones.
    """

    def __init__(self, rows_max: int, series_max: int) -> None:
        self.rows_max = rows_max
        self.series_max = series_max
        self.all: dict[int, Row] = {}
        self._cells: dict[str, dict[int, Row]] = {ALL: self.all}
        self._theta: dict[str, int] = {}
        self._fold_at = 2 * rows_max
        self.dropped = 0

    def add(self, keys: Sequence[str], row: Row) -> None:
        """Add a post to ``all`` and to the series it belongs to."""
        cells = self._cells
        post = row[1]
        self.all[post] = row
        for key in keys:
            cell = cells.get(key)
            if cell is None:
                cells[key] = {post: row}
            else:
                cell[post] = row
        if len(cells) > self.series_max:
            self._drop_lightest()
        if len(self.all) >= self._fold_at:
            self._fold()

    def _drop_lightest(self) -> None:
        tags = [key for key in self._cells if key.startswith(("hashtag/", "pair/"))]
        tags.sort(key=lambda key: (-len(self._cells[key]), key))
        for key in tags[self.series_max // 2 :]:
            del self._cells[key]
            self.dropped += 1

    def _fold(self) -> None:
        """Sample the series that have grown too large."""
        for key, cell in self._cells.items():
            if len(cell) > self.rows_max:
                rows, theta = self._cut(key, cell)
                cell.clear()
                cell.update((row[1], row) for row in rows)
                self._theta[key] = theta
        self._fold_at = len(self.all) + self.rows_max

    def _cut(self, key: str, cell: dict[int, Row]) -> tuple[list[Row], int]:
        """The rows of a series in order, sampled if there are too many, and its theta."""
        theta = self._theta.get(key, WHOLE)
        rows = sorted(cell.values())
        if theta < WHOLE:
            rows = [row for row in rows if row[0] < theta]
        if len(rows) > self.rows_max or theta < WHOLE:
            users = np.array([row[0] for row in rows], dtype=np.int64)
            stay, cut_at = cut(users, self.rows_max, was_cut=theta < WHOLE)
            rows = [row for row, kept in zip(rows, stay.tolist(), strict=True) if kept]
            theta = min(theta, cut_at)
        return rows, theta

    def close(self, partition: int, bucket: int, langs: list[str]) -> Partials:
        """The bucket as partials."""
        cells, rows_max = self._cells, self.rows_max
        keys = sorted(cells)
        rows: list[Row] = []
        ends: list[int] = []
        thetas: list[int] = []
        for key in keys:
            cell = cells[key]
            theta = WHOLE
            if len(cell) == 1 and not self._theta:
                rows += cell.values()
            elif len(cell) <= rows_max and not self._theta:
                rows += sorted(cell.values())
            else:
                some, theta = self._cut(key, cell)
                rows += some
            ends.append(len(rows))
            thetas.append(theta)
        users, posts, lang, flags = zip(*rows, strict=True)
        used = sorted(set(lang), key=langs.__getitem__)
        number = {old: new for new, old in enumerate(used)}
        return Partials(
            partition=partition,
            bucket=bucket,
            series=keys,
            ends=np.array(ends, dtype=np.int64),
            theta=np.array(thetas, dtype=np.int64),
            user=np.array(users, dtype=np.int64),
            post=np.array(posts, dtype=np.int64),
            lang=np.array([number[old] for old in lang], dtype=np.int16),
            flags=np.array(flags, dtype=np.uint8),
            langs=[langs[old] for old in used],
        )
