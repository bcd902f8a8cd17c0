"""A progress bar for what reads logs: bytes of the logs, posts a second, event time reached."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import Console


class ReplayProgress:
    """A context manager that shows how far a replay is; silent unless on a terminal.

    It serves whatever reads logs, under another title.

    Args:
        console: where to, normally one on standard error.
        bytes_total: size of all logs, or None when unknown (standard input).
        clock: seconds that only grow, such as ``time.monotonic``.
        title: what is done.
    """

    def __init__(
        self,
        console: Console,
        bytes_total: int | None,
        clock: Callable[[], float],
        title: str = "replay",
    ) -> None:
        self._clock = clock
        self._started = clock()
        self._bar = Progress(
            TextColumn(title),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[reached]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            refresh_per_second=5,
            get_time=clock,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=bytes_total, speed="", reached="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, *, bytes_read: int, posts: int, event_time_ms: int | None) -> None:
        """Say how far the replay is. Cheap, but call it once a batch, not once a post.

        Args:
            bytes_read: bytes of the logs consumed so far.
            posts: posts read so far.
            event_time_ms: event time reached, milliseconds since 1970 UTC, or None before any.
        """
        seconds = self._clock() - self._started
        reached = ""
        if event_time_ms is not None:
            # Naive local time is never involved: the stamp is built in UTC.
            stamp = datetime.fromtimestamp(event_time_ms / 1000, UTC)
            reached = stamp.strftime("%Y-%m-%d %H:%M")
        self._bar.update(
            self._task,
            completed=bytes_read,
            speed=f"{posts / seconds:,.0f} posts/s" if seconds > 0 else "",
            reached=reached,
        )
