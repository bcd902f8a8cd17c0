"""River's detectors on the same counts, as the catalogue makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from detectors.catalog import BankContext, make_bank

if TYPE_CHECKING:
    from benchmarks.detection.counts import Counts, Floats

WATCHED = 500


@dataclass(frozen=True)
class River:
    """A bank of one of River's detectors, fed bucket by bucket.

    Attributes:
        name: how the table names it.
        detector: its name in the catalogue.
        parameters: its own.
        heavy: takes a minute for a small world.
    """

    name: str
    detector: str
    parameters: dict[str, object] = field(default_factory=dict)
    heavy: bool = False

    def score(self, counts: Counts) -> Floats:
        """See ``classical.Method``."""
        context = BankContext(
            bucket_minutes=counts.minutes,
            false_incidents_per_week=1.0,
            min_users=5,
            fresh_for_buckets=6 * counts.per_hour,
            watched_series=WATCHED,
        )
        bank = make_bank(self.detector, self.parameters, context=context)
        parents = np.zeros(len(counts.keys), dtype=np.int64)
        parents[0] = -1
        bank.resize(parents)
        result = np.full(len(counts.row), -np.inf)
        for bucket, mine in counts.each():
            rows, fresh = counts.row[mine], counts.fresh[mine]
            if not len(rows):
                bank.skip(bucket, bucket, missing=False)
                continue
            result[mine] = bank.score_many(bucket, rows, fresh, np.ones(len(rows))).score
            bank.learn_many(bucket, rows, fresh)
        return result


def river() -> list[River]:
    """All that make sense for counts."""
    trees: dict[str, object] = {"n_trees": 10, "height": 8}
    forest = {"name": "river.anomaly.HalfSpaceTrees", **trees}
    forecasters = {
        "HoltWinters": {"name": "river.time_series.HoltWinters", "alpha": 0.3},
        "SNARIMAX": {"name": "river.time_series.SNARIMAX", "p": 3, "d": 0, "q": 0},
    }
    return [
        River("GaussianScorer", "river.anomaly.GaussianScorer"),
        River("HalfSpaceTrees", "river.anomaly.HalfSpaceTrees", trees, heavy=True),
        River(
            "QuantileFilter over HalfSpaceTrees",
            "river.anomaly.QuantileFilter",
            {"anomaly_detector": forest, "q": 0.95},
            heavy=True,
        ),
        River("LocalOutlierFactor", "river.anomaly.LocalOutlierFactor", heavy=True),
        *(
            River(
                f"PredictiveAnomalyDetection, {name}",
                "river.anomaly.PredictiveAnomalyDetection",
                {"predictive_model": model},
            )
            for name, model in forecasters.items()
        ),
        River("ADWIN", "river.drift.ADWIN"),
        River("Page-Hinkley", "river.drift.PageHinkley"),
    ]
