"""aiokafka alone: whole fetches, each post decoded with orjson, nothing done with it."""

from __future__ import annotations

import asyncio

import meter
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition


async def main() -> None:
    """Read the posts."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=meter.BOOTSTRAP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    consumer.assign([TopicPartition(meter.TOPIC, 0)])
    seen = 0
    while seen < meter.POSTS:
        for records in (await consumer.getmany(timeout_ms=100, max_records=4_000)).values():
            meter.begin()
            for record in records:
                orjson.loads(record.value)
            seen += len(records)
    meter.end(seen)
    await consumer.stop()


asyncio.run(main())
