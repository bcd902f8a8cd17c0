"""The open episodes of the detect stage: onset, crowds, records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from detectors.bank import Scores
from detectors.scan import ScanBank
from detectors.series import stable_hash
from streams.events import Point
from streams.stages.cells import OpenBucket
from streams.stages.episodes import BEFORE_POINTS, Episodes
from streams.stages.lookback import Lookback
from streams.stages.merge import Table, merge

if TYPE_CHECKING:
    from streams.events import EpisodeRecord

NOW = 5_789_400
HOUR = 12
LANGS = ["", "en", "es"]
AHEAD = [2.4] * 6


def table(users: range, region: str = "US", tags: tuple[str, ...] = ("x",)) -> Table:
    """One post of each user, in English from a known, old account."""
    cells = OpenBucket(10_000, 10_000)
    for user in users:
        who = stable_hash(f"user {user}")
        cells.add((who, stable_hash(f"post {user} {users.start}"), 1, 1), region, tags)
    return merge([cells.close(0, NOW, LANGS)], 10_000)


def history(counts: list[int]) -> Lookback:
    """Fresh users of consecutive buckets, the last of which is NOW; all new."""
    past, user = Lookback(144, 1_000_000), 0
    for bucket, count in enumerate(counts, NOW + 1 - len(counts)):
        if count:
            one = table(range(user, user + count))
            past.add(bucket, one, np.full(len(one.series), float(count)))
            user += count
    return past


def bank() -> ScanBank:
    made = ScanBank(bucket_minutes=5, false_incidents_per_week=1, min_users=5, fresh_for_buckets=72)
    made.resize(np.array([-1, 0, 0]))
    return made


def verdict(observed: float, expected: float, window: int) -> Scores:
    one = np.array([1.0])
    return Scores(
        20.0 * one, 12.0 * one, observed * one, expected * one, 9.0 * one, np.array([window])
    )


def opened(counts: list[int], window: int, expected: float = 1.0) -> tuple[Episodes, list[Point]]:
    """Episodes with one of hashtag x, opened at NOW after these counts."""
    episodes = Episodes(5.0, close_after=HOUR)
    scores = verdict(float(sum(counts[-window:])), expected, window)
    before = episodes.open(NOW, [("hashtag/x", 1, scores, 0)], history(counts), bank())
    return episodes, before["hashtag/x"]


def follow(
    episodes: Episodes,
    bucket: int,
    fresh: float,
    before: list[Point] | None = None,
    score: float = 9.0,
) -> EpisodeRecord:
    point = Point("hashtag/x", bucket, fresh, 0.2, 4.0, 20.0, 12.0, open=True)
    return episodes.follow(point, (fresh, 0.2, 4.0, 3), score, before, AHEAD, silent=False)


@pytest.mark.parametrize(
    ("counts", "window", "onset"),
    [
        ([0, 0, 0, 9, 9, 9], 6, 3),
        ([0, 1, 0, 0, 0, 30], 6, 5),
        ([5, 5, 5, 5, 5, 5], 6, 0),
        ([9, 9, 9, 9, 9, 9], 3, 3),
        ([1, 0, 1, 3, 9, 30], 6, 4),
    ],
)
def test_onset_is_the_likeliest_start(counts: list[int], window: int, onset: int) -> None:
    """The onset is the start within the winning window that makes the surge likeliest."""
    episodes, _ = opened(counts, window)
    found = episodes.running["hashtag/x"].episode
    assert found.onset == NOW + 1 - len(counts) + onset
    assert found.excess == pytest.approx(sum(counts[onset:-1]), abs=5.0)


def test_before_are_the_buckets_up_to_the_alarm() -> None:
    """What came before is told bucket by bucket, zeros included, without the alarm's own."""
    _, before = opened([2, 0, 3, 20], 2)
    assert len(before) == BEFORE_POINTS - 1
    assert [p.bucket for p in before] == list(range(NOW + 1 - BEFORE_POINTS, NOW))
    assert [p.observed for p in before[-4:]] == [0, 2, 0, 3]
    assert all(p.expected >= 0 and p.upper >= 5 and not p.open for p in before)


def test_crowd_starts_at_the_onset() -> None:
    """The users of the buckets from the onset on are counted, those before it are not."""
    episodes, before = opened([7, 0, 0, 9, 9, 9], 3)
    running = episodes.running["hashtag/x"]
    assert running.episode.onset == NOW - 2
    assert running.crowd.users == 18, "the alarm's own bucket is added with all others"
    episodes.add_crowd(table(range(25, 34)))
    record = follow(episodes, NOW, 9.0, before)
    assert (record.users, record.posts) == (27, 27)


def test_parts_of_a_crowd() -> None:
    """Of a hashtag the regions are known, of a region the hashtags, of ``all`` both."""
    episodes = Episodes(5.0, HOUR)
    keys = ["all", "hashtag/x", "pair/US/x", "region/US"]
    scores = verdict(9.0, 1.0, 1)
    episodes.open(NOW, [(key, 1, scores, 0) for key in keys], history([0, 9]), bank())
    for users, region, tags in ((range(10), "US", ("x", "y")), (range(10, 14), "GB", ("x",))):
        episodes.add_crowd(table(users, region, tags))
    parts = {
        key: (dict(r.crowd.parts("region/")), dict(r.crowd.parts("hashtag/")))
        for key, r in episodes.running.items()
    }
    both = {"US": 10.0, "GB": 4.0}
    assert parts == {
        "all": (both, {"x": 14.0, "y": 10.0}),
        "hashtag/x": (both, {}),
        "region/US": ({}, {"x": 10.0, "y": 10.0}),
        "pair/US/x": ({}, {}),
    }


def test_crowd_is_told_when_it_matters() -> None:
    """Who takes part is told at the opening, when users double, once an hour and at changes."""
    episodes, before = opened([9], 1)
    episodes.add_crowd(table(range(100, 110)))
    assert follow(episodes, NOW, 10.0, before).crowd is not None
    told = []
    for i in range(1, 2 * HOUR + 1):
        if i == 3:
            episodes.add_crowd(table(range(200, 210)))
        told += [i] if follow(episodes, NOW + i, 9.0).crowd is not None else []
    assert told == [3, 3 + HOUR]


def test_calm_ends_the_episode() -> None:
    """After ``close_after`` calm buckets the last record says quiet, and it is over."""
    episodes, before = opened([9], 1)
    follow(episodes, NOW, 9.0, before)
    states = [follow(episodes, NOW + i, 0.0, score=0.0).state for i in range(1, HOUR + 1)]
    assert states == ["open"] * (HOUR - 1) + ["quiet"]
    assert episodes.running == {}


def test_what_comes_is_told_while_it_goes_on() -> None:
    """Every record but the last has the horizons, with what is usual in them."""
    episodes, before = opened([9, 9, 9], 3)
    first = follow(episodes, NOW, 9.0, before)
    assert first.forecast is not None
    assert [(one.hours, round(one.expected, 9)) for one in first.forecast] == [(1, 2.4), (6, 14.4)]
    assert first.forecast[0].lower < 9.0 * HOUR < first.forecast[0].upper
    last = [follow(episodes, NOW + i, 0.0, score=0.0) for i in range(1, HOUR + 1)][-1]
    assert (last.state, last.forecast) == ("quiet", None)


def test_what_is_usual_ahead_follows_the_hours() -> None:
    """Of each of the next hours as the bank expects it, from the bucket after this one on."""

    class Rising:
        """A bank that expects as many users in a bucket as buckets have passed since NOW."""

        def band(self, buckets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return (buckets - NOW) + 1_000.0 * rows, np.zeros(len(rows))

    ahead = Episodes(5.0, HOUR).ahead(NOW, np.array([0, 1]), Rising())  # type: ignore[arg-type]
    middles = np.array([7, 19, 31, 43, 55, 67])
    assert ahead.tolist() == [(middles * HOUR).tolist(), ((middles + 1_000) * HOUR).tolist()]


def test_no_sign_in_the_opening_bucket() -> None:
    """The bucket that opens an episode does not count towards its calm."""
    episodes, before = opened([9], 1)
    assert follow(episodes, NOW, 9.0, before, score=0.0).state == "open"
    assert episodes.running["hashtag/x"].episode.calm_for == 0


def test_calm_is_judged_over_the_episodes_own_window() -> None:
    """Longer windows than the episode's own or an hour don't keep it open."""
    episodes, _ = opened([9] * 6, 6)
    longer, _ = opened([9] * 36, 36)
    assert episodes.longest(["hashtag/x"]).tolist() == [HOUR]
    assert longer.longest(["hashtag/x"]).tolist() == [36]
