"""Input that cannot be used more than it should be, told while it lasts: rejects, wrong clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.errors import REJECT_REASONS
from streams.events import Notice

if TYPE_CHECKING:
    from streams.events import Intake

_HOUR_MS = 3_600_000
HELD = "held"
"""Beside the reasons of rejects: posts far ahead wait to be confirmed, some of them for good."""
CLOCK_REASONS = ("future", "out_of_range", HELD)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is told from which share of the posts on, if there are so many.

    Attributes:
        kind: of the notice.
        reasons: that count, of rejects or ``held``.
        share_min: of the posts of the time.
        count_min: fewer are a few broken clients.
    """

    kind: str
    reasons: tuple[str, ...]
    share_min: float
    count_min: int


TROUBLES = (
    Trouble("rejects", tuple(REJECT_REASONS), 0.05, 100),
    Trouble("clock", CLOCK_REASONS, 0.01, 20),
)


@dataclass(slots=True)
class Quality:
    """Looks once an hour of event time at what became of the posts since it looked last.

    It goes by counts of the source partitions when each of them closed a bucket, so a replay tells
    the same as live operation.

    Args:
        bucket_ms: length of a bucket.
    """

    bucket_ms: int
    _hour: int | None = None
    _posts: int = 0
    _counts: dict[str, int] = field(default_factory=dict)
    _since: dict[str, int] = field(default_factory=dict)

    def due(self, first: int, last: int) -> list[int]:
        """The buckets from first to last at which an hour has begun since it looked."""
        begun = [first] if self._hour != first * self.bucket_ms // _HOUR_MS else []
        per_hour = _HOUR_MS // self.bucket_ms
        return [*begun, *range((first // per_hour + 1) * per_hour, last + 1, per_hour)]

    def notices(self, bucket: int, intake: Intake) -> list[Notice]:
        """What is to be told at the end of a bucket.

        Args:
            bucket: its index.
            intake: what became of all posts up to it.
        """
        posts = intake.posts - self._posts
        counts = intake.rejected | {HELD: intake.held}
        grown = {reason: count - self._counts.get(reason, 0) for reason, count in counts.items()}
        is_first = self._hour is None
        self._hour = bucket * self.bucket_ms // _HOUR_MS
        self._posts, self._counts = intake.posts, counts
        if is_first:
            return []
        return [
            notice
            for trouble in TROUBLES
            if (notice := self._look(trouble, bucket, posts, grown)) is not None
        ]

    def _look(
        self, trouble: Trouble, bucket: int, posts: int, grown: dict[str, int]
    ) -> Notice | None:
        """Whether a trouble has begun or ended."""
        # Held posts that were confirmed after all are fewer than before.
        count = max(sum(grown.get(reason, 0) for reason in trouble.reasons), 0)
        share = count / posts if posts else 0.0
        is_bad = count >= trouble.count_min and share >= trouble.share_min
        since = self._since.get(trouble.kind)
        if is_bad == (since is not None):
            return None
        held = min(max(grown[HELD], 0), count) if HELD in trouble.reasons else 0
        details = {"rejected": float(count - held), "posts": float(posts), "share": share}
        if held > 0:
            details[HELD] = float(held)
        if is_bad:
            self._since[trouble.kind] = since = max(bucket - _HOUR_MS // self.bucket_ms, 0)
            return Notice(trouble.kind, "open", bucket, since, details)
        assert since is not None
        del self._since[trouble.kind]
        return Notice(trouble.kind, "closed", bucket, since, details)
