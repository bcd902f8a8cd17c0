"""Each scenario's log holds what its truth says."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson
import pytest

from streams.simulate import SCENARIOS, JunkTags, compose, simulate
from streams.simulate.hostile import HOSTILE_TAGS
from streams.simulate.regions import foreign

Post = dict[str, Any]
WELL_FORMED = sorted(set(SCENARIOS) - {"malformed", "kitchen_sink"})
WAVES = [
    *("overnight_flood", "thin_wave", "regional_wave", "niche_surge", "junk_tags", "hostile"),
    "january",
]

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


def rate(scenario: str) -> float:
    """Posts a second: enough for waves to show, few where none does."""
    return 0.15 if scenario in WAVES else 0.06


@cache
def log(scenario: str) -> list[Post]:
    """A small world's posts in order of arrival."""
    world = simulate(scenario, days=2, rate=rate(scenario), seed=5)
    return [orjson.loads(line) for line in world.lines()]


@cache
def truths(scenario: str) -> dict[str, dict[str, Any]]:
    """The truth about it, by part."""
    world = simulate(scenario, days=2, rate=rate(scenario), seed=5)
    return {truth["scenario_part"]: truth for truth in map(orjson.loads, world.truth_lines())}


def is_foreign(post: Post) -> bool:
    """Foreign as the design defines it."""
    return foreign(post["region"] or "", post["lang"] or "")


def at(text: str) -> datetime:
    """A moment of the log."""
    return datetime.fromisoformat(text)


def users_of(posts: list[Post], truth: dict[str, Any]) -> set[str]:
    """Distinct foreign users of a truth's hashtag in its window, however they spell it."""
    low, high = at(truth["start"]), at(truth["end"])
    return {
        post["user_id"]
        for post in posts
        if is_foreign(post)
        and truth["hashtag"] in [tag.casefold() for tag in post["hashtags"]]
        and low <= at(post["created_at"]) <= high
    }


@pytest.mark.parametrize("scenario", WELL_FORMED)
def test_well_formed(scenario: str) -> None:
    """Every line is JSON with every field, of its type and with an obviously simulated user."""
    posts = log(scenario)
    assert len(posts) > rate(scenario) * 2 * 86_400 * 0.9
    for post in posts:
        assert isinstance(post["post_id"], str)
        assert post["user_id"].startswith("u")
        assert all(isinstance(tag, str) for tag in post["hashtags"])
        assert post["region"] is None or isinstance(post["region"], str)
        made = post["account_created_at"]
        assert made is None or RFC3339.fullmatch(made)


@pytest.mark.parametrize("scenario", sorted(set(WELL_FORMED) - {"duplicates"}))
def test_post_ids_are_unique(scenario: str) -> None:
    """Without duplicates no post id comes twice."""
    ids = Counter(post["post_id"] for post in log(scenario))
    assert max(ids.values()) == 1


@pytest.mark.parametrize(
    "scenario", sorted(set(WELL_FORMED) - {"late", "january", "duplicates", "poisoned"})
)
def test_order(scenario: str) -> None:
    """Without disorder, posts are in order of event time."""
    times = [post["created_at"].removesuffix("Z") for post in log(scenario)]
    assert times == sorted(times)


@pytest.mark.parametrize("scenario", WAVES)
def test_wave_is_in_the_log(scenario: str) -> None:
    """A wave's hashtag was used by about as many foreign users in its window as its truth says."""
    (truth,) = (truth for truth in truths(scenario).values() if truth["kind"] == "wave")
    assert truth["users"] > 15
    assert at(truth["start"]) <= at(truth["peak_at"]) < at(truth["end"])
    if truth["hashtag"] is None:
        return
    # Each post carries it with at least 92 %; the rest of a small world adds next to nothing.
    found = len(users_of(log(scenario), truth))
    assert 0.85 * truth["users"] <= found <= 1.02 * truth["users"] + 2


@pytest.mark.parametrize("scenario", WAVES)
def test_wave_is_detectable(scenario: str) -> None:
    """A wave's hours have far more new foreign users of its series than the same hours before."""
    (truth,) = (truth for truth in truths(scenario).values() if truth["kind"] == "wave")
    users: dict[bool, set[str]] = defaultdict(set)
    peak = at(truth["peak_at"])
    for post in log(scenario):
        if not is_foreign(post):
            continue
        tags = [tag.casefold() for tag in post["hashtags"]]
        if truth["hashtag"] in tags or (not truth["hashtag"] and post["region"] == truth["region"]):
            for day in (0, 1):
                middle = peak - timedelta(days=day)
                if abs(at(post["created_at"]) - middle) < timedelta(hours=2):
                    users[day == 0].add(post["user_id"])
    assert len(users[True]) > 5 + 4 * len(users[False])


def test_thin_wave_is_thin() -> None:
    """No country of the thin wave has more than a twelfth of its users."""
    truth = truths("thin_wave")["thin_wave"]
    users = users_of(log("thin_wave"), truth)
    regions = {post["user_id"]: post["region"] for post in log("thin_wave")}
    counts = Counter(regions[user] for user in users)
    assert set(counts) <= set(truth["regions"])
    assert max(counts.values()) <= max(6, len(users) / 12)


def test_regional_wave() -> None:
    """The regional wave's users are foreign ones of its region, beyond those of a quiet world."""
    truth = truths("regional_wave")["regional_wave"]

    def users(posts: list[Post]) -> set[str]:
        return {
            post["user_id"]
            for post in posts
            if post["region"] == truth["region"] and is_foreign(post)
        }

    world = simulate("quiet", days=2, rate=rate("regional_wave"), seed=5)
    quiet = [orjson.loads(line) for line in world.lines()]
    assert len(users(log("regional_wave")) - users(quiet)) == truth["users"]


def test_niche_tag_existed() -> None:
    """The niche surge's hashtag is used in worlds without it."""
    world = simulate("quiet", days=3, rate=1, seed=1)
    assert any(b'"recetafoto"' in block for block in world.blocks())


def test_bots() -> None:
    """Three foreign accounts make thousands of posts under one hashtag."""
    truth = truths("bots")["bots"]
    posts = [post for post in log("bots") if truth["hashtag"] in post["hashtags"]]
    assert len(posts) >= 2_000
    assert len(users_of(posts, truth)) == truth["users"] == 3


def test_students_are_not_foreign() -> None:
    """Hundreds of students abroad use one hashtag, and no foreign user does."""
    truth = truths("students")["students"]
    abroad = {
        post["user_id"]
        for post in log("students")
        if truth["hashtag"] in post["hashtags"] and post["region"] != "CN"
    }
    assert len(abroad) > 50
    assert users_of(log("students"), truth) == set()
    assert truth["users"] == 0


def test_domestic_hit() -> None:
    """A hashtag fills home, and only a handful of its users is foreign."""
    truth = truths("domestic_hit")["domestic_hit"]
    posts = [post for post in log("domestic_hit") if truth["hashtag"] in post["hashtags"]]
    assert sum(post["region"] == "CN" for post in posts) > 300
    assert len(users_of(posts, truth)) == truth["users"] <= 6


def test_slow_growth_doubles() -> None:
    """The growing region's extra posts over four weeks follow a doubling every fortnight."""

    def foreign_posts(scenario: str) -> list[int]:
        weeks = [0] * 4
        for line in simulate(scenario, days=28, rate=0.02, seed=2).lines():
            if b'"region":"MY"' in line:
                post = orjson.loads(line)
                weeks[(at(post["created_at"]).timetuple().tm_yday - 8) // 7] += is_foreign(post)
        return weeks

    usual, grown = sum(foreign_posts("quiet")), foreign_posts("slow_growth")
    # The mean factor of the first week is 1.19, of the last 3.38.
    assert grown[0] / usual * 4 == pytest.approx(1.19, rel=0.4)
    assert grown[3] / usual * 4 == pytest.approx(3.38, rel=0.4)


def test_gap_is_empty() -> None:
    """Nothing arrives during the outage, and posts surround it closely."""
    truth = truths("gap")["gap"]
    low, high = at(truth["start"]), at(truth["end"])
    times = [at(post["created_at"]) for post in log("gap")]
    assert not [time for time in times if low <= time < high]
    assert max(time for time in times if time < low) > low - timedelta(minutes=15)
    assert min(time for time in times if time >= high) < high + timedelta(minutes=15)
    assert high - low == timedelta(hours=3)


def test_duplicates() -> None:
    """Some posts come twice, an hour comes again in one piece, and every copy is the same line."""
    world = simulate("duplicates", days=2, rate=rate("duplicates"), seed=5)
    lines = list(world.lines())
    repeated = [line for line, count in Counter(lines).items() if count > 1]
    ids = Counter(orjson.loads(line)["post_id"] for line in lines)
    assert len(repeated) == sum(count > 1 for count in ids.values())
    hours = Counter(orjson.loads(line)["created_at"][:13] for line in repeated)
    again = sum(count for _, count in hours.most_common(2))
    assert again > 0.7 * rate("duplicates") * 3_600
    assert len(repeated) - again > 0.01 * len(ids)


def test_late() -> None:
    """Most posts arrive within two minutes of the newest, a few per cent are further behind."""
    newest = datetime.min.replace(tzinfo=at("2025-01-08T00:00:00Z").tzinfo)
    behind = []
    for post in log("late"):
        time = at(post["created_at"])
        newest = max(newest, time)
        behind.append((newest - time).total_seconds())
    far = sum(delay > 120 for delay in behind) / len(behind)
    assert 0.01 < far < 0.05
    assert sum(delay > 0 for delay in behind) > 0.2 * len(behind)
    assert max(behind) > 3_600


def test_poisoned() -> None:
    """The first line is a year ahead; fewer than five users date posts into the future."""
    posts = log("poisoned")
    assert posts[0]["created_at"].startswith("2026")
    years = Counter(str(post["created_at"])[:4] for post in posts)
    assert years["2099"] == 1
    assert years["1970"] == 1
    ahead = {post["user_id"] for post in posts if "fromthefuture" in post["hashtags"]}
    assert len(ahead) == truths("poisoned")["poisoned"]["users"] == 5


def test_malformed() -> None:
    """Bad bytes, bad JSON, bad types and over-long lines are all in the log, and posts remain."""
    lines = [line[:-1] for line in simulate("malformed", days=1, rate=0.1, seed=5).lines()]
    assert lines.count(b"") == 3
    assert max(map(len, lines)) > 1_500_000
    assert any(b"\xff\xfe" in line for line in lines)
    assert any(b"[" * 1_000 in line for line in lines)
    assert any(line.count(b'"tag') == 10_000 for line in lines)
    assert any(b"\\ud800" in line for line in lines)
    usable = sum(line.startswith(b'{"post_id":"p0') for line in lines)
    assert usable > 0.1 * 86_400 * 0.9
    assert 100 < len(lines) - usable < 200


def test_junk_tags() -> None:
    """An hour holds thousands of hashtags that are used once, by eight accounts."""
    posts = [post for post in log("junk_tags") if post["post_id"].startswith("junk_tags")]
    tags = Counter(tag for post in posts for tag in post["hashtags"])
    assert len(tags) == 1_500
    assert set(tags.values()) == {1}
    assert len({post["user_id"] for post in posts}) == 8
    truth = truths("junk_tags")
    wave, junk = truth["wave_in_junk"], truth["junk_tags"]
    assert at(junk["start"]) <= at(wave["peak_at"]) <= at(junk["end"])


def test_number_of_junk_tags() -> None:
    """The flood can be asked for by its number of hashtags."""
    world = compose([JunkTags(tags=1_010)], days=1, rate=0.01, seed=1)
    assert (
        sum(line.count(b'"junk') - 1 for line in world.lines() if b'"junk_tags-' in line) == 1_010
    )


def test_hostile() -> None:
    """Every attack is in the log as a hashtag of the wave and once as region, language and id."""
    posts = log("hostile")
    truth = truths("hostile")["hostile"]
    tags = {
        tag for post in posts if truth["hashtag"] in post["hashtags"] for tag in post["hashtags"]
    }
    assert set(HOSTILE_TAGS) <= tags
    assert set(HOSTILE_TAGS) <= {post["region"] for post in posts}
    assert set(HOSTILE_TAGS) <= {post["lang"] for post in posts}


def test_january_dates() -> None:
    """In the full week the flood starts on 13 January, peaks that morning, and grows in the US."""
    world = simulate("january", days=7, rate=0.02, seed=1)
    (flood,) = (truth for truth in world.truth if truth.kind == "wave")
    assert flood.start.startswith("2025-01-13T0")
    assert flood.peak_at == "2025-01-13T07:00:00Z"
    assert (flood.region, flood.hashtag, flood.regions[0]) == ("US", "tiktokrefugee", "US")
    assert {truth.scenario_part for truth in world.truth} >= {"bots", "students", "domestic_hit"}
