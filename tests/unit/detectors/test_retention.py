"""How many of a wave's newcomers post again, from bounded samples."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import retention
from detectors.retention import DAYS, Cohort, Cohorts, sample
from detectors.series import stable_hash
from detectors.users import WHOLE

DAY = 24
CLOSED = 1_000


def cohort(users: list[int], series: str = "hashtag/x", closed: int = CLOSED) -> Cohort:
    """A cohort that is followed as a whole, in buckets of an hour."""
    return Cohort(series, closed - 9, closed, float(len(users)), sorted(users), WHOLE, DAY)


def told(cohorts: Cohorts, until: int) -> list[tuple[int, int]]:
    """Day and number of returned users of what is told up to a bucket."""
    return [(one.day, one.returned) for at in range(until + 1) for one in cohorts.due(at)]


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(
    ("offset", "counted"), [(-1, False), (0, True), (DAY - 1, True), (DAY, False)]
)
def test_a_window_is_the_24_hours_that_begin_days_later(
    day: int, offset: int, counted: bool
) -> None:
    """A post counts from the window's first bucket to its last, and in no other window."""
    cohorts = Cohorts()
    cohorts.add(cohort([5, 7]))
    at = CLOSED + 1 + day * DAY + offset
    found: dict[int, int] = {}
    for bucket in range(CLOSED + 1, CLOSED + 9 * DAY):
        cohorts.see(bucket, [6, 7, 7] if bucket == at else [6], WHOLE)
        for one in cohorts.due(bucket):
            assert (one.first, one.last) == (bucket - DAY + 1, bucket)
            assert (one.followed, one.newcomers) == (2, 2.0)
            found[one.day] = one.returned
    assert found[day] == int(counted)
    assert sorted(found) == list(DAYS)
    assert sum(found.values()) == int(counted)


def test_a_cohort_is_forgotten_after_its_last_window() -> None:
    """Neither it nor its users are kept then; those that another one needs are."""
    cohorts = Cohorts()
    cohorts.add(cohort([5, 7]))
    cohorts.add(cohort([7, 9], closed=CLOSED + DAY))
    assert cohorts.next_due == CLOSED + 2 * DAY
    assert [one.day for one in cohorts.due(CLOSED + 8 * DAY)] == [1, 3, 7, 1, 3]
    assert len(cohorts) == 1
    assert set(cohorts._last_post) == {7, 9}
    assert [one.day for one in cohorts.due(CLOSED + 9 * DAY)] == [7]
    assert (len(cohorts), cohorts._last_post, cohorts.next_due) == (0, {}, None)


def test_one_without_newcomers_is_none() -> None:
    """An episode of which no newcomer is known is not followed."""
    cohorts = Cohorts()
    cohorts.add(cohort([]))
    assert (len(cohorts), cohorts.next_due, cohorts.due(CLOSED + 9 * DAY)) == (0, None, [])


def test_the_smallest_hashes_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large cohort a uniform sample: the users below the hash of the next one."""
    monkeypatch.setattr(retention, "USERS_MAX", 3)
    assert sample({40, 10, 30}, 77) == ([10, 30, 40], 77)
    assert sample({40, 10, 30, 20, 50}, 77) == ([10, 20, 30], 40)


def test_a_sampled_bucket_narrows_the_sample() -> None:
    """Who could not be seen in a bucket of a window is looked for no longer; before it, still."""
    cohorts = Cohorts()
    one = cohort([10, 20, 30])
    cohorts.add(one)
    cohorts.see(CLOSED + 1, [10], 15)
    assert one.users == [10, 20, 30]
    cohorts.see(CLOSED + 1 + DAY, [10], 25)
    (first,) = cohorts.due(CLOSED + 2 * DAY)
    assert (first.followed, first.returned, first.newcomers) == (2, 1, 3.0)
    cohorts.see(CLOSED + 2 + 3 * DAY, [], 5)
    (second,) = cohorts.due(CLOSED + 4 * DAY)
    assert (second.followed, second.returned) == (0, 0)


def test_a_hole_is_counted_in_its_windows() -> None:
    """Buckets of missing data count in the window they lie in, and in that alone."""
    cohorts = Cohorts()
    cohorts.add(cohort([5]))
    start = CLOSED + 1 + DAY
    cohorts.miss(start - 5, start + 2)
    cohorts.miss(start + DAY - 1, start + DAY + 7)
    assert [one.missing for one in cohorts.due(start + DAY - 1)] == [4]
    assert [one.missing for one in cohorts.due(start + 9 * DAY)] == [0, 0]


def test_beyond_the_limit_the_smallest_cohort_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted, and its users are forgotten; of equals the first by name goes."""
    monkeypatch.setattr(retention, "COHORTS_MAX", 2)
    cohorts = Cohorts()
    for name, users in (("b", [1, 2]), ("a", [3, 4]), ("c", [5, 6, 7])):
        cohorts.add(cohort(users, name))
    assert cohorts.dropped == 1
    assert [one.series for one in cohorts.due(CLOSED + 2 * DAY)] == ["b", "c"]
    assert set(cohorts._last_post) == {1, 2, 5, 6, 7}


def test_beyond_the_limit_the_largest_cohorts_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """All together stay within the limit, small ones exact, and the shares stay about right."""
    monkeypatch.setattr(retention, "ENTRIES_MAX", 1_000)
    cohorts, sizes = Cohorts(), {"large": 900, "middle": 300, "small": 20}
    users = {
        name: [stable_hash(f"{name} {n}") for n in range(size)] for name, size in sizes.items()
    }
    for name in sizes:
        cohorts.add(cohort(users[name], name))
    assert len(cohorts._last_post) <= 1_000
    back = [user for name in sizes for user in users[name][: sizes[name] // 2]]
    cohorts.see(CLOSED + DAY + 1, back, WHOLE)
    found = {one.series: one for one in cohorts.due(CLOSED + 2 * DAY)}
    assert (found["small"].followed, found["small"].returned) == (20, 10)
    assert found["large"].followed < 900
    for one in found.values():
        assert one.newcomers == sizes[one.series]
        assert one.returned / one.followed == pytest.approx(0.5, abs=0.1)


@settings(max_examples=60)
@given(
    posts=st.lists(st.tuples(st.integers(0, 9 * DAY), st.integers(0, 12)), max_size=80),
    cut=st.integers(1, 5),
)
def test_as_counted_by_hand(posts: list[tuple[int, int]], cut: int) -> None:
    """Any posts, buckets told in pieces of any length: what a look at all of them gives."""
    cohorts, members = Cohorts(), {0, 2, 4, 6, 8}
    cohorts.add(cohort(sorted(members)))
    found = {}
    by_bucket: dict[int, list[int]] = {}
    for at, user in posts:
        by_bucket.setdefault(CLOSED + 1 + at, []).append(user)
    for bucket in range(CLOSED + 1, CLOSED + 9 * DAY):
        if bucket in by_bucket:
            cohorts.see(bucket, sorted(by_bucket[bucket]), WHOLE)
        due = cohorts.next_due
        if bucket % cut == 0 or due == bucket:  # as the stage does: never later than due
            found |= {one.day: one.returned for one in cohorts.due(bucket)}
    for day in DAYS:
        window = range(day * DAY, (day + 1) * DAY)
        assert found[day] == len({user for at, user in posts if at in window} & members)
