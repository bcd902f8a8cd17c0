"""What became of a configuration on a log, measured against what is known of the log.

An incident is *true* if it tells of a wave of the truth file: it has series and time in common
with it, and was detected after the wave had begun. Otherwise it is what an operator's label says
of it, else *false* where a truth file was given, else *unknown*. A wave is *found* by the
incidents that tell of it, else *missed*. What a label calls *expected* was real but nothing to be
woken for: it counts neither as false nor as missed.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detectors.crowd import OTHER
from detectors.series import Series
from streams.backtest.overlap import Extent, common_share, extent, overlaps
from streams.codec import epoch_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.backtest.known import Knowledge, Known
    from streams.summary import Summary

Data = Mapping[str, Any]
"""The ``data`` of an alert."""

WEEK_MINUTES = 7 * 24 * 60.0


@dataclass(frozen=True, slots=True)
class Judged:
    """An incident, and what it was.

    Attributes:
        incident: the newest ``data`` about it.
        verdict: ``true``, ``false``, ``expected`` or ``unknown``.
        because: what it was judged by, None if by nothing.
    """

    incident: Data
    verdict: str
    because: Known | None


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave that is known, and whether it was found.

    Attributes:
        known: what is known.
        incidents: those that tell of it, the first detected first; none if it was missed.
        delay_minutes: from its start (of a label: the onset of the labelled incident, so it may be
            negative) to the first detection; None if it was missed.
    """

    known: Known
    incidents: Sequence[Data]
    delay_minutes: float | None


@dataclass(frozen=True, slots=True)
class Assessment:
    """What became of one configuration on one log.

    Attributes:
        budget: false incidents a week that were acceptable.
        weeks: of event time that were judged, missing data left out.
        judged: every incident, in order of detection.
        waves: every known wave of the time that was judged, by start.
        unmatched: labels of that time which no incident has to do with.
        elsewhere: what is known of other times.
        has_truth: whether a truth file was given, so that every incident is known.
        has_labels: whether labels were given.
    """

    budget: float
    weeks: float
    judged: Sequence[Judged]
    waves: Sequence[Wave]
    unmatched: Sequence[Known]
    elsewhere: Sequence[Known]
    has_truth: bool
    has_labels: bool

    @property
    def is_known(self) -> bool:
        """Whether anything is known by which to judge."""
        return self.has_truth or self.has_labels

    def count(self, verdict: str) -> int:
        """How many incidents were this."""
        return sum(one.verdict == verdict for one in self.judged)

    def per_week(self, count: float) -> float | None:
        """A count as a weekly rate; None if nothing was judged."""
        return count / self.weeks if self.weeks > 0 else None

    @property
    def precision(self) -> float | None:
        """Share of true incidents among those known to be true or false; None if there are none."""
        true, false = self.count("true"), self.count("false")
        return true / (true + false) if true + false else None

    @property
    def found(self) -> list[Wave]:
        """The waves that were found."""
        return [wave for wave in self.waves if wave.incidents]

    @property
    def missed(self) -> list[Wave]:
        """The waves that were not."""
        return [wave for wave in self.waves if not wave.incidents]

    @property
    def recall(self) -> float | None:
        """Share of the waves that were found; None if there was none."""
        return len(self.found) / len(self.waves) if self.waves else None

    @property
    def delay_minutes(self) -> float | None:
        """Median delay of the waves that were found; None if there is none."""
        delays = [wave.delay_minutes for wave in self.waves if wave.delay_minutes is not None]
        return statistics.median(delays) if delays else None

    @property
    def onset_delay_minutes(self) -> float | None:
        """Median time from an incident's own onset, an estimate, to its detection."""
        incidents = [one.incident for one in self.judged]
        delays = [epoch_ms(one["detected_at"]) - epoch_ms(one["onset_at"]) for one in incidents]
        return statistics.median(delays) / 60_000 if delays else None


def incident_extent(data: Data, end_ms: int) -> Extent:
    """Where an incident is in series and time.

    Args:
        data: the newest about it.
        end_ms: end of the log, which is the incident's if it is still open.
    """
    cause = Series(data["level"], data["region"], data["hashtag"]).key
    members = [item["series"] for item in data["series"] if item["series"] != OTHER]
    closed = data["closed_at"]
    end = end_ms if closed is None else epoch_ms(closed)
    return extent([cause, *members], epoch_ms(data["onset_at"]), end)


def judged_weeks(summary: Summary) -> float:
    """How long alerts were possible, in weeks of event time, missing data left out."""
    if summary.judged_from is None or summary.last_event is None:
        return 0.0
    minutes = (epoch_ms(summary.last_event) - epoch_ms(summary.judged_from)) / 60_000
    return max(0.0, minutes - summary.missing_minutes) / WEEK_MINUTES


def assess(summary: Summary, budget: float, knowledge: Knowledge) -> Assessment:
    """Measure one replay against what is known.

    Args:
        summary: of the replay.
        budget: false incidents a week that its configuration allows.
        knowledge: of the log; may be empty.
    """
    start_ms, end_ms = _judged_span(summary)
    incidents = summary.incidents
    spans = [incident_extent(data, end_ms) for data in incidents]
    inside: list[Known] = []
    elsewhere: list[Known] = []
    for known in knowledge:
        is_inside = known.extent.start_ms <= end_ms and known.extent.end_ms >= start_ms
        (inside if is_inside else elsewhere).append(known)
    told: list[list[int]] = [[] for _ in inside]
    known_of: list[list[int]] = [[] for _ in incidents]
    for at, number in overlaps([k.extent for k in inside], spans):
        known = inside[at]
        detected_ms = epoch_ms(incidents[number]["detected_at"])
        if known.is_label or known.verdict != "true" or detected_ms > known.extent.start_ms:
            told[at].append(number)
            known_of[number].append(at)
    judged = [
        _judge(data, span, [inside[at] for at in known_of[number]], knowledge)
        for number, (data, span) in enumerate(zip(incidents, spans, strict=True))
    ]
    waves = [_wave(inside[at], [incidents[number] for number in told[at]]) for at in _waves(inside)]
    unmatched = [k for at, k in enumerate(inside) if k.is_label and not told[at]]
    return Assessment(
        budget=budget,
        weeks=judged_weeks(summary),
        judged=judged,
        waves=sorted(waves, key=lambda wave: (wave.known.extent.start_ms, wave.known.id)),
        unmatched=unmatched,
        elsewhere=elsewhere,
        has_truth=knowledge.truth is not None,
        has_labels=knowledge.labels is not None,
    )


def _judged_span(summary: Summary) -> tuple[int, int]:
    """From when to when alerts were possible, ms; the first after the second if never."""
    end_ms = 0 if summary.last_event is None else epoch_ms(summary.last_event)
    if summary.judged_from is None:
        return end_ms + 1, end_ms
    return epoch_ms(summary.judged_from), end_ms


def _judge(data: Data, span: Extent, known: Sequence[Known], knowledge: Knowledge) -> Judged:
    for one in known:
        if not one.is_label and one.verdict == "true":
            return Judged(data, "true", one)
    labels = [one for one in known if one.is_label]
    if labels:
        label = max(
            labels,
            key=lambda one: (one.id == data["incident_id"], common_share(one.extent, span)),
        )
        return Judged(data, label.verdict, label)
    if knowledge.truth is not None:
        return Judged(data, "false", known[0] if known else None)
    return Judged(data, "unknown", None)


def _wave(known: Known, incidents: Sequence[Data]) -> Wave:
    if not incidents:
        return Wave(known, (), None)
    told = sorted(incidents, key=lambda data: (data["detected_at"], data["incident_id"]))
    delay_ms = epoch_ms(told[0]["detected_at"]) - known.extent.start_ms
    return Wave(known, told, delay_ms / 60_000)


def _waves(inside: Sequence[Known]) -> list[int]:
    """Numbers of the waves; what both a label and the truth file tell of is one wave, not two."""
    waves = [at for at, known in enumerate(inside) if known.verdict == "true"]
    truths = [at for at in waves if not inside[at].is_label]
    labels = [at for at in waves if inside[at].is_label]
    pairs = overlaps([inside[at].extent for at in labels], [inside[at].extent for at in truths])
    twice = {labels[number] for number, _ in pairs}
    return [at for at in waves if at not in twice]
