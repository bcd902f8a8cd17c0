"""The real detect and correlate stages over a drawn world, and what its detector said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.detection.counts import partials
from streams.events import Closed, Intake
from streams.pipeline import make_correlate, make_detect
from streams.settings import from_table

if TYPE_CHECKING:
    from benchmarks.detection.counts import Entries, Floats, Ints
    from benchmarks.detection.worlds import Drawn
    from detectors.bank import Bank, FloatArray, IntArray, Scores
    from streams.events import Alert
    from streams.settings import Settings
    from streams.stages.rows import Rows

NOTED_FROM = 0.25
"""Share of its threshold from which a score is written down: any budget needs more."""


def settings_of(minutes: float, budget: float = 1.0) -> Settings:
    """The defaults, but for the bucket and the budget."""
    table = {
        "time": {"bucket": f"{minutes:g}m"},
        "alerts": {"false_incidents_per_week": budget},
    }
    return from_table(table)


class Recorder:
    """A bank that writes down what the bank inside is given and says."""

    def __init__(self, bank: Bank, rows: Rows) -> None:
        self._bank = bank
        self._rows = rows
        self.users: dict[int, tuple[int, float]] = {}
        self.noted: list[tuple[int, str, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bank, name)

    def score_many(
        self,
        bucket: int,
        rows: IntArray,
        fresh: FloatArray,
        precision: FloatArray,
        longest: IntArray | None = None,
    ) -> Scores:
        """See ``Bank.score_many``."""
        scores = self._bank.score_many(bucket, rows, fresh, precision, longest)
        if longest is None:
            self.users[bucket] = int(np.count_nonzero(fresh)), float(fresh.sum())
            ratio = scores.score / scores.threshold
            for i in np.flatnonzero(ratio >= NOTED_FROM).tolist():
                self.noted.append((bucket, self._rows.keys[int(rows[i])], float(ratio[i])))
        return scores


@dataclass
class Told:
    """One incident, from its alerts.

    Attributes:
        incident: its id.
        cause: its cause when it opened, a series.
        bucket: that was decisive for its first alert.
        opened: of each series that was named as a member, the decisive bucket.
    """

    incident: str
    cause: str
    bucket: int
    opened: dict[str, int] = field(default_factory=dict)


@dataclass
class Ran:
    """What the pipeline made of one world.

    Attributes:
        alerts: all of them, in order.
        told: the incidents, in the order in which they opened.
        bucket: of each score that was written down, shape (noted,).
        series: likewise.
        ratio: the score over its threshold, likewise.
        users: series with fresh users, and fresh users, of each bucket that was judged.
    """

    alerts: list[Alert]
    told: list[Told]
    bucket: Ints
    series: list[str]
    ratio: Floats
    users: dict[int, tuple[int, float]]


def run(drawn: Drawn, sorted_in: Entries, minutes: float, settings: Settings) -> Ran:
    """Drive the stages through a whole world, bucket by bucket."""
    detect = make_detect(settings, [0], points=False)
    correlate = make_correlate(settings)
    detect.bank = recorder = Recorder(detect.bank, detect._rows)  # noqa: SLF001 - names of rows
    alerts: list[Alert] = []

    def close(bucket: int) -> None:
        for outcome in detect.closed(Closed(0, bucket, Intake())):
            alerts.extend(correlate.outcome(outcome))

    for one in partials(drawn, sorted_in, minutes, settings):
        detect.partials(one)
        close(one.bucket)
    close((drawn.world.end_ms - 1) // settings.time.bucket_ms)
    bucket = np.array([noted[0] for noted in recorder.noted], dtype=np.int64)
    return Ran(
        alerts,
        incidents(alerts, settings.time.bucket_ms),
        bucket,
        [noted[1] for noted in recorder.noted],
        np.array([noted[2] for noted in recorder.noted]),
        recorder.users,
    )


def incidents(alerts: list[Alert], bucket_ms: int) -> list[Told]:
    """Put the alerts of each incident together."""

    def deciding(time: str) -> int:
        ms = int(np.datetime64(time.removesuffix("Z"), "ms").astype(np.int64))
        return ms // bucket_ms - 1

    told: dict[str, Told] = {}
    for alert in alerts:
        name = alert.correlationid
        if name is None or "series" not in alert.data:  # of the pipeline, or what follows a wave
            continue
        members = {m["series"]: deciding(m["opened_at"]) for m in alert.data["series"]}
        if name not in told:
            cause = min(members, key=lambda key: (members[key], key))
            told[name] = Told(name, cause, deciding(alert.data["detected_at"]))
        for key, bucket in members.items():
            told[name].opened.setdefault(key, bucket)
    return list(told.values())
