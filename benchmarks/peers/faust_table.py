"""A Faust agent with a table: the posts of each region, kept in memory and in a changelog."""

from __future__ import annotations

import os
from typing import Any

import faust
import meter

app = faust.App(
    meter.NAME,
    broker=f"kafka://{meter.BOOTSTRAP}",
    store="memory://",
    web_enabled=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    topic_partitions=1,
)
posts = app.topic(meter.TOPIC, value_serializer="json")
counts = app.Table("counts", default=int, partitions=1)


@app.agent(posts)
async def count(stream: Any) -> None:
    """Count the posts of each region."""
    seen = 0
    async for post in stream:
        meter.begin()
        counts[post.get("region", "")] += 1
        seen += 1
        if seen == meter.POSTS:
            meter.end(seen)
            os._exit(0)


faust.Worker(app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()
