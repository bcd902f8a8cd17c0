"""The page of operations: what goes on now, who has it in hand, what is kept quiet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from streams.console import phrases
from streams.console.page import page, table
from streams.console.report_incident import badges, cause
from streams.console.text import html_isolated, html_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.said import Ack, Silence

REFRESH_S = 15
PAST_SHOWN = 50

_COLUMNS = (
    ("severity", "t"),
    ("cause", "cause"),
    ("users", "n"),
    ("from", "w"),
    ("since", "t"),
    ("growth", "w"),
    ("in hand", "w"),
    ("incident", "t"),
)


def board(
    incidents: Iterable[phrases.Data],
    troubles: Iterable[Mapping[str, Any]],
    acks: Mapping[str, Ack],
    silences: Sequence[Silence],
    now: str,
    odd: int = 0,
    deaf: str = "",
) -> str:
    """Return the page, which renews itself.

    Args:
        incidents: newest data of each.
        troubles: newest alert of each trouble of the pipeline that goes on.
        acks: who has which incident in hand.
        silences: those in force.
        now: the time, RFC 3339.
        odd: how many records and incidents cannot be shown.
        deaf: why nothing is heard of the alerts, "" while it is.
    """
    every = sorted(incidents, key=phrases.urgency)
    going_on = [data for data in every if data["closed_at"] is None]
    past = sorted(
        (data for data in every if data["closed_at"] is not None),
        key=lambda data: str(data["closed_at"]),
        reverse=True,
    )
    count = len(going_on)
    told = {0: "No incident goes on.", 1: "One incident goes on."}
    body = [
        "<header><h1>surgewatch</h1>",
        (
            f"<p class='soft'>{escape(phrases.moment(now))} UTC; renewed every {REFRESH_S} s. "
            "Times of incidents are event times, UTC.</p></header>"
        ),
        f'<p class="verdict">{told.get(count, f"{count} incidents go on.")}</p>',
        *(_trouble(alert) for alert in troubles),
    ]
    if deaf:
        body.insert(2, f'<p class="caution"><b>NOT OF NOW</b> {escape(deaf)}: see its broker.</p>')
    if odd:
        body.append(
            f'<p class="caution">Not shown: {odd:,} records or incidents that this version cannot '
            "read.</p>"
        )
    if going_on:
        body.append(_incidents(going_on, acks))
    if silences:
        body += ["<h2>Kept quiet</h2>", _silences(silences)]
    if past:
        body += ["<h2>Over</h2>", _incidents(past[:PAST_SHOWN], acks)]
        if len(past) > PAST_SHOWN:
            body.append(f"<p class='soft'>and {len(past) - PAST_SHOWN:,} more</p>")
    body.append(
        "<p class='soft'>To take one in hand: <code>surgewatch ack INCIDENT</code>. To keep quiet: "
        "<code>surgewatch silence region=US --for 2h --note WHY</code>.</p>"
    )
    return page("surgewatch", body, refresh_s=REFRESH_S)


def require_row(data: phrases.Data) -> None:
    """Raise what the words raise of data that are not an incident's (``phrases.STRANGE``)."""
    phrases.urgency(data)
    _row(data, None)


def _trouble(alert: Mapping[str, Any]) -> str:
    data = alert["data"]
    try:
        said = phrases.disturbance(data)
        since = phrases.moment(data["from"])
    except phrases.STRANGE:
        said, since = str(alert.get("type")), "–"
    kind = html_text(phrases.kind(alert).upper())
    return f'<p class="caution"><b>{kind}</b> {escape(said)} (since {escape(since)})</p>'


def _incidents(incidents: Iterable[phrases.Data], acks: Mapping[str, Ack]) -> str:
    return table(_COLUMNS, [_row(data, acks.get(data["incident_id"])) for data in incidents])


def _row(data: phrases.Data, ack: Ack | None) -> list[str]:
    name = html_text(str(data["incident_id"]))
    growth = phrases.growth(data) or "–"
    return [
        badges(data),
        cause(data),
        f"{data['users']:,}",
        escape(phrases.ranking(data["regions"], "region", most=3)),
        escape(phrases.moment(data["onset_at"])),
        escape(growth),
        "" if ack is None else f"{html_isolated(ack.by)} {html_isolated(ack.note)}",
        f'<a href="incidents/{name}">{name}</a>',
    ]


def _silences(silences: Iterable[Silence]) -> str:
    rows = [
        [
            html_isolated(", ".join(map(str, one.matchers)), 120),
            escape(phrases.moment(one.until)),
            html_isolated(one.by),
            html_isolated(one.note, 120),
            html_text(one.silence_id),
        ]
        for one in silences
    ]
    heads = (("what", "w"), ("until", "t"), ("by", "w"), ("why", "w"), ("silence", "t"))
    return table(heads, rows)
