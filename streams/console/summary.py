"""What a replay found, on a terminal: the summary, and the feed an operator would have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from streams.console import phrases, reasons, verdict
from streams.console.lines import (
    SEVERITY_STYLES,
    print_caution,
    print_facts,
    print_hanging,
)
from streams.console.text import visible
from streams.stages.follow_up import FOLLOW_UP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from streams.summary import Summary

INCIDENTS_SHOWN = 20
PIPELINE_SHOWN = 20


def print_summary(summary: Summary, console: Console) -> None:
    """Print what was read, every incident, and what the data lacked.

    Args:
        summary: the outcome of a replay.
        console: where to; its width and colours are respected.
    """
    _print_intake(summary, console)
    console.print()
    incidents = sorted(summary.incidents, key=phrases.urgency)
    headline = verdict.headline(summary, incidents)
    print_hanging(Text(), Text(f"{headline} Times are UTC.", style="bold"), console)
    if not incidents and (remedy := verdict.remedy(summary)):
        print_hanging(Text(), Text(remedy), console)
    for data in incidents[:INCIDENTS_SHOWN]:
        console.print()
        ours = [one for one in summary.follow_ups if one["incident_id"] == data["incident_id"]]
        _print_incident(data, ours, console)
    hidden = len(incidents) - INCIDENTS_SHOWN
    if hidden > 0:
        console.print()
        console.print(Text(f"{hidden:,} more incidents are in the alerts, not shown here."))
    _print_data_notes(summary, console)


def _print_data_notes(summary: Summary, console: Console) -> None:
    notes = verdict.notes(summary)
    if not (notes or summary.pipeline):
        return
    console.print()
    console.print(Text("About the data", style="bold"))
    for note in notes:
        print_hanging(Text("  "), Text(note), console)
    for data in summary.pipeline[:PIPELINE_SHOWN]:
        _print_pipeline(data, console)
    hidden = len(summary.pipeline) - PIPELINE_SHOWN
    if hidden > 0:
        console.print(Text(f"  {hidden:,} more are in the alerts."))


def print_incidents(alerts: Iterable[Mapping[str, Any]], console: Console) -> None:
    """Print what an operator would have seen: one entry an alert, as it came.

    Args:
        alerts: CloudEvents as in the alert schema, in order of time; read once, not kept.
        console: where to.
    """
    for alert in alerts:
        data = alert["data"]
        if str(alert["type"]).startswith("surgewatch.pipeline."):
            text = Text(phrases.disturbance(data))
        elif data["status"] == FOLLOW_UP:
            text = Text(phrases.cause(data), style="bold")
            text.append(f"\n{phrases.follow_up(data)}", style="not bold")
        else:
            text = _incident_entry(alert)
        prefix = Text(f"{phrases.moment(alert['time'])}  ")
        prefix.append(f"{phrases.kind(alert).upper():<7}  ", style="bold")
        print_hanging(prefix, text, console)


def _print_intake(summary: Summary, console: Console) -> None:
    intake = summary.intake
    span = "no usable post"
    if summary.first_event is not None and summary.last_event is not None:
        length = phrases.minutes_between(summary.first_event, summary.last_event)
        span = (
            f"{phrases.moment(summary.first_event)} to {phrases.moment(summary.last_event)} UTC "
            f"({phrases.duration(length)})"
        )
    rows = [
        ("log", _logs(summary)),
        ("event time", span),
        ("judged", verdict.judged(summary)),
        ("posts", f"{summary.posts:,}{_speed(summary)}"),
        ("foreign", f"{intake.foreign:,}{_share(intake.foreign, summary.posts)}"),
        ("rejected", _rejected(intake.rejected)),
        ("late", f"{intake.late:,}{_share(intake.late, summary.posts)}"),
        ("duplicates", f"{intake.duplicate:,}"),
    ]
    if intake.hashtags_dropped:
        rows.append(("tags dropped", f"{intake.hashtags_dropped:,} (posts with too many)"))
    if intake.series_dropped:
        rows.append(("not watched", f"{intake.series_dropped:,} series beyond the limit"))
    print_facts(rows, console)


def _logs(summary: Summary) -> str:
    names = ", ".join(visible(name) for name in summary.logs[:3])
    more = len(summary.logs) - 3
    return f"{names} and {more} more" if more > 0 else names or "–"


def _speed(summary: Summary) -> str:
    if summary.seconds <= 0:
        return ""
    return f" in {summary.seconds:,.1f} s ({summary.posts / summary.seconds:,.0f} posts/s)"


def _share(part: int, whole: int) -> str:
    return f" ({phrases.percent(part / whole)})" if whole else ""


def _rejected(rejected: Mapping[str, int]) -> str:
    total = sum(rejected.values())
    if not total:
        return "0"
    ranked = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    return f"{total:,}: " + ", ".join(f"{visible(reason)} {n:,}" for reason, n in ranked)


def _print_incident(
    data: phrases.Data, follow_ups: Sequence[phrases.Data], console: Console
) -> None:
    severity = str(data["severity"])
    title = Text(visible(severity, 10).upper() + "  ", style=SEVERITY_STYLES.get(severity, "bold"))
    words = Text(phrases.cause(data), style="bold")
    words.append(f"  ({phrases.STATUS_WORDS.get(data['status'], 'unknown')})", style="not bold")
    print_hanging(title, words, console)
    print_facts(_incident_facts(data, phrases.stayed(follow_ups)), console)
    for reservation in phrases.reservations(data):
        print_caution(reservation, console)


def _incident_facts(data: phrases.Data, stayed: str | None) -> list[tuple[str, str]]:
    since = phrases.moment(data["onset_at"])
    size = (
        f"{data['users']:,} foreign users, {data['posts']:,} posts "
        f"({phrases.count(data['posts_per_user'])} a user)"
    )
    facts = [
        ("came from", phrases.ranking(data["regions"], "region")),
        ("tags", phrases.hashtags(data)),
        ("languages", phrases.ranking(data["languages"], "language")),
        ("since", f"{since} (onset)"),
        (
            "opened",
            f"{phrases.moment(data['detected_at'])}, {phrases.detection_delay(data)} after onset",
        ),
        ("closed", phrases.moment(data["closed_at"])),
        ("size", size),
        ("peak", phrases.peak(data)),
        ("growth", phrases.growth(data) or "not measurable yet"),
        ("newcomers", phrases.newcomers(data)),
        ("incident", visible(data["incident_id"])),
    ]
    if told := reasons.forecast(data):
        facts.insert(-2, ("forecast", told))
    if stayed:
        facts.insert(-1, ("stayed", f"of them {stayed}"))
    return facts


def _print_pipeline(data: phrases.Data, console: Console) -> None:
    until = data["until"]
    span = f"{phrases.moment(data['from'])} to {phrases.moment(until) if until else 'now'}"
    prefix = Text(f"  {span:<36} ", style="dim")
    print_hanging(prefix, Text(phrases.disturbance(data)), console)


def _incident_entry(alert: Mapping[str, Any]) -> Text:
    data = alert["data"]
    severity = str(data["severity"])
    text = Text()
    text.append(visible(severity, 10).upper(), style=SEVERITY_STYLES.get(severity, "bold"))
    text.append(f" {phrases.cause(data)}", style="bold")
    text.append(f"\n{_news(alert)}")
    for reservation in phrases.reservations(data):
        text.append(f"\nCAUTION: {reservation}")
    return text


def _news(alert: Mapping[str, Any]) -> str:
    """What is new in this alert, for somebody who has read the ones before."""
    data = alert["data"]
    users = f"{data['users']:,} users"
    if data["closed_at"] is not None:
        length = phrases.duration(phrases.minutes_between(data["onset_at"], data["closed_at"]))
        return f"over after {length}; {users} and {data['posts']:,} posts in all"
    since = f"{users} since {phrases.moment(data['onset_at'])}"
    kind = phrases.kind(alert)
    if kind == "peaked":
        said = f"arrivals are past their peak; {since}; {phrases.peak(data)}"
        told = reasons.next_hour(data)
        return f"{said}; {told}" if told else said
    growth = phrases.growth(data)
    grown = f"{since}, {growth}" if growth else since
    origin = f"from {phrases.ranking(data['regions'], 'region', most=3)}"
    parts = [grown, phrases.window(data), origin]
    if kind != "updated":
        parts[:2] = [phrases.window(data), grown]
    if told := reasons.next_hour(data):
        parts.append(told)
    return "; ".join(parts)
