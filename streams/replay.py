"""The stages over recorded logs, no broker: each log is a source partition."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.codec import FieldMap, PostDecoder, rfc3339
from streams.events import Closed, Notice, Reject
from streams.logs import open_log
from streams.pipeline import make_correlate, make_detect, make_ingest
from streams.stages.watermark import end_of_logs
from streams.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from streams.events import Alert, Outcome, Partials, Point
    from streams.logs import Chunk, Log
    from streams.settings import Settings
    from streams.stages.ingest import Ingest

STALL_MS = 3_600_000
STALL_GAPS = 20.0
"""A log that ended is told as stalled when the others are an hour and twenty of its own usual
gaps ahead: a sparse partition is not."""


def field_map(settings: Settings) -> FieldMap:
    """The settings' ``[input.fields]`` as the codec wants them."""
    return FieldMap(**dataclasses.asdict(settings.input.fields))


def open_logs(paths: Iterable[str], settings: Settings, stack: contextlib.ExitStack) -> list[Log]:
    """Open recorded logs, which the stack closes; errors as of ``open_log``."""
    fields, record_bytes = field_map(settings), settings.limits.record_bytes
    return [
        stack.enter_context(
            contextlib.closing(open_log(path, fields=fields, record_bytes=record_bytes))
        )
        for path in paths
    ]


@dataclass
class _Source:
    """One log as a source partition."""

    number: int
    log: Log
    ingest: Ingest
    chunks: Iterator[Chunk | Reject]
    consumed: int = 0
    last_ms: int | None = None
    ended: bool = False
    told: bool = False

    @property
    def clock(self) -> int:
        clock = self.ingest.clock_ms
        return -1 if clock is None else clock

    @property
    def own_clock(self) -> int:
        """Where its own posts have led the clock."""
        return self.clock if self.last_ms is None else self.last_ms


@dataclass
class Replay:
    """One replay of one or several logs.

    The order in which logs are given does not matter: partitions are numbered by file name, and
    always the log that is furthest behind in event time is read on.

    Args:
        settings: all of them.
        logs: open logs.
        on_reject: called with each rejected record.
        on_point: called with each point for plots; None when none are wanted.
        on_progress: called once a chunk with bytes read, posts, event time reached (ms or None).
    """

    settings: Settings
    logs: Sequence[Log]
    on_reject: Callable[[Reject], None]
    on_point: Callable[[Point], None] | None = None
    on_progress: Callable[[int, int, int | None], None] | None = None
    _incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    _pipeline: dict[str, dict[str, Any]] = field(default_factory=dict)
    _stalls: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build the stages.

        Raises:
            SettingsError: the detector's name or parameters are unknown.
        """
        limits, time = self.settings.limits, self.settings.time
        self._decoder = PostDecoder(
            field_map(self.settings),
            record_bytes=limits.record_bytes,
            earliest_ms=time.earliest_ms,
        )
        ordered = sorted(self.logs, key=_place)
        self._sources = [
            _Source(
                number=number,
                log=log,
                ingest=make_ingest(self.settings, number, log.name, self.on_reject),
                chunks=iter(log.chunks()),
            )
            for number, log in enumerate(ordered)
        ]
        numbers = [source.number for source in self._sources]
        self._detect = make_detect(self.settings, numbers, points=self.on_point is not None)
        self._correlate = make_correlate(self.settings)

    def run(self) -> Iterator[Alert]:
        """Read the logs to their ends; yields alerts in order of event time.

        Raises:
            LogError: a log cannot be read on.
        """
        active = list(self._sources)
        while active:
            source = min(active, key=lambda s: (s.clock, s.number))
            chunk = next(source.chunks, None)
            if chunk is None:
                source.ended = True
                active.remove(source)
            elif isinstance(chunk, Reject):
                source.ingest.refuse(chunk)
            else:
                yield from self._feed(source, chunk)
            behind = min((s.clock for s in active), default=-1)
            if behind >= 0:
                yield from self._wake_ended(behind)
            self._report()
        yield from self._end()

    def _feed(self, source: _Source, chunk: Chunk) -> Iterator[Alert]:
        batch = self._decoder.decode_chunk(
            chunk.data, source=source.log.name, first_line=chunk.first_line
        )
        yield from self._through(source.ingest.feed(batch))
        source.consumed = chunk.consumed

    def _through(self, records: Iterable[Partials | Closed]) -> Iterator[Alert]:
        """Send what ingest emits through the other two stages."""
        for record in records:
            if isinstance(record, Closed):
                for outcome in self._detect.closed(record):
                    yield from self._outcome(outcome)
            else:
                self._detect.partials(record)

    def _outcome(self, outcome: Outcome) -> Iterator[Alert]:
        if self.on_point is not None:
            for point in outcome.points:
                self.on_point(point)
        yield from self._tell_stalls(outcome.bucket)
        for alert in self._correlate.outcome(outcome):
            self._remember(alert)
            yield alert

    def _remember(self, alert: Alert) -> None:
        if alert.correlationid is not None:
            self._incidents[alert.correlationid] = alert.data
        else:
            self._pipeline[f"{alert.type} {alert.data['from']}"] = alert.data

    def _wake_ended(self, time_ms: int) -> Iterator[Alert]:
        """Logs that have ended get the others' event time as a marker, and may be told stalled."""
        for source in self._sources:
            if not source.ended or source.clock >= time_ms:
                continue
            if source.last_ms is None:
                source.last_ms = source.clock
            yield from self._through(source.ingest.tick(time_ms))
            first_ms = source.ingest.first_ms
            if not source.told and first_ms is not None and self._is_missed(source):
                gap = (source.last_ms - first_ms) / max(source.ingest.intake.posts, 1)
                if time_ms - source.last_ms > max(STALL_MS, STALL_GAPS * gap):
                    source.told = True
                    self._note_stall(source, time_ms)

    def _is_missed(self, ended: _Source) -> bool:
        """Does another log go on that had run beside this one? One that began later takes over."""
        assert ended.last_ms is not None
        others = (s for s in self._sources if s.own_clock > ended.last_ms)
        starts = (other.ingest.first_ms for other in others)
        return any(start is not None and start + STALL_MS <= ended.last_ms for start in starts)

    def _note_stall(self, source: _Source, time_ms: int) -> None:
        size = self.settings.time.bucket_ms
        assert source.last_ms is not None
        details = {
            "partition": source.number,
            "minutes": (time_ms - source.last_ms) / 60_000,
        }
        since = source.last_ms // size
        self._stalls.append(Notice("stalled", "open", time_ms // size, since, details))

    def _tell_stalls(self, bucket: float) -> Iterator[Alert]:
        """Tell what was noticed up to a bucket: it waits so long that alerts come in order."""
        due = [notice for notice in self._stalls if notice.bucket <= bucket]
        self._stalls = [notice for notice in self._stalls if notice.bucket > bucket]
        for notice in due:
            for alert in self._correlate.notice(notice):
                self._remember(alert)
                yield alert

    def _end(self) -> Iterator[Alert]:
        """The end of all logs acts like a last marker: buckets close, incidents stay open."""
        end = end_of_logs([source.ingest.mark for source in self._sources])
        for source in self._sources:
            yield from self._through(source.ingest.end(end))
        yield from self._tell_stalls(math.inf)
        self._report()

    def _report(self) -> None:
        if self.on_progress is None:
            return
        posts = sum(source.ingest.intake.posts for source in self._sources)
        reached = max((source.clock for source in self._sources), default=-1)
        self.on_progress(self.bytes_read, posts, None if reached < 0 else reached)

    @property
    def bytes_read(self) -> int:
        """Bytes of the logs as stored, read so far."""
        return sum(source.consumed for source in self._sources)

    def summary(self, seconds: float) -> Summary:
        """What came of it, after ``seconds`` of work."""
        intake = self._sources[0].ingest.intake.snapshot()
        for source in self._sources[1:]:
            intake.add(source.ingest.intake)
        for data in self._correlate.ongoing():
            self._incidents[data["incident_id"]] = data
        first = [s.ingest.first_ms for s in self._sources if s.ingest.first_ms is not None]
        judged = self._detect.judged_from_ms
        last = max((source.clock for source in self._sources), default=-1)
        return Summary(
            posts=intake.posts,
            intake=intake,
            incidents=sorted(
                self._incidents.values(), key=lambda d: (d["detected_at"], d["incident_id"])
            ),
            pipeline=sorted(self._pipeline.values(), key=lambda d: (d["from"], d["summary"])),
            first_event=rfc3339(min(first)) if first else None,
            last_event=rfc3339(last) if last >= 0 else None,
            seconds=seconds,
            bytes_read=self.bytes_read,
            logs=[source.log.name for source in self._sources],
            judged_from=None if judged is None else rfc3339(judged),
        )


def _place(log: Log) -> tuple[str, str]:
    """Sort key of a log, the same however its path is written."""
    path = Path(log.name)
    return path.name, str(path.resolve())
