"""Numbers, times and incidents in words."""

from __future__ import annotations

from typing import Any

import pytest

from streams.console import phrases

Alert = dict[str, Any]
HOUR = "386 new users in the busiest hour"


@pytest.mark.parametrize(
    ("share", "users", "posts", "warned"),
    [
        (0.61, 340, 900, True),
        (0.03, 40_000, 50_000, False),
        (0.45, 11, 60, False),
        (0.45, 23, 60, True),
        (0.45, 23, 49, False),
    ],
)
def test_concentration_is_a_hint_only_beyond_arithmetic(
    alerts: list[Alert], share: float, users: int, posts: int, warned: bool
) -> None:
    """Five users with most of the posts are named, unless there are few users or posts anyway."""
    data = {**alerts[0]["data"], "top_users_share": share, "users": users, "posts": posts}
    assert any("bots" in text for text in phrases.reservations(data)) is warned


def test_reservations_name_every_weakness(alerts: list[Alert]) -> None:
    """Missing data, sampling, dropped series and look-alikes are each said; clean data are not."""
    data = alerts[0]["data"]
    assert phrases.reservations(data) == []
    quality = {
        **data["data_quality"],
        "missing_minutes": 40,
        "sampled": True,
        "series_dropped": 52_114,
    }
    said = "\n".join(phrases.reservations({**data, "mixed_script": True, "data_quality": quality}))
    for part in ("40 min", "sample", "52,114", "look-alike"):
        assert part in said


@pytest.mark.parametrize(
    ("status", "peak_at", "words"),
    [
        ("open", None, f"{HOUR} so far"),
        (
            "peaked",
            "2025-01-13T08:53:00Z",
            "386 new users in the busiest hour, to 2025-01-13 08:53",
        ),
        ("closed", None, HOUR),
    ],
)
def test_peak_is_the_busiest_hour(
    alerts: list[Alert], status: str, peak_at: str | None, words: str
) -> None:
    """The one peak is the alert's own, with the time only once it is known to have passed."""
    data = {**alerts[0]["data"], "status": status, "peak_at": peak_at, "peak_per_hour": 385.6}
    assert phrases.peak(data) == words


@pytest.mark.parametrize(
    ("observed", "expected", "words"),
    [
        (7.0, 0.0005, "7 new users in 5 min, where none is usual"),
        (8.6, 0.4, "9 new users in 5 min, where less than one is usual"),
        (8.4, 1.2, "8 new users in 5 min, where 1 is usual"),
        (1290.6, 37.9, "1,291 new users in 5 min, where 38 are usual"),
    ],
)
def test_window_tells_of_whole_people(
    alerts: list[Alert], observed: float, expected: float, words: str
) -> None:
    """Nobody reads of 8.6 people who came, nor of 0.0005 who were expected."""
    data = {**alerts[0]["data"], "observed": observed, "expected": expected}
    assert phrases.window(data) == words


@pytest.mark.parametrize(
    ("status", "doubling", "words"),
    [
        ("open", 34, "doubles every 34 min"),
        ("open", None, None),
        ("peaked", None, "past its peak"),
        ("peaked", 34, "past its peak"),
        ("closed", 5, "over"),
    ],
)
def test_growth(
    alerts: list[Alert], status: str, doubling: float | None, words: str | None
) -> None:
    """Growth is a doubling time while there is one; that it is not measured is no standstill."""
    data = {**alerts[0]["data"], "status": status, "doubling_minutes": doubling}
    assert phrases.growth(data) == words


def test_urgency_is_open_then_severe_then_large(alerts: list[Alert]) -> None:
    """A small surge that goes on is read before a large one that is over; then severity, size."""
    base = alerts[0]["data"]
    over = {**alerts[3]["data"], "users": 90_000}
    ranked = [
        {**base, "severity": "critical", "users": 50},
        {**base, "severity": "warning", "users": 900},
        {**base, "severity": "warning", "users": 800},
        {**base, "severity": "info", "users": 5},
        over,
    ]
    mixed = [ranked[number] for number in (4, 1, 3, 0, 2)]
    assert sorted(mixed, key=phrases.urgency) == ranked


def tags(*shares: float) -> list[Alert]:
    """Hashtags with these shares, and the rest of them."""
    named = [{"hashtag": f"t{n}", "users": 1, "share": share} for n, share in enumerate(shares)]
    return [*named, {"hashtag": "other", "users": 1, "share": 0.1}]


def test_small_hashtags_are_not_listed(alerts: list[Alert]) -> None:
    """Of twenty hashtags the five largest are told, and none that hardly anybody used."""
    data = {**alerts[0]["data"], "hashtags": tags(0.9, 0.5, 0.051, 0.049, 0.01)}
    assert phrases.hashtags(data) == "#t0 90%, #t1 50%, #t2 5%, others"
    data["hashtags"] = tags(0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
    assert phrases.hashtags(data) == "#t0 90%, #t1 80%, #t2 70%, #t3 60%, #t4 50%, 1 more, others"


@pytest.mark.parametrize(
    ("hashtag", "share", "words"),
    [(None, 0.19, "no common"), (None, 0.2, "#t0 20%"), ("t0", 0.19, "#t0 19%")],
)
def test_a_region_without_a_common_hashtag(
    alerts: list[Alert], hashtag: str | None, share: float, words: str
) -> None:
    """Where nothing is shared, no list of random hashtags looks as if it were."""
    data = {**alerts[0]["data"], "hashtag": hashtag, "hashtags": tags(share, 0.06)}
    assert phrases.hashtags(data).startswith(words)


def test_a_gap_is_described(alerts: list[Alert]) -> None:
    """A gap tells how long nothing came and that nothing was judged; a stall keeps its summary."""
    gap, stall = (
        next(a["data"] for a in alerts if a["type"] == f"surgewatch.pipeline.{kind}.v1")
        for kind in ("gap", "stalled")
    )
    gap = {**gap, "details": {"minutes": 178.0}, "from": "2025-01-14T02:34:00Z"}
    gap["until"] = "2025-01-14T05:32:00Z"
    said = phrases.disturbance(gap)
    assert said == "no foreign posts for 2 h 58 min; nothing was judged"
    said = phrases.disturbance({**gap, "status": "open", "until": None})
    assert said.startswith("no foreign posts since 2025-01-14 02:34")
    assert phrases.disturbance(stall) == "partition 2 has sent nothing since 05:12"


def test_a_failed_detector_is_quoted_safely(alerts: list[Alert]) -> None:
    """Its first words are shown, without what they might do to a terminal."""
    (data,) = (a["data"] for a in alerts if a["type"] == "surgewatch.pipeline.detector.v1")
    data = {**data, "details": {**data["details"], "message": "all: \x1b[2Jgone\n"}}
    said = phrases.disturbance(data)
    assert "no longer judged; the first said: all: " in said
    assert said.isprintable()


def test_moment_is_utc() -> None:
    """A time with an offset is shown in UTC, as the headings promise."""
    assert phrases.moment("2025-01-13T02:21:00+08:00") == "2025-01-12 18:21"


def test_ranking_keeps_other_apart(alerts: list[Alert]) -> None:
    """What lies beyond the top 20 is never shown as if it were a region named other."""
    assert phrases.ranking(alerts[0]["data"]["regions"], "region") == "US 71%, GB 9%, others"
