"""What routes would be told of recorded alerts, if they came now: a replay, asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from streams.codec import decode_alert, epoch_ms
from streams.errors import RecordError
from streams.notify.book import Book
from streams.notify.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.notify.records import Notification
    from streams.settings import Notify


def replayed(
    notify: Notify, lines: Iterable[tuple[int, bytes]], source: str
) -> tuple[list[Notification], int]:
    """Go through recorded alerts as if each came at its time, and nobody waited for anything.

    Args:
        notify: the routes; quiet hours, groups and repetitions are left out.
        lines: number and bytes of each alert.
        source: the CloudEvents source.

    Returns:
        The notifications in order, marked as a replay, and how many lines were no alerts.
    """
    routes = tuple(
        replace(route, group_window_ms=0, repeat_ms=0, quiet_hours="") for route in notify.routes
    )
    book = Book(replace(notify, routes=routes), source)
    found: list[Notification] = []
    unreadable = 0
    for number, line in lines:
        try:
            now_ms = epoch_ms(decode_alert(line).time)
        except RecordError:
            unreadable += 1
            continue
        book.alert(line, number, now_ms)
        for some in book.due(now_ms).values():
            for one in some:
                found.append(msgspec.structs.replace(one, replay=True))
                book.record(one, Outcome.DELIVERED, now_ms)
    return found, unreadable + book.counts.unreadable
