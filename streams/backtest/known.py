"""What is known of a log: the waves of a truth file, and what operators said of incidents."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from detectors.series import ALL, Series, hashtag_key, pair_key, region_key
from streams.backtest.overlap import Extent, extent
from streams.codec import decode_label, decode_told, decode_truth, epoch_ms
from streams.errors import RecordError, UsageError
from streams.events import Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.codec import Told
    from streams.events import Truth

KNOWN_MAX = 100_000
"""Lines of a truth or labels file."""

_IDS_KEPT = 10_000
_IDS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Known:
    """One thing that is known of a log.

    Attributes:
        id: of the truth record, or of the incident that was labelled.
        verdict: what an incident is that tells of it: ``true``, ``false`` or ``expected``.
        extent: where it is in series and time.
        series: keys by which it is named, its own first.
        place: file and line.
        is_label: whether an operator has said it, by way of an incident; else it is the truth.
    """

    id: str
    verdict: str
    extent: Extent
    series: tuple[str, ...]
    place: str
    is_label: bool


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that is known of a log.

    Attributes:
        truth: records of a truth file; None if there is none. What they do not tell of is false.
        labels: the newest label of each incident; None if there are none.
    """

    truth: list[Known] | None = None
    labels: list[Known] | None = None

    def __bool__(self) -> bool:
        """Whether anything was given, be it empty."""
        return self.truth is not None or self.labels is not None

    def __iter__(self) -> Iterator[Known]:
        """Truth first, then labels."""
        yield from self.truth or ()
        yield from self.labels or ()

    def _expected(self) -> Iterator[Known]:
        """What can't be true of a log without foreign posts of its series."""
        for known in self:
            # What was no wave, such as students abroad, may well be all home posts.
            if set(known.series) != {ALL} and (known.is_label or known.verdict == "true"):
                yield known

    @property
    def series(self) -> frozenset[str]:
        """Series that a log should hold if this is known of it."""
        return frozenset(key for known in self._expected() for key in known.series) - {ALL}

    def unknown(self, seen: frozenset[str]) -> list[Known]:
        """What names no series that a log holds, and so was said of another.

        Args:
            seen: which of ``series`` had a foreign post.
        """
        return [known for known in self._expected() if seen.isdisjoint(known.series)]


def read_truth(lines: Iterable[bytes], name: str) -> list[Known]:
    """Read a truth file, as ``surgewatch simulate --truth`` writes it.

    Args:
        lines: of the file; blank ones are passed over.
        name: of the file, for messages.

    Raises:
        UsageError: a line is no truth, or names an id again; the message names the line.
    """
    found: dict[str, Known] = {}
    for place, line in _numbered(lines, name):
        try:
            truth = decode_truth(line)
        except RecordError as error:
            raise UsageError(f"{place}: {error}") from None
        if truth.id in found:
            raise UsageError(f"{place}: the id {truth.id!a} is that of {found[truth.id].place}")
        found[truth.id] = _known_truth(truth, place)
    return list(found.values())


def _known_truth(truth: Truth, place: str) -> Known:
    named = Series(truth.level, truth.region, truth.hashtag).key  # type: ignore[arg-type]
    series = {named}
    if truth.hashtag is not None:
        series.add(hashtag_key(truth.hashtag))
        series |= {pair_key(region, truth.hashtag) for region in truth.regions}
    else:
        series |= {region_key(region) for region in truth.regions}
    span = extent(series, epoch_ms(truth.start), epoch_ms(truth.end))
    verdict = "true" if truth.kind == "wave" else "false"
    return Known(truth.id, verdict, span, (named,), place, is_label=False)


def read_labels(lines: Iterable[bytes], name: str) -> list[Known]:
    """Read a labels file; of several labels of one incident the last line counts.

    Args:
        lines: of the file; blank ones, and what else operators say of incidents, are passed over.
        name: of the file, for messages.

    Raises:
        UsageError: a line is no label; the message names it.
    """
    found: dict[str, Known] = {}
    for place, line in _numbered(lines, name):
        try:
            label = decode_label(line)
        except RecordError as error:
            raise UsageError(f"{place}: {error}") from None
        if label is None:
            continue
        span = extent(label.series, epoch_ms(label.since), epoch_ms(label.until))
        series = tuple(label.series)
        found.pop(label.incident_id, None)
        found[label.incident_id] = Known(
            label.incident_id, label.verdict, span, series, place, is_label=True
        )
    return list(found.values())


def _numbered(lines: Iterable[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(lines, 1):
        if number > KNOWN_MAX:
            raise UsageError(f"{name}: has more than {KNOWN_MAX:,} lines")
        if line.strip():
            yield f"{name}, line {number}", line


def fits_id(incident_id: str, wanted: str) -> bool:
    """Is an incident meant by its id, by its beginning, or by the id of one of its alerts?

    >>> fits_id("in-9e2810c0ffee0000", "9e28"), fits_id("in-9e2810c0ffee0000", "in-")
    (True, False)
    """
    name = wanted if wanted.startswith("in-") else f"in-{wanted}"
    return name != "in-" and (incident_id.startswith(name) or name.startswith(f"{incident_id}-"))


@dataclass
class Finder:
    """Finds one incident among alerts, given one after the other, to be labelled.

    Args:
        incident_id: the incident to find; the beginning is enough, see ``fits_id``.
    """

    incident_id: str
    _fitting: dict[str, Told] = field(default_factory=dict)
    _ids: dict[str, None] = field(default_factory=dict)

    def take(self, line: bytes, place: str) -> None:
        """Take an alert; what tells of no confirmed incident is passed over.

        Args:
            line: as the alerts are written.
            place: file and line, for messages.

        Raises:
            UsageError: it is no alert.
        """
        try:
            told = decode_told(line)
        except RecordError as error:
            raise UsageError(f"{place}: {error}") from None
        if told is None:
            return
        if fits_id(told.incident_id, self.incident_id):
            if told.incident_id in self._fitting or len(self._fitting) < _IDS_KEPT:
                self._fitting[told.incident_id] = told
        elif len(self._ids) < _IDS_KEPT:
            self._ids[told.incident_id] = None

    def found(self, where: str) -> Told:
        """What the newest alert tells of the incident that was to be found.

        Args:
            where: what was searched, for messages.

        Raises:
            UsageError: no alert tells of the incident, or several fit; the message names the
                nearest that are told.
        """
        exact = self._fitting.get(self.incident_id)
        if exact is not None:
            return exact
        if len(self._fitting) == 1:
            return next(iter(self._fitting.values()))
        if self._fitting:
            some = ", ".join(list(self._fitting)[-_IDS_SHOWN:])
            raise UsageError(
                f"{self.incident_id}: {len(self._fitting):,} incidents of {where} begin so, such "
                f"as {some}; give more of the id"
            )
        near = difflib.get_close_matches(self.incident_id, self._ids, n=1)
        if near:
            hint = f"did you mean {near[0]}?"
        elif self._ids:
            newest = list(self._ids)[-_IDS_SHOWN:]
            others = "one other" if len(self._ids) == 1 else f"{len(self._ids):,} others"
            hint = f"it tells of {others}, such as {', '.join(newest)}"
        else:
            hint = "it tells of none"
        name = self.incident_id[:60]
        raise UsageError(f"{name!a}: no incident of {where} has this id; {hint}")

    def label(self, verdict: str, *, at: str, by: str, note: str, where: str) -> Label:
        """The label of the incident that was to be found.

        Args:
            verdict: ``true``, ``false`` or ``expected``.
            at: when it is said, RFC 3339.
            by: who says it.
            note: why.
            where: what was searched, for messages.

        Raises:
            UsageError: see ``found``.
        """
        told = self.found(where)
        return Label(
            incident_id=told.incident_id,
            verdict=verdict,
            series=told.series,
            since=told.since,
            until=told.until,
            at=at,
            by=by,
            note=note,
        )
