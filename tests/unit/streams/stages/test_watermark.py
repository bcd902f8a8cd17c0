"""The clock of a partition: who moves it, and who does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.stages.watermark import HELD_BYTES_MAX, Held, Watermark, end_of_logs

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
JUMP = 2 * MINUTE
NOW = 1_736_700_000_000
YEAR_2099 = 4_070_908_800_000


def feed(mark: Watermark, posts: list[tuple[int, str]]) -> list[int]:
    """Feed posts as ingest does; returns the times of those that were believed."""
    believed = []
    for time_ms, user in posts:
        if time_ms <= mark.limit_ms:
            mark.clock_ms = max(mark.clock_ms or 0, time_ms)
            believed.append(time_ms)
        elif mark.hold(time_ms, user, None):
            for held in mark.released():
                mark.clock_ms = max(mark.clock_ms or 0, held.time_ms)
                believed.append(held.time_ms)
    return believed


def started(held_max: int = 10_000) -> Watermark:
    """A clock at NOW, confirmed."""
    mark = Watermark(JUMP, held_max)
    mark.tick(NOW)
    return mark


def crowd(at: int, users: int = 5) -> list[tuple[int, str]]:
    return [(at + i, f"user {i}") for i in range(users)]


@pytest.mark.parametrize(
    "poison",
    [
        [(YEAR_2099, "stray")],
        [(NOW + 3 * HOUR, "stray")],
        [(NOW + 3 * HOUR + i, "bot") for i in range(1_000)],
        [(NOW + (i + 1) * 3 * MINUTE, "bot") for i in range(1_000)],
        crowd(NOW + 3 * HOUR, users=4) * 50,
        [(NOW + (2 * i + 1) * DAY, f"user {i}") for i in range(20)],
    ],
    ids=["2099", "three hours", "bot", "walking bot", "four users", "twenty days apart"],
)
def test_poison_does_not_move_the_clock(poison: list[tuple[int, str]]) -> None:
    """Stray posts, a bot's thousand, four users' or many far apart: the clock stays."""
    mark = started()
    assert feed(mark, poison) == []
    assert mark.clock_ms == NOW
    assert feed(mark, crowd(NOW + MINUTE)) == [NOW + MINUTE + i for i in range(5)]
    assert mark.clock_ms == NOW + MINUTE + 4
    assert len(mark.held) == len(poison)


def test_one_account_cannot_walk_the_clock() -> None:
    """An account alone leads the confirmed base by ``max_jump`` at most, however it tries."""
    mark = started()
    feed(mark, [(NOW + i * 1_000, "bot") for i in range(10_000)])
    assert mark.clock_ms == NOW + JUMP


def test_five_users_move_the_clock() -> None:
    """Five users three hours ahead are event time: the clock goes there with the fifth."""
    mark = started()
    posts = crowd(NOW + 3 * HOUR)
    assert feed(mark, posts[:4]) == []
    assert feed(mark, posts[4:]) == [at for at, _ in posts]
    assert mark.clock_ms == NOW + 3 * HOUR + 4


def test_clock_goes_as_far_as_five_users_went() -> None:
    """Of a user with an early and a late post the late one counts, when four others are there."""
    mark = started()
    early, late = (NOW + 3 * HOUR, "user 0"), (NOW + 6 * HOUR, "user 0")
    assert len(feed(mark, [early, late, *crowd(NOW + 5 * HOUR)[1:]])) == 5
    assert mark.base_ms == NOW + 5 * HOUR + 1
    assert [held.time_ms for held in mark.held] == [late[0]]


def test_first_clock_needs_five_users() -> None:
    """A new log has no clock until five users gave it one; the far future waits meanwhile."""
    mark = Watermark(JUMP, 10_000)
    assert feed(mark, [(YEAR_2099, "stray"), *crowd(NOW, users=4)]) == []
    assert mark.clock_ms is None
    assert len(feed(mark, [(NOW + 10, "fifth")])) == 5
    assert mark.clock_ms == NOW + 10


@pytest.mark.parametrize("age", [2 * DAY, 400 * DAY, 15 * 365 * DAY])
def test_old_stray_post_does_not_block_the_clock(age: int) -> None:
    """A post years older than a new log, held first, does not keep five users from starting it."""
    mark = Watermark(JUMP, 10_000)
    feed(mark, [(NOW - age, "stray"), *crowd(NOW)])
    assert mark.clock_ms == NOW + 4
    assert mark.base_ms == NOW


def test_stray_post_before_an_outage_does_not_block_the_clock() -> None:
    """After an outage of two days the clock goes on, though a stray post lies in between."""
    mark = started()
    assert feed(mark, [(NOW + 3 * HOUR, "stray")]) == []
    feed(mark, crowd(NOW + 2 * DAY))
    assert mark.clock_ms == NOW + 2 * DAY + 4


def test_users_must_be_near_each_other() -> None:
    """Five users confirm within a day, the first and last of them exactly a day apart."""
    for spread, confirmed in ((DAY, True), (DAY + 1, False)):
        mark = started()
        feed(mark, [*crowd(NOW + DAY, users=4), (NOW + DAY + spread, "fifth")])
        assert (mark.base_ms == NOW + DAY) is confirmed


def test_marker_moves_the_clock_and_never_back() -> None:
    """A marker is believed at once; an older one changes nothing."""
    mark = started()
    mark.tick(NOW + DAY)
    assert (mark.clock_ms, mark.limit_ms) == (NOW + DAY, NOW + DAY + JUMP)
    mark.tick(NOW)
    assert (mark.clock_ms, mark.limit_ms) == (NOW + DAY, NOW + DAY + JUMP)


def test_hold_is_bounded() -> None:
    """Above the limit the half furthest ahead is pushed out; nearer posts survive and confirm."""
    mark = started(held_max=100)
    out: list[Held] = []
    for i in range(1_000):
        mark.hold(YEAR_2099 + i, "bot", i)
        out += mark.pushed_out()
        assert len(mark.held) <= 100
    assert len(out) + len(mark.held) == 1_000
    assert all(held.time_ms >= YEAR_2099 + 50 for held in out)
    assert len(feed(mark, crowd(NOW + HOUR))) == 5


def test_hold_is_bounded_in_bytes() -> None:
    """A few posts as large as a record push out the half furthest ahead, too."""
    mark = Watermark(MINUTE, 1_000)
    size = HELD_BYTES_MAX // 10
    out: list[Held] = []
    for i in range(25):
        mark.hold(NOW + i * DAY, "one user", i, size)
        out += mark.pushed_out()
        assert sum(held.size for held in mark.held) <= HELD_BYTES_MAX
    assert mark.held[0].item == 0
    assert len(out) + len(mark.held) == 25


def test_bookkeeping_of_a_flood() -> None:
    """What is known of held posts by day and user is of those held, however many came and went."""
    mark = started(held_max=100)
    for i in range(2_000):
        mark.hold(NOW + (i % 7) * 20 * HOUR + 3 * MINUTE, f"bot {i % 4}", None)
        mark.pushed_out()
        assert sum(len(t) for users in mark._days.values() for t in users.values()) == len(
            mark.held
        )
    mark.drained()
    assert (mark.held, mark._days) == ([], {})


POSTS = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 7)), max_size=60)


@settings(max_examples=80)
@given(POSTS, st.integers(3, 20))
def test_clock_rests_on_five_users(posts: list[tuple[int, int]], jump_hours: int) -> None:
    """The clock never leads what five users have reached, within a day, by more than the jump."""
    mark = Watermark(jump_hours * HOUR, 10_000)
    fed: list[tuple[int, str]] = []
    clock = 0
    for at, who in posts:
        fed.append((NOW + at * HOUR, f"user {who}"))
        feed(mark, fed[-1:])
        if mark.clock_ms is None:
            continue
        assert mark.clock_ms >= clock, "the clock never goes back"
        clock = mark.clock_ms
        assert mark.base_ms is not None
        assert mark.base_ms <= mark.clock_ms <= mark.base_ms + mark.max_jump_ms
        near = {u for t, u in fed if mark.base_ms <= t <= mark.base_ms + DAY}
        assert len(near) >= 5
    for first, _ in ((h.time_ms, h.user) for h in mark.held):
        users = {h.user for h in mark.held if first <= h.time_ms <= first + DAY}
        assert len(users) < 5, "what five users hold is never left waiting"


def test_end_is_the_latest_clock() -> None:
    """Logs end at the latest clock of their partitions; without posts there is no end."""
    marks = [started(), Watermark(JUMP, 10), started()]
    feed(marks[0], [(NOW + MINUTE, "a")])
    assert end_of_logs(marks) == NOW + MINUTE
    assert end_of_logs([Watermark(JUMP, 10)]) is None


def test_end_believes_the_last_posts() -> None:
    """Of a log's last posts those are believed that a second account has reached, or nearly."""
    mark = started()
    feed(mark, [(NOW + HOUR, "a"), (NOW + 2 * HOUR, "b"), (YEAR_2099, "c")])
    assert end_of_logs([mark]) == NOW + HOUR
    feed(mark, [(NOW + HOUR + JUMP, "a"), (NOW + HOUR + 2 * JUMP, "b")])
    assert end_of_logs([mark]) == NOW + HOUR + 2 * JUMP


def test_one_account_does_not_end_the_log_late() -> None:
    """However many posts one account dates ahead, the log ends where the others left it."""
    mark = started()
    before = end_of_logs([mark])
    feed(mark, [(NOW + HOUR + step, "bot") for step in range(500)])
    assert end_of_logs([mark]) == before


def test_end_of_a_log_that_never_had_a_clock() -> None:
    """A log of fewer than five users ends within the day that has the most of them."""
    mark = Watermark(JUMP, 10_000)
    feed(mark, [(NOW - 900 * DAY, "a"), *crowd(NOW, users=3), (YEAR_2099, "b")])
    assert end_of_logs([mark]) == NOW + 2
    other = Watermark(JUMP, 10_000)
    feed(other, [(NOW + HOUR, "z")])
    assert end_of_logs([mark, other]) == NOW + HOUR
