"""Pathway: the posts of each region and minute of event time."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import meter
import pathway as pw


class Post(pw.Schema):
    """What is read of a post; markers have neither."""

    created_at: str | None
    region: str | None


settings = {
    "bootstrap.servers": meter.BOOTSTRAP,
    "group.id": meter.NAME,
    "auto.offset.reset": "earliest",
    "session.timeout.ms": "6000",
}
posts = pw.io.kafka.read(
    settings, meter.TOPIC, schema=Post, format="json", autocommit_duration_ms=500
)
counts = (
    posts.filter(pw.this.region.is_not_none())
    .select(
        region=pw.unwrap(pw.this.region),
        time=pw.unwrap(pw.this.created_at).dt.strptime("%Y-%m-%dT%H:%M:%S.%fZ"),
    )
    .windowby(
        pw.this.time,
        window=pw.temporal.tumbling(timedelta(minutes=1)),
        instance=pw.this.region,
    )
    .reduce(
        region=pw.this._pw_instance,  # noqa: SLF001 - so its documentation says
        count=pw.reducers.count(),
    )
)
total = 0


def change(key: pw.Pointer, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ARG001
    """Follow how the counts of all windows add up."""
    global total  # noqa: PLW0603
    total += row["count"] if is_addition else -row["count"]


def done(time: int) -> None:  # noqa: ARG001
    """Stop once every post is in a count."""
    if total == meter.POSTS:
        meter.end(total)
        os._exit(0)


pw.io.subscribe(counts, on_change=change, on_time_end=done)
# The engine says nothing of a first post: its start is a part of what is measured.
meter.begin()
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
