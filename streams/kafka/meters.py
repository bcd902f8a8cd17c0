"""A worker's metrics and health, read from its units when somebody asks.

Nothing is counted twice, and nothing on the way of a post: stages count as part of their work, and
a scrape, in the same loop, looks at them between two slices.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.observe import Health, Monitor
from streams.observe.names import PIPELINE, STATE, CloseTimes, new_registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from streams.kafka.service import StageService
    from streams.observe.names import Figure
    from streams.settings import Settings

_LABELS = {
    "surgewatch_rejected_posts": ("partition", "reason"),
    "surgewatch_incidents": ("severity",),
    "surgewatch_incidents_open": ("severity",),
    "surgewatch_live_series": (),
    "surgewatch_lag_records": ("stage", "partition"),
    "surgewatch_state_bytes": ("unit",),
    "surgewatch_snapshot_seconds": ("unit",),
}
_PARTITION = ("partition",)


class WorkerCollector(Collector):
    """What the units of some stages count.

    Args:
        services: the stages that this worker runs.
    """

    def __init__(self, services: Sequence[StageService]) -> None:
        self._services = services

    def describe(self) -> Iterable[Metric]:
        """The families without samples, for which nothing needs to run."""
        return self._families().values()

    def collect(self) -> Iterable[Metric]:
        """The families with what is counted now."""
        families = self._families()
        now = time.time()
        for figure in self._figures():
            family = families[figure.name]
            values = [figure.labels[label] for label in _labels(figure.name)]
            family.add_metric(values, figure.value)
            if figure.name == "surgewatch_event_time_seconds":
                age = families["surgewatch_watermark_age_seconds"]
                age.add_metric(values, now - figure.value)
        return families.values()

    def _figures(self) -> Iterator[Figure]:
        for service in self._services:
            yield from service.figures()

    @staticmethod
    def _families() -> dict[str, CounterMetricFamily | GaugeMetricFamily]:
        counters = {n: CounterMetricFamily(n, t, labels=_labels(n)) for n, t in PIPELINE.items()}
        gauges = {n: GaugeMetricFamily(n, t, labels=_labels(n)) for n, t in STATE.items()}
        return {**counters, **gauges}


def _labels(name: str) -> tuple[str, ...]:
    return _LABELS.get(name, _PARTITION)


class WorkerHealth(Health):
    """Well when all its stages are, ready when their units are loaded and Kafka answers."""

    services: Sequence[StageService] = ()

    def why_not_well(self) -> str:
        """See ``Health``."""
        for service in self.services:
            if why_not := service.health.why_not_well():
                return f"{service.stage}: {why_not}"
        return ""

    def why_not_ready(self) -> str:
        """See ``Health``."""
        waiting = [service.waits_for() for service in self.services]
        return self.why_not_well() or next(filter(None, waiting), "")


class Meters:
    """All that a worker tells of itself over HTTP.

    Args:
        settings: all of them.

    Attributes:
        health: of the worker.
        times: how long buckets take.
        monitor: the server.
    """

    def __init__(self, settings: Settings) -> None:
        self._registry = new_registry(settings)
        self.health = WorkerHealth()
        self.times = CloseTimes(self._registry)
        self.monitor = Monitor(settings.metrics.listen, self._registry, self.health)

    def watch(self, services: Sequence[StageService]) -> None:
        """These stages are what it tells of."""
        self.health.services = services
        self._registry.register(WorkerCollector(services))
