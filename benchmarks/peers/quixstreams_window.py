"""Quix Streams: the posts of each message key, which is the region, and minute of event time."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timedelta
from typing import Any

import meter
from quixstreams import Application


def event_time(value: Any, _headers: Any, timestamp: float, _kind: Any) -> int:
    """When a post was written, in milliseconds; a marker keeps the broker's time."""
    written = value.get("created_at")
    if written is None:
        return int(timestamp)
    return int(datetime.fromisoformat(written).timestamp() * 1000)


seen = 0


def processed(_topic: str, _partition: int, _offset: int) -> None:
    """Count what has gone through everything."""
    global seen  # noqa: PLW0603
    meter.begin()
    seen += 1
    if seen == meter.POSTS:
        meter.end(seen)
        os._exit(0)


with tempfile.TemporaryDirectory() as state:
    app = Application(
        broker_address=meter.BOOTSTRAP,
        consumer_group=meter.NAME,
        auto_offset_reset="earliest",
        state_dir=state,
        on_message_processed=processed,
        loglevel="WARNING",
    )
    posts = app.topic(meter.TOPIC, value_deserializer="json", timestamp_extractor=event_time)
    frame = app.dataframe(posts)
    frame = frame.tumbling_window(timedelta(minutes=1), grace_ms=timedelta(minutes=2)).count()
    frame.final()
    app.run()
