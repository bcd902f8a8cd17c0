"""What is said of troubles of the pipeline, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.events import Notice

_SUMMARIES = {
    (
        "gap",
        "open",
    ): "No foreign posts where some were expected: data are missing, nothing is judged",
    ("gap", "closed"): "Foreign posts arrive again after a gap in the data",
    ("capped", "open"): "A limit was reached: the lightest series are no longer watched",
    ("detector", "open"): "The detector failed in some series, which are no longer judged",
    ("stalled", "open"): "Event time stands still in a source partition while others go on",
    ("rejects", "open"): "Many posts cannot be used: their source may have changed its format",
    ("rejects", "closed"): "Posts can be used again",
    ("clock", "open"): "Many posts carry times that cannot be: the clock of their source is wrong",
    ("clock", "closed"): "Hardly a post carries an impossible time any more",
    ("lag", "open"): "Posts come faster than they are worked on, or a worker is missing",
    ("lag", "closed"): "What was left to work on has been worked on",
    ("stalled", "closed"): "Event time moves again in a source partition that stood still",
}
_COHORTS = "A limit was reached: the smallest past waves are not followed up"


def summary(notice: Notice) -> str:
    """Say what is wrong, or is over."""
    details = notice.details
    if details.get("cohorts_dropped") and not details.get("series_dropped"):
        return _COHORTS
    return _SUMMARIES[notice.kind, notice.status]
