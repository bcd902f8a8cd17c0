"""Bytewax: the posts of each region and minute of event time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import meter
import orjson
from bytewax.connectors.kafka import KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower, count_window
from bytewax.run import cli_main

counted = 0


def decode(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, datetime] | None:
    """Region and time of a post; nothing of a marker."""
    meter.begin()
    post = orjson.loads(message.value)
    if "region" not in post:
        return None
    return post["region"], datetime.fromisoformat(post["created_at"])


def add(item: tuple[str, tuple[int, int]]) -> None:
    """Take the count of a window."""
    global counted  # noqa: PLW0603
    counted += item[1][1]


flow = Dataflow("posts")
stream = kop.input("posts", flow, brokers=[meter.BOOTSTRAP], topics=[meter.TOPIC], tail=False)
decoded: Any = op.filter_map("decode", stream.oks, decode)
windows = count_window(
    "count",
    decoded,
    EventClock(ts_getter=lambda item: item[1], wait_for_system_duration=timedelta(minutes=2)),
    TumblingWindower(length=timedelta(minutes=1), align_to=datetime(2025, 1, 1, tzinfo=UTC)),
    key=lambda item: item[0],
)
op.inspect("counts", windows.down, lambda _, item: add(item))
cli_main(flow)
assert counted == meter.POSTS, counted
meter.end(counted)
