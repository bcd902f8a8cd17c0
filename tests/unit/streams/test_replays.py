"""Replays side by side give what each would give alone, and read the logs once for all."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest

from streams.codec import encode_alert
from streams.logs import LineLog
from streams.pipeline import count_alike, read_alike
from streams.replay import Replay, Replays
from streams.settings import Settings
from streams.settings.model import ENTRIES
from streams.simulate import simulate
from tests.harness import configured, joined, post

if TYPE_CHECKING:
    from streams.events import Point, Reject

START_MS = 1_736_294_400_000
EDGY = {"false_incidents_per_week": 500, "min_users": 3}
TWO, TEN = {"bucket": "2m"}, {"bucket": "10m"}
SEVERAL = [
    configured(alerts=EDGY, time=TWO),
    configured(time=TWO),
    configured(alerts=EDGY, time=TEN),
    configured(alerts=EDGY, time=TWO, origin={"home_regions": [], "home_languages": []}),
    configured(alerts=EDGY | {"close_after": "3h"}, time=TEN),
]


@pytest.fixture(scope="module")
def halves() -> tuple[bytes, bytes]:
    """A world with a wave, as two logs, of which the second ends half a day before the first."""
    world = simulate("hostile", days=1.5, rate=0.1, seed=3)
    lines = b"".join(world.blocks()).splitlines()
    kept = len(lines) // 3
    return joined(lines[::2]), joined([b"not a post", *lines[1::2][:kept]])


def opened(data: tuple[bytes, ...]) -> list[LineLog]:
    """Logs in memory."""
    return [
        LineLog(f"{number}.jsonl", len(one), io.BytesIO(one[4:]), one[:4], 1 << 20)
        for number, one in enumerate(data)
    ]


def test_each_as_if_alone(halves: tuple[bytes, bytes]) -> None:
    """Alerts of every kind, rejects, points and summaries are those of replays one by one."""
    rejects: list[Reject] = []
    points: list[Point] = []
    run = Replays(SEVERAL, opened(halves), rejects.append, points.append)
    alerts: list[list[bytes]] = [[] for _ in SEVERAL]
    for number, alert in run.run():
        alerts[number].append(encode_alert(alert))
    summaries = run.summaries(1.0)
    assert len({tuple(lines) for lines in alerts}) == len(SEVERAL)
    assert any(b"pipeline.stalled" in line for line in alerts[0])
    for number, settings in enumerate(SEVERAL):
        alone_points: list[Point] = []
        on_point = None if number else alone_points.append
        alone = Replay(settings, opened(halves), on_reject=lambda _: None, on_point=on_point)
        assert [encode_alert(alert) for alert in alone.run()] == alerts[number]
        assert alone.summary(1.0) == summaries[number]
        if not number:
            assert points == alone_points
    assert len(rejects) == 3  # one line, as each of the three ways to count saw it


def test_series_to_look_out_for() -> None:
    """Of the series asked for it is told which had a foreign post; home posts do not count."""
    lines = [
        post(1, START_MS, "u1", "US", hashtags=["Cats"]),
        *(post(number, START_MS + 60_000 * number, f"u{number}", "FR") for number in range(2, 9)),
        post(10, START_MS + 600_000, "u9", "CN", hashtags=["home"]),
    ]
    asked = {"pair/US/cats", "region/FR", "region/DE", "hashtag/home"}
    run = Replay(Settings(), opened((joined(lines),)), lambda _: None, watch=asked)
    assert run.seen == frozenset()
    list(run.run())
    assert run.seen == {"pair/US/cats", "region/FR"}


COUNTING = {
    *("origin.home_regions", "origin.home_languages", "origin.newcomer_age", "users.key"),
    *("time.bucket", "time.allowed_lateness", "time.max_jump"),
    *("limits.hashtags_per_post", "limits.hashtag_length", "limits.held_posts"),
    *("limits.rows_per_series", "limits.series_per_bucket"),
}
READING = {
    *("limits.record_bytes", "time.earliest"),
    *(entry.name for entry in ENTRIES if entry.section[0] == "input"),
}


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_what_is_shared(name: str) -> None:
    """Settings that differ where lines are read, or posts counted, share neither; others share."""
    entry = next(entry for entry in ENTRIES if entry.name == name)
    changed = _changed(Settings(), (*entry.section, entry.attribute))
    assert read_alike(Settings(), changed) == (name not in READING)
    assert count_alike(Settings(), changed) == (name not in COUNTING)


def _changed(part: object, path: tuple[str, ...]) -> Settings:
    """The same settings but for one value, which becomes another object's."""
    first, *rest = path
    inner = _changed(getattr(part, first), tuple(rest)) if rest else object()
    changed: Settings = dataclasses.replace(part, **{first: inner})  # type: ignore[type-var]
    return changed
