"""Why an incident is one, who makes it up and what comes next, in words; from its alert alone.

Everything returned is safe for a terminal; HTML callers still escape it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streams.console import phrases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.console.phrases import Data

_FLOOD_POSTS_PER_USER = 10.0


def silence(data: Data) -> str:
    """Return what would have been needed for no alarm, at the moment of this alert.

    >>> silence({"observed": 6.0, "upper": 5.94, "score": 27.0, "threshold": 26.7, "margin": 0.06,
    ...     "window_minutes": 30.0})
    'with up to 5 new users in 30 min it would have stayed silent: 1 fewer (margin 0.06)'
    """
    if data["score"] < data["threshold"] or data["upper"] <= 0:
        return f"no alarm by itself any more: {evidence(data)}"
    # The score reaches its threshold at ``upper``: the largest whole number below it is silent.
    most = max(math.ceil(data["upper"]) - 1, 0)
    fewer = max(round(data["observed"]) - most, 1)
    return (
        f"with up to {most:,} new users in {phrases.duration(data['window_minutes'])} it would "
        f"have stayed silent: {fewer:,} fewer (margin {phrases.count(data['margin'])})"
    )


def evidence(data: Data) -> str:
    """Return the score and what it is held against.

    >>> evidence({"score": 26.996, "threshold": 26.7})
    'score 27.0, an alarm from 26.7 on'
    """
    return f"score {data['score']:,.1f}, an alarm from {data['threshold']:,.1f} on"


def concentration(data: Data) -> str:
    """Return whether many people make a wave, or a few accounts that post much."""
    each, share = data["posts_per_user"], data["top_users_share"]
    said = (
        f"{phrases.count(each)} posts a user, {phrases.percent(share)} of the posts by the five "
        "most active users"
    )
    if phrases.is_concentrated(data):
        return f"{said}: this looks like a bot flood"
    if each >= _FLOOD_POSTS_PER_USER:
        return f"{said}: many posts for people, look at a few accounts"
    if data["posts"] < phrases.POSTS_TELL:
        return f"{said}: too few posts to tell a bot flood from people"
    return f"{said}: many people, no bot flood"


def forecast(data: Data) -> str | None:
    """Return how many new users are to come, None where nothing is forecast."""
    told = data.get("forecast")
    if not told:
        return None
    parts = [
        f"{ahead(horizon['hours'])} {phrases.people(horizon['users'])} "
        f"({phrases.people(horizon['lower'])} to {phrases.people(horizon['upper'])})"
        for horizon in told["horizons"]
    ]
    last: Data = max(told["horizons"], key=lambda horizon: horizon["hours"])
    usual = last["expected"]
    said = f"new users {', '.join(parts)}; in brackets {phrases.percent(told['confidence'])} ranges"
    if round(usual) < 1:
        return said
    of_all = phrases.duration(60 * last["hours"])
    are = "is" if round(usual) == 1 else "are"
    return f"{said}; of those in {of_all}, {phrases.people(usual)} {are} usual"


def ahead(hours: float) -> str:
    """Return a horizon in words.

    >>> ahead(1), ahead(6)
    ('next hour', 'next 6 h')
    """
    return "next hour" if hours == 1 else f"next {phrases.duration(60 * hours)}"


def next_hour(data: Data) -> str | None:
    """Return the shortest forecast in short, None where nothing is forecast."""
    told = data.get("forecast")
    if not told:
        return None
    first: Data = min(told["horizons"], key=lambda horizon: horizon["hours"])
    low, high = phrases.people(first["lower"]), phrases.people(first["upper"])
    return f"{ahead(first['hours'])} {low} to {high} new users"


def data_quality(data: Data) -> str:
    """Return what became of the posts since the incident began, besides those that counted."""
    quality = data["data_quality"]
    counts: Sequence[tuple[str, int]] = [
        ("late", quality["late"]),
        ("sent twice", quality["duplicates"]),
        ("rejected", quality["rejected"]),
    ]
    told = [f"{number:,} {what}" for what, number in counts if number]
    return f"{', '.join(told)} since its beginning" if told else "nothing late, double or rejected"
