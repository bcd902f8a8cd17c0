"""What shapes the detect stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DetectParams:
    """What shapes the detect stage; lengths of time are in buckets.

    Attributes:
        bucket_ms: length of a bucket.
        fresh_for: how long a counted user is not counted again.
        warmup: no alarm before the log is so old.
        close_after: calm that closes an episode.
        rows_per_series: rows of a series and bucket that are kept before it is sampled.
        live_series: series that are watched at once.
        fresh_users: entries of the freshness memory.
        history_rows: rows of the lookback.
        points: are points for plots wanted?
    """

    bucket_ms: int
    fresh_for: int
    warmup: int
    close_after: int
    rows_per_series: int
    live_series: int
    fresh_users: int
    history_rows: int
    points: bool
