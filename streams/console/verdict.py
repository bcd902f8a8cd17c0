"""What a replay amounts to: surges, an all-clear, or that there was too little to judge by.

An all-clear is worth what it rests on: it is said only of a stretch of time that was judged.
Everything returned is safe for a terminal; HTML callers still escape it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.console import phrases
from streams.console.text import visible
from streams.errors import REJECT_REASONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.summary import Summary

_MOST = 0.5
"""Beyond this share of unusable records an all-clear would rest on the lesser part."""
_NOTEWORTHY = 0.05
_NAME_CHARS = 24

_NOT_OURS = frozenset({"not_json", "not_object", "bad_encoding", "empty", "too_large", "truncated"})
_TO_MAP = frozenset({"missing_field", "wrong_type", "bad_value"})
_OF_TIME = frozenset({"bad_timestamp", "out_of_range"})


def headline(summary: Summary, incidents: Sequence[phrases.Data]) -> str:
    """Return the outcome in a sentence.

    Args:
        summary: of the replay.
        incidents: the newest data of each.
    """
    total = len(incidents)
    if not total:
        return _no_basis(summary) or (
            f"No surge of foreign users found; judged from {judged(summary)}."
        )
    going = sum(data["closed_at"] is None for data in incidents)
    if total == 1:
        state = "not over at the end of the log" if going else "over"
        return f"1 surge of foreign users, {state}."
    state = f"{going:,} not over at the end of the log" if going else "all over"
    return f"{total:,} surges of foreign users, {state}."


def foremost(incidents: Sequence[phrases.Data]) -> tuple[str, phrases.Data]:
    """Return the incident to name first, and as what: the most urgent, or when over the largest."""
    if len(incidents) > 1 and all(data["closed_at"] is not None for data in incidents):
        return "Largest: ", max(incidents, key=lambda data: data["users"])
    return "Most urgent: " if len(incidents) > 1 else "", min(incidents, key=phrases.urgency)


def judged(summary: Summary) -> str:
    """Return the stretch of time in which alerts were possible, or a dash."""
    if summary.judged_from is None:
        return "–"
    return f"{phrases.moment(summary.judged_from)} to {phrases.moment(summary.last_event)}"


def remedy(summary: Summary) -> str | None:
    """Return what to do when nothing, or too little, could be judged."""
    if _no_basis(summary) is None:
        return None
    if not summary.posts:
        return "Look at what was given as LOG."
    rejected = sum(summary.intake.rejected.values())
    if rejected > _MOST * summary.posts:
        return _rejects_remedy(_main_reason(summary))
    if rejected + summary.intake.late > _MOST * summary.posts:
        return (
            "A log must be in order of time but for time.allowed_lateness: sort it, or raise that."
        )
    return "Give a longer log, or lower detection.warmup in a configuration file."


def notes(summary: Summary) -> list[str]:
    """Return what of the input is odd enough to be told; often nothing."""
    found: list[str] = []
    if not summary.posts:
        return found
    rejected = sum(summary.intake.rejected.values())
    if rejected > _NOTEWORTHY * summary.posts:
        found.append(
            f"{_part(rejected, summary)} of the records were rejected, {_why(summary)}; --rejects "
            "FILE writes each of them with its reason"
        )
    if summary.intake.late > _NOTEWORTHY * summary.posts:
        found.append(
            f"{_part(summary.intake.late, summary)} of the posts were late and are not counted: "
            "they came further out of order than time.allowed_lateness"
        )
    strange = sum(summary.strange_regions.values())
    if strange > _NOTEWORTHY * summary.posts:
        counts = {name: count for name, count in summary.strange_regions.items() if name}
        most = visible(max(counts, key=counts.__getitem__), _NAME_CHARS)
        found.append(
            f"{_part(strange, summary)} of the records name a region that is no ISO 3166 code of "
            f"two letters, as {most}; they count as ZZ"
        )
    return found


def _no_basis(summary: Summary) -> str | None:
    """Why an all-clear can't be given; None when it can."""
    posts, late = summary.posts, summary.intake.late
    rejected = sum(summary.intake.rejected.values())
    if not posts:
        return "Nothing could be judged: the log is empty."
    if rejected == posts:
        return f"Nothing could be judged: all {posts:,} records were rejected, {_why(summary)}."
    if rejected > _MOST * posts:
        part = _part(rejected, summary)
        return f"No all-clear: {part} of the records were rejected, {_why(summary)}."
    if rejected + late > _MOST * posts:
        return (
            f"No all-clear: {_part(rejected + late, summary)} of the posts were not counted, most "
            "of them because they were late."
        )
    if summary.judged_from is None:
        return (
            "Nothing could be judged: the log is shorter than the warm-up, in which a replay only "
            "learns what is usual; River's detectors need some days more than the default."
        )
    return None


def _part(part: int, summary: Summary) -> str:
    return f"{phrases.percent(part / summary.posts)} ({part:,})"


def _main_reason(summary: Summary) -> str:
    return min(summary.intake.rejected.items(), key=lambda item: (-item[1], item[0]))[0]


def _why(summary: Summary) -> str:
    reason = _main_reason(summary)
    meaning = REJECT_REASONS.get(reason)
    return f"most often as {visible(reason)}{f' ({meaning})' if meaning else ''}"


def _rejects_remedy(reason: str) -> str:
    if reason in _TO_MAP:
        return (
            "A log holds posts, not alerts; if their fields have other names, map them under "
            "[input.fields] in a configuration file (see examples/own_fields.toml). --rejects FILE "
            "shows what is wrong with each record."
        )
    if reason in _OF_TIME:
        return (
            "Times are RFC 3339 with an offset (2025-01-13T02:00:00Z), or seconds or milliseconds "
            "since 1970; if it is another field, map it under [input.fields]. --rejects FILE shows "
            "what is wrong with each record."
        )
    if reason in _NOT_OURS:
        return (
            "A log is one JSON object a line (plain, gzip or zstd) or Parquet; --rejects FILE "
            "shows the lines that were refused."
        )
    return "--rejects FILE shows what is wrong with each record."
