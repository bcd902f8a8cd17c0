"""Foreign posts of simulated worlds as arrays, without writing and reading JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson

from detectors.series import canonical_hashtag
from streams.simulate.background import NO_LANGUAGE, is_foreign
from streams.simulate.bystanders import Bursts
from streams.simulate.posts import by_time
from streams.simulate.waves import Wave
from streams.simulate.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.simulate.posts import Posts
    from streams.simulate.world import Part, Truth

    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """The foreign posts of one world, in order of event time.

    Attributes:
        world: time, people and usual traffic.
        posts: rows of ``streams.simulate.posts``.
        tags: for each post its canonical hashtags, places in ``names``, each once, -1 for none,
            shape (posts, 5).
        names: canonical hashtags.
        waves: the waves, in the order in which they were given.
        truths: what the simulator says of waves and non-waves, by the part's name.
        users: for each wave the numbers of its users: the first, and the one after the last.
    """

    world: World
    posts: Posts
    tags: Ints
    names: list[str]
    waves: list[Wave]
    truths: dict[str, Truth]
    users: list[tuple[int, int]]


def draw(
    parts: Sequence[Part], *, days: float, rate: float, seed: int, home: bool = False
) -> Drawn:
    """Draw a world as ``streams.simulate.compose`` does, and keep what is foreign of it.

    Args:
        parts: waves, bystanders, outages.
        days: length of the world.
        rate: posts a second of the usual traffic, home and foreign.
        seed: zero or more.
        home: draw posts from the home region too, which makes it the very world of ``compose``.
            Without them it is another world of the same law, in an eighth of the time.
    """
    world = World(days, rate, seed)
    background = world.background
    scale = None if home else (~background.home_region).astype(np.float64)
    extra, truths, outages = [], {}, []
    users: dict[str, tuple[int, int]] = {}
    seen: Counter[str] = Counter()
    for part in (Bursts(), *parts):
        seen[part.name] += 1
        first = world.new_users(0)
        plan = part.plan(world, world.rng(part.name, seen[part.name]))
        users[part.name] = first, world.new_users(0)
        extra.append(plan.posts)
        if plan.truth is not None:
            truths[part.name] = plan.truth
        if plan.outage is not None:
            outages.append(plan.outage)
    added = by_time(extra)
    kept = []
    for step in range(background.steps):
        usual, _ = background.draw(step, world.rng("background", step), scale)
        low, high = np.searchsorted(added["time"], background.bounds(step))
        posts = by_time([usual, added[low:high]])
        kept.append(posts[is_foreign(posts)])
    posts = np.concatenate(kept)
    for low, high in outages:
        posts = posts[(posts["time"] < low) | (posts["time"] >= high)]
    waves = [part for part in parts if isinstance(part, Wave)]
    tags, names = _canonical(world, posts["tags"])
    return Drawn(world, posts, tags, names, waves, truths, [users[wave.name] for wave in waves])


def _canonical(world: World, numbers: NDArray[np.int32]) -> tuple[Ints, list[str]]:
    """Numbers of the vocabulary as places in a list of canonical hashtags, repeats left out."""
    used, place = np.unique(numbers, return_inverse=True)
    texts = [orjson.loads(text) if text else "" for text in world.vocabulary.texts(used, 0)]
    canonical = [(canonical_hashtag(text) if text else None) for text in texts]
    names = sorted({name for name in canonical if name is not None})
    index = {name: i for i, name in enumerate(names)}
    table = np.array([-1 if name is None else index[name] for name in canonical], dtype=np.int64)
    tags = np.sort(table[place.reshape(numbers.shape)], axis=1)
    tags[:, 1:][tags[:, 1:] == tags[:, :-1]] = -1
    return tags, names


def foreign_per_hour(world: World) -> float:
    """Mean foreign posts an hour of the usual traffic."""
    return world.background.foreign_rate * 3600.0


def region_posts(world: World) -> NDArray[np.float64]:
    """Foreign posts an hour that each region has in each half hour, by the simulator's own law.

    Returns:
        Shape (regions, steps).
    """
    background = world.background
    share = np.where(background.home_language, NO_LANGUAGE, 1.0) * ~background.home_region
    mean = np.bincount(background.region, background.rate * share) * 3600.0
    # The simulator tells nobody else; the bound is to know the world.
    return mean[:, None] * background._rhythm  # noqa: SLF001
