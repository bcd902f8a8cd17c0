"""Grouping, cause and severity of incidents."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.incident import (
    Incident,
    Member,
    Severity,
    belongs,
    incident_id,
    judge,
    name_cause,
    rank,
)

US, GB = ("US", 90.0), ("GB", 90.0)


if TYPE_CHECKING:
    from random import Random


def member(key: str, excess: float = 100.0, **more: object) -> Member:
    return Member(key, opened=10, excess=excess, users=100.0, **more)  # type: ignore[arg-type]


def incident(*members: Member, cause: str = "") -> Incident:
    return Incident("in-0", 10, cause or members[0].key, {m.key: m for m in members})


@pytest.mark.parametrize(
    ("candidate", "inside", "together"),
    [
        (member("region/US"), member("region/US"), True),
        (member("pair/US/x"), member("region/US"), True),
        (member("pair/US/x"), member("hashtag/x"), True),
        (member("pair/US/x"), member("pair/GB/x"), True),
        (member("pair/US/x"), member("pair/US/y"), True),
        (member("pair/US/x"), member("pair/GB/y"), False),
        (member("region/US"), member("region/GB"), False),
        (member("hashtag/x"), member("hashtag/y"), False),
        (member("region/US"), member("hashtag/x", regions=[US]), True),
        (member("region/US"), member("hashtag/x", regions=[("US", 10.0)]), False),
        (member("hashtag/x", regions=[US]), member("hashtag/y", regions=[US]), True),
        (member("hashtag/x", regions=[US]), member("hashtag/y", regions=[GB]), False),
        (member("region/US", hashtags=[("x", 90.0)]), member("hashtag/x"), True),
        (
            member("hashtag/x", regions=[("other", 90.0)]),
            member("hashtag/y", regions=[("other", 90.0)]),
            False,
        ),
    ],
)
def test_shared_region_or_hashtag_links(candidate: Member, inside: Member, together: bool) -> None:
    """Episodes belong together by a region or hashtag that is theirs or makes most of them."""
    assert belongs(candidate, incident(inside)) is together
    assert belongs(inside, incident(candidate)) is together


@pytest.mark.parametrize(("excess", "together"), [(29.0, True), (31.0, False)])
def test_a_third_links_to_the_cause(excess: float, together: bool) -> None:
    """A region that a wave has just reached shows the cause's hashtag on a third of its excess."""
    wave = incident(member("hashtag/new"), member("hashtag/old"))
    reached = member("region/GB", excess=excess, hashtags=[("new", 10.0)])
    assert belongs(reached, wave) is together


def test_a_third_does_not_link_to_what_is_not_the_cause() -> None:
    wave = incident(member("hashtag/new"), member("hashtag/old"))
    assert not belongs(member("region/GB", excess=29.0, hashtags=[("old", 10.0)]), wave)


def test_all_links_nothing() -> None:
    """``all`` joins any incident, but two regions are not one wave because ``all`` rose too."""
    wave = incident(member("region/US"), member("all", regions=[US, GB]))
    assert belongs(member("all"), incident(member("region/US")))
    assert not belongs(member("region/GB"), wave)
    assert belongs(member("region/US"), wave)


@pytest.mark.parametrize(("excess", "adopted"), [(33.0, False), (34.0, True)])
def test_incident_of_all_takes_in_what_it_was(excess: float, adopted: bool) -> None:
    """An incident of ``all`` alone adopts an episode that holds a third of its excess, no less."""
    alone = incident(member("all", excess=100.0))
    assert belongs(member("region/GB", excess=excess), alone) is adopted


def test_id_is_a_function_of_bucket_and_series() -> None:
    """The id is the same wherever it is derived, and differs with the bucket and the series."""
    ids = [
        incident_id(start, key)
        for start, key in itertools.product((60_000, 120_000), ("all", "region/US", "hashtag/x"))
    ]
    assert len(set(ids)) == 6
    assert incident_id(1_736_730_000_000, "hashtag/tiktokrefugee") == "in-b9858baff9193f2b"


def test_rank_puts_all_last() -> None:
    """The top-ranked series has the largest excess, ties go by key, and ``all`` comes last."""
    members = [
        member("all", 900.0),
        member("region/US", 50.0),
        member("hashtag/x", 80.0),
        member("hashtag/a", 80.0),
    ]
    assert [m.key for m in sorted(members, key=rank)] == [
        "hashtag/a",
        "hashtag/x",
        "region/US",
        "all",
    ]


@pytest.mark.parametrize(
    ("excesses", "cause"),
    [
        ({"all": 100, "region/US": 90, "hashtag/x": 95, "pair/US/x": 88}, "pair/US/x"),
        ({"all": 100, "region/US": 90, "hashtag/x": 95, "pair/US/x": 60}, "hashtag/x"),
        ({"all": 100, "region/US": 90, "hashtag/x": 40}, "region/US"),
        ({"all": 100, "region/US": 30, "region/GB": 30}, "all"),
        ({"all": 100, "hashtag/x": 95, "pair/US/x": 30, "pair/GB/x": 25}, "hashtag/x"),
        ({"pair/US/x": 20}, "pair/US/x"),
        ({"region/US": 80, "hashtag/x": 80}, "hashtag/x"),
    ],
)
def test_cause_is_the_most_specific_that_explains_most(
    excesses: dict[str, float], cause: str
) -> None:
    """A pair that holds nearly all beats its hashtag; a hashtag or region beats ``all``."""
    members = [member(key, float(excess)) for key, excess in excesses.items()]
    assert name_cause(incident(*members, cause="pair/ZZ/none")) == cause


def test_cause_does_not_flicker() -> None:
    """Of two equally specific series the named one stays until it holds less than half."""
    x, us = member("hashtag/x", 100.0), member("region/US", 101.0)
    wave = incident(x, us)
    assert name_cause(wave) == "hashtag/x"
    us.excess = 195.0
    assert name_cause(wave) == "hashtag/x"
    us.excess = 201.0
    assert name_cause(wave) == "region/US"


def test_more_specific_cause_takes_over() -> None:
    """A pair that turns out to hold most of a hashtag's excess is named at once."""
    x, pair = member("hashtag/x", 100.0), member("pair/US/x", 50.0)
    wave = incident(x, pair)
    assert name_cause(wave) == "hashtag/x"
    pair.excess = 75.0
    assert name_cause(wave) == "pair/US/x"
    wave.cause = "pair/US/x"
    pair.excess = 55.0
    assert name_cause(wave) == "pair/US/x", "and stays while it holds half"


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["all", "region/US", "region/GB", "hashtag/x", "hashtag/y", "pair/US/x"]),
        st.floats(-10.0, 1e4),
        min_size=1,
    ),
    st.randoms(use_true_random=False),
)
def test_cause_is_a_member_in_any_order(excesses: dict[str, float], random: Random) -> None:
    """The cause is one of the members, whatever their order and excess."""
    members = [member(key, excess) for key, excess in excesses.items()]
    causes = {
        name_cause(incident(*random.sample(members, len(members)), cause="pair/ZZ/none"))
        for _ in range(4)
    }
    assert len(causes) == 1
    assert causes <= set(excesses)


@pytest.mark.parametrize(
    ("excess", "per_hour", "severity"),
    [
        (14.0, 100.0, "info"),
        (15.0, 100.0, "warning"),
        (99.0, 100.0, "warning"),
        (100.0, 100.0, "critical"),
        (-5.0, 100.0, "info"),
        (0.5, 0.0, "warning"),
    ],
)
def test_severity_is_relative(excess: float, per_hour: float, severity: Severity) -> None:
    """An hour's excess of 15 % of all foreign traffic is a warning, of all of it critical."""
    assert judge("info", excess, per_hour) == severity


@settings(max_examples=50)
@given(st.lists(st.floats(-1e3, 1e4), max_size=20))
def test_severity_never_falls(excesses: list[float]) -> None:
    """Whatever the hours bring, an open incident's severity only rises."""
    order = ["info", "warning", "critical"]
    now: Severity = "info"
    for excess in excesses:
        later = judge(now, excess, 100.0)
        assert order.index(later) >= order.index(now)
        now = later


def test_open_while_any_member_is() -> None:
    """An incident is open until its last episode has closed."""
    x, us = member("hashtag/x"), member("region/US")
    wave = incident(x, us)
    x.open = False
    assert wave.open
    us.open = False
    assert not wave.open
