"""A log as marked partitions holds what the log holds: nothing is lost, late or early for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from streams.codec import PostDecoder, encode_tick
from streams.events import Intake, Partials
from streams.pipeline import make_ingest
from streams.settings import Settings
from streams.stages.interleave import interleave
from streams.stages.spread import EVERY, Spread
from streams.stages.watermark import end_of_logs
from tests.harness import configured, confirmed, joined, post, replay
from tests.property.small_worlds import (
    WAYS,
    SmallWorld,
    Way,
    generator,
    seeds,
    simulated,
    sparse,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from streams.events import Reject
    from streams.stages.spread import Record

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOW = 1_736_726_400_000
Rows = dict[tuple[int, str], set[tuple[int, int, str, int]]]


@dataclass
class Counted:
    """What the ingest stages of some partitions have made of their lines, taken together."""

    intake: Intake = field(default_factory=Intake)
    rows: Rows = field(default_factory=dict)
    refused: list[bytes] = field(default_factory=list)

    def add(self, lines: Sequence[bytes], chosen: Settings, *, ends: bool) -> None:
        """Take one partition; ``ends`` as the last log of a replay would."""
        rejects: list[Reject] = []
        stage = make_ingest(chosen, 0, "log", rejects.append)
        out = list(stage.feed(PostDecoder().decode_chunk(joined(lines))))
        if ends:
            out += stage.end(end_of_logs([stage.mark]))
        assert not stage._buckets, "a bucket is still open"
        assert not stage.mark.held
        for one in out:
            if isinstance(one, Partials):
                self._add(one)
        self.intake.add(stage.intake)
        self.refused += [reject.raw for reject in rejects]

    def _add(self, one: Partials) -> None:
        start = 0
        for series, end in zip(one.series, one.ends.tolist(), strict=True):
            rows = self.rows.setdefault((one.bucket, series), set())
            for row in range(start, end):
                lang = one.langs[one.lang[row]]
                rows.add((int(one.user[row]), int(one.post[row]), lang, int(one.flags[row])))
            start = end


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Lines with what they hold."""
    kept = list(lines)
    for piece in PostDecoder().decode_chunk(joined(kept)).pieces():
        yield from zip((line[:-1] for line in piece.lines), piece.items, strict=True)


def spread(one: Iterable[Record], partitions: int, chosen: Settings) -> list[list[bytes]]:
    """The partitions, each with its lines and the markers."""
    stage = Spread(partitions, chosen.time.max_jump_ms, chosen.limits.held_posts)
    parts: list[list[bytes]] = [[] for _ in range(partitions)]
    for place, line in (*stage.take(one), *stage.end()):
        for part in parts if place == EVERY else [parts[place]]:
            part.append(line)
    return parts


def whole(lines: Sequence[bytes], chosen: Settings) -> Counted:
    """What the log is by itself."""
    counted = Counted()
    counted.add(lines, chosen, ends=True)
    return counted


def parted(parts: Sequence[Sequence[bytes]], chosen: Settings, *, ends: bool = False) -> Counted:
    """What its partitions are."""
    counted = Counted()
    for part in parts:
        counted.add(part, chosen, ends=ends)
    return counted


def assert_same(log: Counted, parts: Counted) -> None:
    """Every post has the same fate, if none is late in the log; then fewer are in partitions."""
    if not log.intake.late:
        assert parts.intake == log.intake
        assert parts.rows == log.rows
        assert sorted(parts.refused) == sorted(log.refused)
        return
    assert parts.intake.posts == log.intake.posts
    assert parts.intake.late <= log.intake.late
    assert parts.intake.rejected == log.intake.rejected
    assert set(log.rows) <= set(parts.rows)
    assert all(log.rows[key] <= parts.rows[key] for key in log.rows)


KINDS = ["next"] * 20 + ["walk"] * 3
KINDS += ["pause", "back", "stray", "old", "ahead", "junk", "marker"]
Steps = list[tuple[str, int, int]]


def drawn(rng: Random) -> Steps:
    """Steps of a log: what happens, which user, how far."""
    count = rng.randrange(200)
    return [(rng.choice(KINDS), rng.randrange(13), rng.randrange(121)) for _ in range(count)]


def adversary(steps: Steps) -> list[bytes]:
    """A log from steps of its clock: pauses, strays years away, an account that walks ahead."""
    at, walker, lines = NOW, NOW, []
    for number, (kind, user, amount) in enumerate(steps):
        at += {"pause": amount * MINUTE, "next": amount * SECOND // 20}.get(kind, 0)
        if kind == "walk":
            walker = max(walker, at) + (100 + amount % 21) * SECOND
            lines.append(post(number, walker, "w", "US"))
            continue
        stamp = at + {
            "back": -amount * SECOND,
            "stray": amount * 365 * DAY // 10,
            "old": -amount * DAY,
            "ahead": amount * SECOND,
        }.get(kind, 0)
        line = post(number, stamp, f"u{user}", ["US", "CN", None][user % 3], hashtags=["t"])
        lines.append({"junk": b"{", "marker": encode_tick(at)}.get(kind, line))
    return lines


@pytest.mark.parametrize("seed", seeds(60))
def test_adversary(seed: int) -> None:
    """However a log's clock is led, its partitions count what it counts, and lose nothing more."""
    rng = generator(seed)
    chosen = configured(time={"max_jump": rng.choice(["1s", "30s", "2m", "2m"])})
    lines = adversary(drawn(rng))
    parts = spread(records(lines), rng.randrange(1, 10), chosen)
    assert_same(whole(lines, chosen), parted(parts, chosen))


@pytest.mark.parametrize("seed", seeds(20))
def test_markers_in_the_log(seed: int) -> None:
    """A log that was recorded with its markers, its end among them, can be published again."""
    rng, chosen = generator(seed), Settings()
    steps = drawn(rng)
    (first,) = spread(records(adversary(steps)), 1, chosen)
    assert spread(records(first), 1, chosen) == [first]
    (second,) = spread(records(adversary(steps[rng.randrange(30) :])), 1, chosen)
    recorded = first + second
    parts = spread(records(recorded), rng.randrange(1, 10), chosen)
    assert_same(whole(recorded, chosen), parted(parts, chosen))


@pytest.mark.parametrize("seed", seeds(20))
def test_several_logs(seed: int) -> None:
    """Every line of several logs is in one partition, whatever the logs are."""
    rng, chosen = generator(seed), Settings()
    logs = rng.randrange(1, 5)
    lines = [line for line in adversary(drawn(rng)) if b"surgewatch_tick" not in line]
    one = merged([lines[i::logs] for i in range(logs)], chosen)
    parts = spread(one, rng.randrange(1, 10), chosen)
    posts = [line for part in parts for line in part if b"surgewatch_tick" not in line]
    assert sorted(posts) == sorted(lines)
    assert parted(parts, chosen).intake.posts == len(lines)


def merged(logs: Sequence[Iterable[bytes]], chosen: Settings) -> Iterator[Record]:
    return interleave(
        [records(log) for log in logs], chosen.time.max_jump_ms, chosen.limits.held_posts
    )


def test_markers_follow_what_is_confirmed() -> None:
    """One account that posts ever further ahead gives no marker: five users do, and the end."""
    lines = [post(i, NOW + i, f"u{i}", "US") for i in range(5)]
    lines += [post(10 + i, NOW + i * 2 * MINUTE, "u0", "US") for i in range(50)]
    (part,) = spread(records(lines), 1, Settings())
    markers = [line for line in part if b"surgewatch_tick" in line]
    assert markers == [encode_tick(NOW), encode_tick(NOW + 4 * MINUTE, end=True)]


def test_one_account_makes_nobody_late() -> None:
    """One account that runs ahead by twice the jump makes no post of others late.

    It would if the markers followed the clock, for they are believed: from each the account could
    lead by the jump again.
    """
    lines = [post(i, NOW + i, f"u{i}", "US") for i in range(5)]
    lines += [post(5, NOW + 2 * MINUTE, "w", "US"), post(6, NOW + 4 * MINUTE, "w", "US")]
    lines += [post(7, NOW + MINUTE, "u1", "US")]
    assert whole(lines, Settings()).intake.late == 0
    assert parted(spread(records(lines), 1, Settings()), Settings()).intake.late == 0


def test_log_without_posts() -> None:
    """A log that holds nothing gives no marker, one of junk alone no more than its lines."""
    assert spread([], 2, Settings()) == [[], []]
    parts = spread(records([b"{", b"", b"["]), 2, Settings())
    assert sorted(line for part in parts for line in part) == [b"", b"[", b"{"]


def test_a_user_stays_in_one_partition() -> None:
    """All posts of a user are in one partition, the same on every machine."""
    lines = [post(i, NOW + i, f"user {i % 40}", "US") for i in range(400)]
    parts = spread(records(lines), 4, Settings())
    users = [
        {line.split(b'"user_id":')[1][:9] for line in part if b"post_id" in line} for part in parts
    ]
    assert sum(map(len, users)) == 40
    assert [len(one) for one in users] == [10, 10, 7, 13]


@pytest.mark.parametrize("seed", seeds(6))
def test_recorded_partitions_published_again(seed: int) -> None:
    """Partitions recorded with their markers count, over other partitions, what the log does."""
    rng = generator(seed)
    world = sparse(seed).shuffled(rng)
    lines = [item.line for item in world.items]
    recorded = spread(records(lines), rng.choice([2, 4]), world.settings)
    parts = spread(merged(recorded, world.settings), rng.choice([1, 3]), world.settings)
    assert_same(whole(lines, world.settings), parted(parts, world.settings))


def test_sorting_does_not_wait_for_strays() -> None:
    """A post dated 2099 at the head of a log does not make the other log come first."""
    one = [post(0, NOW + 70 * 365 * DAY, "s", "US")]
    one += [post(1 + i, NOW + i * MINUTE, f"a{i % 9}", "US") for i in range(60)]
    two = [post(100 + i, NOW + i * MINUTE, f"b{i % 9}", "US") for i in range(60)]
    order = [item[0] for _, item in merged([one, two], Settings()) if isinstance(item, tuple)]
    assert order[-1] == NOW + 70 * 365 * DAY
    assert order[:-1] == sorted(order[:-1])


def rearranged(world: SmallWorld, seed: int) -> SmallWorld:
    """The same world out of order within the lateness, every line twice."""
    return world.shuffled(generator(seed)).twice()


@pytest.mark.parametrize("seed", seeds(12))
def test_sparse_worlds(seed: int) -> None:
    """Of worlds with few users, bursts and holes nothing is late or rejected in any partition."""
    rng = generator(seed)
    world = sparse(seed)
    if rng.random() < 0.7:
        world = rearranged(world, seed)
    lines = [item.line for item in world.items]
    parts = spread(records(lines), rng.choice([1, 2, 4, 8]), world.settings)
    assert_same(whole(lines, world.settings), parted(parts, world.settings))


@pytest.mark.parametrize("seed", seeds(12))
@pytest.mark.parametrize("way", WAYS)
def test_several_logs_of_a_world(seed: int, way: Way) -> None:
    """Of several logs that a replay counts in full, nothing is late in any partition."""
    rng = generator(seed)
    world = sparse(seed)
    if rng.random() < 0.5:
        world = world.shuffled(rng)
    logs = [log.splitlines() for log in world.split(way, rng.choice([2, 3, 5])).values()]
    parts = spread(merged(logs, world.settings), rng.choice([1, 2, 4]), world.settings)
    counted = parted(parts, world.settings)
    assert_same(whole([item.line for item in world.items], world.settings), counted)
    assert counted.intake.late == 0


@pytest.mark.parametrize("seed", seeds(2))
def test_alerts_are_those_of_the_log(seed: int) -> None:
    """A replay of the partitions, as they would be recorded, gives the log's confirmed alerts."""
    rng = generator(seed)
    world = simulated(seed).shuffled(rng)
    expected = confirmed(replay(world.log, world.settings).lines)
    lines = (item.line for item in world.items)
    parts = spread(records(lines), rng.choice([2, 4]), world.settings)
    logs = {f"posts-{number:03}.jsonl": joined(part) for number, part in enumerate(parts)}
    assert expected
    assert confirmed(replay(logs, world.settings).lines) == expected
