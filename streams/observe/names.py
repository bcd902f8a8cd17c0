"""Every metric, by name. No label holds a hashtag, a region, a user or an incident."""

from __future__ import annotations

from importlib import metadata
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.settings import Settings

DELIVERY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CLOSE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

PIPELINE = {
    "surgewatch_posts": "Posts that were read, whatever became of them",
    "surgewatch_foreign_posts": "Posts of foreign users that were counted",
    "surgewatch_home_posts": "Posts of home users, which count for nothing",
    "surgewatch_late_posts": "Foreign posts that came after their bucket had closed",
    "surgewatch_duplicate_posts": "Foreign posts that were read before",
    "surgewatch_rejected_posts": "Posts that could not be used, by reason",
    "surgewatch_hashtags_dropped": "Hashtags beyond limits.hashtags_per_post",
    "surgewatch_series_dropped": "Series beyond a limit that were not watched",
    "surgewatch_incidents": "Incidents that have opened",
}
"""Counters that the stages keep, with what they mean; their samples end in ``_total``."""

STATE = {
    "surgewatch_lag_records": "Records of an input partition that are left to read",
    "surgewatch_watermark_age_seconds": "Time since the event time that a partition has reached",
    "surgewatch_event_time_seconds": "Event time that a partition has reached, since 1970 UTC",
    "surgewatch_live_series": "Series that are watched",
    "surgewatch_incidents_open": "Incidents that go on, by severity",
    "surgewatch_held_posts": "Posts that wait for other users to confirm their time",
    "surgewatch_state_bytes": "Length of the latest snapshot of a unit's state",
    "surgewatch_snapshot_seconds": "Time that the latest snapshot took to make",
}
"""Gauges of the stages, with what they mean."""


class Figure(NamedTuple):
    """One sample of a metric; ``name`` is one of the above."""

    name: str
    value: float
    labels: Mapping[str, str] = MappingProxyType({})


def new_registry(settings: Settings) -> CollectorRegistry:
    """A registry that says which version and configuration this is, and what the process takes."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    info = Info("surgewatch_build", "Version, and fingerprint of the settings", registry=registry)
    info.info({"version": metadata.version("surgewatch"), "config": settings.fingerprint})
    return registry


class CloseTimes:
    """How long detect takes for a bucket."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "surgewatch_bucket_close_seconds",
            "Time that the detector and all about it take for one bucket",
            buckets=CLOSE_BUCKETS,
            registry=registry,
        )

    def closed(self, seconds: float, buckets: int) -> None:
        """So many buckets took so long each."""
        for _ in range(buckets):
            self.seconds.observe(seconds)


class DeliveryMetrics:
    """What a notifier counts; labels are names of routes and destinations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("route", "destination")
        self.deliveries = Counter(
            "surgewatch_deliveries",
            "Notifications, by what became of them",
            (*labels, "outcome"),
            registry=registry,
        )
        self.attempts_failed = Counter(
            "surgewatch_delivery_failures",
            "Attempts that a destination did not take",
            labels,
            registry=registry,
        )
        self.seconds = Histogram(
            "surgewatch_delivery_seconds",
            "Time that a destination took for one delivery",
            labels,
            buckets=DELIVERY_BUCKETS,
            registry=registry,
        )
        self.waiting = Gauge(
            "surgewatch_notifications_waiting",
            "Notifications that are due and not delivered",
            ("route",),
            registry=registry,
        )
        self.oldest = Gauge(
            "surgewatch_notifications_oldest_seconds",
            "For how long the oldest of them has been due",
            ("route",),
            registry=registry,
        )
        self.unreadable = Counter(
            "surgewatch_notify_unreadable_records",
            "Records of alerts, operators or notifications that could not be used",
            registry=registry,
        )
        self.dropped = Counter(
            "surgewatch_notify_dropped_records",
            "Incidents, acknowledgements and silences that were too many to keep",
            registry=registry,
        )
        self.subjects = Gauge(
            "surgewatch_notify_subjects",
            "Incidents and troubles of the pipeline that the notifier keeps",
            registry=registry,
        )
