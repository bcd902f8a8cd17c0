"""Does Kafka answer? A consumer that gets nothing cannot tell an outage from silence."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

log = logging.getLogger("surgewatch.kafka")

LOOK_S = 5.0


async def ask(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], heard: Callable[[], None]
) -> None:
    """Ask where partitions end, again and again, until cancelled.

    Args:
        consumer: that was started.
        places: what to ask for.
        heard: called when Kafka has answered.
    """
    while True:
        try:
            await consumer.end_offsets(places)
        except KafkaError as error:
            log.debug("Kafka does not answer: %r", error)
        else:
            heard()
        await asyncio.sleep(LOOK_S)
