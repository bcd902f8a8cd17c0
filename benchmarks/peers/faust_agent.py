"""A plain Faust agent, as its documentation's first page has it: it counts posts one by one."""

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
)
posts = app.topic(meter.TOPIC, value_serializer="json")


@app.agent(posts)
async def count(stream: Any) -> None:
    """Count the posts."""
    seen = 0
    async for _post in stream:
        meter.begin()
        seen += 1
        if seen == meter.POSTS:
            meter.end(seen)
            os._exit(0)


faust.Worker(app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()
