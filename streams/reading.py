"""Recorded logs as source partitions: each read in turn into its own ingest stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.events import Closed, Notice, Partials
from streams.pipeline import make_ingest
from streams.stages.watermark import end_of_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from streams.codec import Batch, Decoded
    from streams.events import Reject
    from streams.logs import Chunk, Log
    from streams.settings import Settings
    from streams.stages.ingest import Ingest

Record = Partials | Closed | Notice
"""What a reading yields."""

STALL_MS = 3_600_000
STALL_GAPS = 20.0
"""A log that ended is told as stalled when the others are an hour and twenty of its own usual
gaps ahead: a sparse partition is not."""


@dataclass
class File:
    """One log, and how far it has been read."""

    number: int
    log: Log
    chunks: Iterator[Chunk | Reject]
    consumed: int = 0


def in_order(logs: Sequence[Log]) -> list[File]:
    """Logs, numbered by file name, so that the order in which they are given does not matter."""
    return [
        File(number, log, iter(log.chunks())) for number, log in enumerate(sorted(logs, key=_place))
    ]


def _place(log: Log) -> tuple[str, str]:
    """Sort key of a log, the same however its path is written."""
    path = Path(log.name)
    return path.name, str(path.resolve())


@dataclass
class Source:
    """One log as a source partition of one reading.

    Attributes:
        number: of the log.
        ingest: its stage.
        last_ms: where its own posts had led the clock when it had ended, and others went on.
        ended: has it been read to its end?
        told: was it told as stalled?
    """

    number: int
    ingest: Ingest
    last_ms: int | None = None
    ended: bool = False
    told: bool = False

    @property
    def clock(self) -> int:
        """Event time that it has reached, ms; -1 before any."""
        clock = self.ingest.clock_ms
        return -1 if clock is None else clock

    @property
    def own_clock(self) -> int:
        """Where its own posts have led the clock."""
        return self.clock if self.last_ms is None else self.last_ms


class Reading:
    """The ingest stages of one way to count posts, one a log.

    What it yields is what ingest emits, and between that a notice where a log is missed.

    Args:
        settings: that say how posts are counted.
        files: the logs.
        on_reject: called with each rejected record.
        watch: series to look out for.

    Attributes:
        sources: one a log, by its number.
        unseen: which of the series to look out for had no foreign post yet.
    """

    def __init__(
        self,
        settings: Settings,
        files: Sequence[File],
        on_reject: Callable[[Reject], None],
        watch: Iterable[str],
    ) -> None:
        self.settings = settings
        self.sources = [
            Source(file.number, make_ingest(settings, file.number, file.log.name, on_reject))
            for file in files
        ]
        self.unseen = set(watch)

    def feed(self, file: File, batch: Batch | Decoded) -> Iterator[Record]:
        """Take lines of a log; yields what closes."""
        yield from self._through(self.sources[file.number].ingest.feed(batch))

    def _through(self, records: Iterable[Partials | Closed]) -> Iterator[Record]:
        for record in records:
            if self.unseen and not isinstance(record, Closed):
                self.unseen.difference_update(record.series)
            yield record

    def wake_ended(self, time_ms: int) -> Iterator[Record]:
        """Logs that have ended get the others' event time as a marker, and may be told stalled."""
        for source in self.sources:
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
                    yield self._stall(source, time_ms)

    def _is_missed(self, ended: Source) -> bool:
        """Does another log go on that had run beside this one? One that began later takes over."""
        assert ended.last_ms is not None
        others = (s for s in self.sources if s.own_clock > ended.last_ms)
        starts = (other.ingest.first_ms for other in others)
        return any(start is not None and start + STALL_MS <= ended.last_ms for start in starts)

    def _stall(self, source: Source, time_ms: int) -> Notice:
        size = self.settings.time.bucket_ms
        assert source.last_ms is not None
        details = {
            "partition": source.number,
            "minutes": (time_ms - source.last_ms) / 60_000,
        }
        since = source.last_ms // size
        return Notice("stalled", "open", time_ms // size, since, details)

    def end(self) -> Iterator[Record]:
        """The end of all logs acts like a last marker: buckets close."""
        end = end_of_logs([source.ingest.mark for source in self.sources])
        for source in self.sources:
            yield from self._through(source.ingest.end(end))
