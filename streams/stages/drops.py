"""What limits have dropped and which detectors have failed, and when that is told."""

from __future__ import annotations

from streams.events import Notice

_HOUR_MS = 3_600_000


class _Hourly:
    """Tells what a growing count has grown by, at most once an hour of event time."""

    def __init__(self, bucket_ms: int) -> None:
        self._bucket_ms = bucket_ms
        self._told = 0
        self._hour = -1

    def due(self, bucket: int, count: int) -> int:
        """By how much the count has grown since it was last told; 0 if nothing is to be told."""
        hour, grown = bucket * self._bucket_ms // _HOUR_MS, count - self._told
        if hour == self._hour or grown <= 0:
            return 0
        self._hour, self._told = hour, count
        return grown


class Drops:
    """Series, and cohorts of past waves, that were dropped by limits; told at most once an hour.

    Args:
        bucket_ms: length of a bucket.

    Attributes:
        series: series that the detect stage has dropped so far.
        cohorts: cohorts that it has dropped so far.
    """

    def __init__(self, bucket_ms: int) -> None:
        self.series = 0
        self.cohorts = 0
        self._hourly = _Hourly(bucket_ms)
        self._hourly_cohorts = _Hourly(bucket_ms)

    def notices(self, bucket: int, in_ingest: int, live: int) -> list[Notice]:
        """What is to be told at the end of a bucket.

        Args:
            bucket: its index.
            in_ingest: series that the ingest stages have dropped so far.
            live: series that are watched now.
        """
        dropped = self._hourly.due(bucket, self.series + in_ingest)
        cohorts = self._hourly_cohorts.due(bucket, self.cohorts)
        if not (dropped or cohorts):
            return []
        details = {"series_dropped": float(dropped), "series_live": float(live)}
        if cohorts:
            details["cohorts_dropped"] = float(cohorts)
        return [Notice("capped", "open", bucket, bucket, details)]


class Failures:
    """Series whose detector has failed, and which are no longer judged; told likewise.

    Args:
        bucket_ms: length of a bucket.
    """

    def __init__(self, bucket_ms: int) -> None:
        self._series = 0
        self._first = ""
        self._hourly = _Hourly(bucket_ms)

    def notices(self, bucket: int, failed: list[tuple[int, str]], keys: list[str]) -> list[Notice]:
        """What is to be told at the end of a bucket.

        Args:
            bucket: its index.
            failed: see ``ModelBank.take_failures``.
            keys: the series of each row.
        """
        if failed and not self._first:
            row, how = failed[0]
            self._first = f"{keys[row]}: {how}" if row >= 0 else how
        self._series += len(failed)
        grown = self._hourly.due(bucket, self._series)
        if not grown:
            return []
        details = {"series_failed": float(grown), "series_failed_in_all": float(self._series)}
        first, self._first = self._first, ""
        return [Notice("detector", "open", bucket, bucket, details, first)]
