"""The stages over recorded logs, no broker: each log is a source partition."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from typing import TYPE_CHECKING, Any

from streams.codec import Decoded, FieldMap, PostDecoder, epoch_ms, rfc3339
from streams.events import Closed, Notice, Reject
from streams.logs import open_log
from streams.pipeline import count_alike, make_correlate, make_detect, read_alike
from streams.reading import Reading, in_order
from streams.stages.follow_up import FOLLOW_UP
from streams.stages.telling import PIPELINE
from streams.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from streams.events import Alert, Outcome, Point
    from streams.logs import Chunk, Log
    from streams.reading import File, Record
    from streams.settings import Settings

GAP = PIPELINE.format("gap")


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
        watch: series to look out for: of which ``seen`` says whether they had a foreign post.

    Raises:
        SettingsError: the detector's name or parameters are unknown.
    """

    def __init__(
        self,
        settings: Settings,
        logs: Sequence[Log],
        on_reject: Callable[[Reject], None],
        on_point: Callable[[Point], None] | None = None,
        on_progress: Callable[[int, int, int | None], None] | None = None,
        watch: Iterable[str] = (),
    ) -> None:
        self._all = Replays([settings], logs, on_reject, on_point, on_progress, watch)

    def run(self) -> Iterator[Alert]:
        """Read the logs to their ends; yields alerts in order of event time.

        Raises:
            LogError: a log cannot be read on.
        """
        for _, alert in self._all.run():
            yield alert

    @property
    def bytes_read(self) -> int:
        """Bytes of the logs as stored, read so far."""
        return self._all.bytes_read

    @property
    def seen(self) -> frozenset[str]:
        """Which of the series to look out for had a foreign post."""
        return self._all.seen

    def summary(self, seconds: float) -> Summary:
        """What came of it, after ``seconds`` of work."""
        return self._all.summaries(seconds)[0]


class Replays:
    """Replays of the same logs under several settings, side by side.

    Lines are decoded once, and posts counted once for all settings that count them alike. Each
    gives what a replay of its own would give; only when it is told that a log has stalled may
    depend on the others, where they differ in how posts are counted.

    Args:
        several: settings that read lines alike (``streams.pipeline.read_alike``); at least one.
        logs: open logs.
        on_reject: called with each rejected record, once for all settings that count alike.
        on_point: called with each point for plots of the first settings; None when none are wanted.
        on_progress: as for ``Replay``.
        watch: as for ``Replay``.

    Raises:
        SettingsError: the name or parameters of a detector are unknown.
    """

    def __init__(
        self,
        several: Sequence[Settings],
        logs: Sequence[Log],
        on_reject: Callable[[Reject], None],
        on_point: Callable[[Point], None] | None = None,
        on_progress: Callable[[int, int, int | None], None] | None = None,
        watch: Iterable[str] = (),
    ) -> None:
        first = several[0]
        assert all(read_alike(first, other) for other in several)
        self._decoder = PostDecoder(
            field_map(first),
            record_bytes=first.limits.record_bytes,
            earliest_ms=first.time.earliest_ms,
        )
        self._files = in_order(logs)
        self._watch = frozenset(watch)
        self._on_progress = on_progress
        self._readings: list[Reading] = []
        self._judges: list[_Judge] = []
        for number, settings in enumerate(several):
            reading = next((r for r in self._readings if count_alike(r.settings, settings)), None)
            if reading is None:
                reading = Reading(settings, self._files, on_reject, self._watch)
                self._readings.append(reading)
            points = None if number else on_point
            self._judges.append(_Judge(number, settings, reading, points))

    def run(self) -> Iterator[tuple[int, Alert]]:
        """Read the logs to their ends; yields alerts, with the number of the settings they are of.

        Those of one number come in order of event time.

        Raises:
            LogError: a log cannot be read on.
        """
        active = list(self._files)
        while active:
            file = min(active, key=lambda f: (self._clock(f), f.number))
            chunk = next(file.chunks, None)
            if chunk is None:
                active.remove(file)
                for reading in self._readings:
                    reading.sources[file.number].ended = True
            elif isinstance(chunk, Reject):
                for reading in self._readings:
                    reading.sources[file.number].ingest.refuse(chunk)
            else:
                yield from self._feed(file, chunk)
            for reading in self._readings:
                behind = min((reading.sources[f.number].clock for f in active), default=-1)
                if behind >= 0:
                    yield from self._judge(reading, reading.wake_ended(behind))
            self._report()
        for reading in self._readings:
            yield from self._judge(reading, reading.end())
        for judge in self._judges:
            yield from ((judge.number, alert) for alert in judge.end())
        self._report()

    def _judge(self, reading: Reading, records: Iterable[Record]) -> Iterator[tuple[int, Alert]]:
        """Hand what was read to all who judge it."""
        judges = [judge for judge in self._judges if judge.reading is reading]
        for record in records:
            for judge in judges:
                for alert in judge.take(record):
                    yield judge.number, alert

    def _clock(self, file: File) -> int:
        return min(reading.sources[file.number].clock for reading in self._readings)

    def _feed(self, file: File, chunk: Chunk) -> Iterator[tuple[int, Alert]]:
        batch = self._decoder.decode_chunk(
            chunk.data, source=file.log.name, first_line=chunk.first_line
        )
        shared = batch if len(self._readings) == 1 else Decoded(batch)
        for reading in self._readings:
            yield from self._judge(reading, list(reading.feed(file, shared)))
        file.consumed = chunk.consumed

    def _report(self) -> None:
        if self._on_progress is None:
            return
        sources = self._readings[0].sources
        posts = sum(source.ingest.intake.posts for source in sources)
        reached = max((source.clock for source in sources), default=-1)
        self._on_progress(self.bytes_read, posts, None if reached < 0 else reached)

    @property
    def bytes_read(self) -> int:
        """Bytes of the logs as stored, read so far."""
        return sum(file.consumed for file in self._files)

    @property
    def seen(self) -> frozenset[str]:
        """Which of the series to look out for had a foreign post, however posts were counted."""
        found = [self._watch - reading.unseen for reading in self._readings]
        return frozenset().union(*found)

    def summaries(self, seconds: float) -> list[Summary]:
        """What came of each, in the order of the settings, after ``seconds`` of work for all."""
        return [self._summary(judge, seconds) for judge in self._judges]

    def _summary(self, judge: _Judge, seconds: float) -> Summary:
        sources = judge.reading.sources
        intake = sources[0].ingest.intake.snapshot()
        for source in sources[1:]:
            intake.add(source.ingest.intake)
        first = [s.ingest.first_ms for s in sources if s.ingest.first_ms is not None]
        last = max((source.clock for source in sources), default=-1)
        judged = judge.detect.judged_from_ms
        return Summary(
            posts=intake.posts,
            intake=intake,
            incidents=judge.incidents(),
            pipeline=judge.pipeline(),
            follow_ups=judge.follow_ups,
            first_event=rfc3339(min(first)) if first else None,
            last_event=rfc3339(last) if last >= 0 else None,
            seconds=seconds,
            bytes_read=self.bytes_read,
            logs=[file.log.name for file in self._files],
            judged_from=None if judged is None else rfc3339(judged),
            strange_regions=self._decoder.strange_regions,
            missing_minutes=0.0 if judged is None else judge.missing_ms(judged) / 60_000,
        )


class _Judge:
    """The two stages that judge what was counted, under one of the settings."""

    def __init__(
        self,
        number: int,
        settings: Settings,
        reading: Reading,
        on_point: Callable[[Point], None] | None,
    ) -> None:
        self.number = number
        self.reading = reading
        numbers = [source.number for source in reading.sources]
        self.detect = make_detect(settings, numbers, points=on_point is not None)
        self._stalls: list[Notice] = []
        self._correlate = make_correlate(settings)
        self._on_point = on_point
        self._incidents: dict[str, dict[str, Any]] = {}
        self._pipeline: dict[str, dict[str, Any]] = {}
        self.follow_ups: list[dict[str, Any]] = []

    def take(self, record: Record) -> Iterator[Alert]:
        """Take what was read."""
        if isinstance(record, Closed):
            for outcome in self.detect.closed(record):
                yield from self._outcome(outcome)
        elif isinstance(record, Notice):
            self._stalls.append(record)
        else:
            self.detect.partials(record)

    def end(self) -> Iterator[Alert]:
        """Everything was read."""
        yield from self._tell_stalls(math.inf)

    def _outcome(self, outcome: Outcome) -> Iterator[Alert]:
        if self._on_point is not None:
            for point in outcome.points:
                self._on_point(point)
        yield from self._tell_stalls(outcome.bucket)
        for alert in self._correlate.outcome(outcome):
            self._remember(alert)
            yield alert

    def _remember(self, alert: Alert) -> None:
        if alert.data["status"] == FOLLOW_UP:
            self.follow_ups.append(alert.data)
        elif alert.correlationid is not None:
            self._incidents[alert.correlationid] = alert.data
        else:
            self._pipeline[f"{alert.type} {alert.data['from']}"] = alert.data

    def _tell_stalls(self, bucket: float) -> Iterator[Alert]:
        """Tell what was noticed up to a bucket: it waits so long that alerts come in order."""
        due = [notice for notice in self._stalls if notice.bucket <= bucket]
        self._stalls = [notice for notice in self._stalls if notice.bucket > bucket]
        for notice in due:
            for alert in self._correlate.notice(notice):
                self._remember(alert)
                yield alert

    def incidents(self) -> list[dict[str, Any]]:
        """What is known of each incident."""
        for data in self._correlate.ongoing():
            self._incidents[data["incident_id"]] = data
        return sorted(self._incidents.values(), key=lambda d: (d["detected_at"], d["incident_id"]))

    def pipeline(self) -> list[dict[str, Any]]:
        """The newest of what was told about the pipeline itself."""
        return sorted(self._pipeline.values(), key=lambda d: (d["from"], d["summary"]))

    def missing_ms(self, since_ms: int) -> int:
        """How long, since a moment, data were missing, in gaps that have ended."""
        gaps = [data for name, data in self._pipeline.items() if name.startswith(GAP)]
        return sum(
            max(0, epoch_ms(data["until"]) - max(since_ms, epoch_ms(data["from"])))
            for data in gaps
            if data["until"] is not None
        )
