"""The pipeline, built from the settings: ``ingest -> detect -> correlate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from detectors.catalog import BankContext, make_bank
from detectors.origin import Origin
from streams.errors import SettingsError
from streams.stages.correlate import Correlate
from streams.stages.detect import Detect
from streams.stages.detect_params import DetectParams
from streams.stages.ingest import Ingest, IngestParams
from streams.stages.telling import CorrelateParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams import settings as settings_module
    from streams.events import Reject
    from streams.settings import Settings


class _Counting(NamedTuple):
    """All of the settings that the ingest stage depends on."""

    params: IngestParams
    origin: settings_module.Origin
    key: settings_module.Secret


def _counting(settings: Settings) -> _Counting:
    limits, time = settings.limits, settings.time
    params = IngestParams(
        bucket_ms=time.bucket_ms,
        allowed_lateness_ms=time.allowed_lateness_ms,
        max_jump_ms=time.max_jump_ms,
        hashtags_per_post=limits.hashtags_per_post,
        hashtag_length=limits.hashtag_length,
        held_posts=limits.held_posts,
        rows_per_series=limits.rows_per_series,
        series_per_bucket=limits.series_per_bucket,
    )
    return _Counting(params, settings.origin, settings.users.key)


def count_alike(one: Settings, other: Settings) -> bool:
    """Whether the ingest stage emits the same of the same posts under both."""
    return _counting(one) == _counting(other)


def read_alike(one: Settings, other: Settings) -> bool:
    """Whether a line of a log holds the same post, or is rejected, under both."""
    first, second = (
        (settings.input, settings.limits.record_bytes, settings.time.earliest_ms)
        for settings in (one, other)
    )
    return first == second


def make_ingest(
    settings: Settings, partition: int, source: str, reject: Callable[[Reject], None]
) -> Ingest:
    """The ingest stage of one source partition, which is read from ``source``."""
    params, origin, key = _counting(settings)
    return Ingest(
        partition,
        source,
        params,
        Origin(
            frozenset(origin.home_regions),
            frozenset(origin.home_languages),
            origin.newcomer_age_ms,
        ),
        key.reveal(),
        reject,
    )


def make_detect(settings: Settings, partitions: list[int], *, points: bool) -> Detect:
    """The detect stage over these source partitions.

    Raises:
        SettingsError: ``detection.detector`` or one of its parameters is unknown.
    """
    bucket_ms = settings.time.bucket_ms
    detection, limits = settings.detection, settings.limits

    def buckets(ms: int) -> int:
        return max(1, -(-ms // bucket_ms))

    context = BankContext(
        bucket_minutes=bucket_ms / 60_000,
        false_incidents_per_week=settings.alerts.false_incidents_per_week,
        watched_series=limits.watched_series,
        fresh_for_buckets=buckets(detection.fresh_for_ms),
        min_users=settings.alerts.min_users,
    )
    try:
        bank = make_bank(detection.detector, detection.parameters, context=context)
    except ValueError as error:
        raise SettingsError(f"detection.detector or detection.parameters: {error}") from error
    params = DetectParams(
        bucket_ms=bucket_ms,
        fresh_for=context.fresh_for_buckets,
        warmup=detection.warmup_ms // bucket_ms,
        close_after=buckets(settings.alerts.close_after_ms),
        rows_per_series=limits.rows_per_series,
        live_series=limits.live_series,
        fresh_users=limits.fresh_users,
        history_rows=limits.history_rows,
        points=points,
    )
    return Detect(params, bank, partitions)


def make_correlate(settings: Settings) -> Correlate:
    """The correlate stage."""
    return Correlate(
        CorrelateParams(settings.time.bucket_ms, settings.alerts.source, settings.fingerprint)
    )
