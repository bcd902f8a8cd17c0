"""What limits have dropped, and when that is told."""

from __future__ import annotations

from streams.events import Notice

_HOUR_MS = 3_600_000


class Drops:
    """Series that were dropped by limits; told at most once an hour.

    Args:
        bucket_ms: length of a bucket.

    Attributes:
        series: series that the detect stage has dropped so far.
    """

    def __init__(self, bucket_ms: int) -> None:
        self.series = 0
        self._bucket_ms = bucket_ms
        self._told = 0
        self._hour = -1

    def notices(self, bucket: int, in_ingest: int, live: int) -> list[Notice]:
        """What is to be told at the end of a bucket.

        Args:
            bucket: its index.
            in_ingest: series that the ingest stages have dropped so far.
            live: series that are watched now.
        """
        hour, dropped = bucket * self._bucket_ms // _HOUR_MS, self.series + in_ingest
        if hour == self._hour or dropped <= self._told:
            return []
        details = {"series_dropped": float(dropped - self._told), "series_live": float(live)}
        self._hour, self._told = hour, dropped
        return [Notice("capped", "open", bucket, bucket, details)]
