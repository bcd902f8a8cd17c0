"""Waves whose newcomers stay to a known share: the follow-up finds it."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.codec import epoch_ms
from streams.simulate import Origin, Tag, Wave, compose
from tests.harness import Outcome, configured, replay, violations

if TYPE_CHECKING:
    from tests.harness import Json

WEEK_MS = 7 * 86_400_000


def wave(stays: float) -> Wave:
    """Some hundred users of one country under a new hashtag, on the second day."""
    return Wave(
        name="wave",
        at=0.13,
        origins=(Origin("US"),),
        tags=(Tag("newhere", 0.95),),
        strength=8.0,
        doubling_minutes=20.0,
        half_life_hours=1.5,
        newcomers=0.8,
        stays=stays,
    )


@functools.cache
def world(stays: float) -> tuple[list[Json], Outcome]:
    """The posts of the wave's hashtag and its users, and what a replay tells."""
    simulation = compose([wave(stays)], days=11.0, rate=0.06, seed=3)
    log = b"".join(simulation.blocks())
    posts: list[Json] = [orjson.loads(line) for line in log.splitlines()]
    came = {post["user_id"] for post in posts if "newhere" in post["hashtags"]}
    ours = [post for post in posts if post["user_id"] in came]
    return ours, replay(log, configured(time={"bucket": "5m"}))


def at_ms(post: Json) -> int:
    """Event time of a post."""
    return epoch_ms(post["created_at"])


@pytest.mark.parametrize("stays", [0.0, 0.3])
def test_who_stays_is_found(stays: float) -> None:
    """The figures are those of the log, user by user, and about what the simulator was told."""
    posts, outcome = world(stays)
    (incident,) = [data for data in outcome.incidents if data["hashtag"] == "newhere"]
    told = [
        alert["data"]
        for alert in outcome.of_type("incident.followup")
        if alert["correlationid"] == incident["incident_id"]
    ]
    assert [data["day"] for data in told] == [1, 3, 7]
    over = told[0]["from"]
    newcomers = {
        post["user_id"]
        for post in posts
        if at_ms(post) < epoch_ms(over) and "newhere" in post["hashtags"]
        if at_ms(post) - epoch_ms(post["account_created_at"]) <= WEEK_MS
        and at_ms(post) >= epoch_ms(incident["onset_at"])
    }
    for data in told:
        low, high = epoch_ms(data["from"]), epoch_ms(data["until"])
        back = {post["user_id"] for post in posts if low <= at_ms(post) < high} & newcomers
        assert high - low == 86_400_000
        assert data["newcomers"] == data["followed"] == len(newcomers) > 100
        assert data["returned"] == data["still_posting"] == len(back)
        sigma = math.sqrt(stays * (1.0 - stays) / len(newcomers))
        assert data["share"] == pytest.approx(stays, abs=4.0 * sigma + 0.001)


def test_follow_ups_are_valid_and_change_nothing_else() -> None:
    """They obey the schema, and other alerts of a wave are the same whoever stays."""
    _, stayed = world(0.3)
    assert violations("alert", stayed.alerts) == []
    opened = [outcome.of_type("incident.opened")[0] for _, outcome in (world(0.0), world(0.3))]
    assert opened[0] == opened[1]
