"""A whole simulated log: the parts of a scenario over the usual traffic, in order of arrival."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson

from streams.simulate.bystanders import Bursts
from streams.simulate.posts import blank, by_time, lines
from streams.simulate.world import Plan, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.events import Truth
    from streams.simulate.posts import Posts
    from streams.simulate.world import Part


class Simulation:
    """A simulated log and the truth about it. Reading it twice gives the same bytes.

    Args:
        parts: what happens; the order matters only for numbering.
        days: length of the world, starting 2025-01-08T00:00:00Z.
        rate: mean posts a second of the usual traffic; parts come on top.
        seed: zero or more.

    Attributes:
        truth: one record for each wave and non-wave.
        start_ms: first moment of the world, epoch ms.
        end_ms: the moment after its last, epoch ms.
    """

    def __init__(self, parts: Sequence[Part], *, days: float, rate: float, seed: int) -> None:
        self._world = World(days, rate, seed)
        self.start_ms = self._world.start_ms
        self.end_ms = self._world.end_ms
        self.truth: list[Truth] = []
        self._plans: list[tuple[str, Plan]] = []
        seen: Counter[str] = Counter()
        for part in (Bursts(), *parts):
            seen[part.name] += 1
            number = seen[part.name]
            plan = part.plan(self._world, self._world.rng(part.name, number))
            self._plans.append((f"{part.name}-{number}", plan))
            if plan.truth is not None:
                self.truth.append(msgspec.structs.replace(plan.truth, id=f"{part.name}-{number}"))
        self._extra = by_time([plan.posts for _, plan in self._plans])
        hand_written = [line for _, plan in self._plans for line in plan.lines]
        self._lines = sorted(hand_written, key=lambda line: line[0])
        self._outages = [plan.outage for _, plan in self._plans if plan.outage is not None]

    def truth_lines(self) -> Iterator[bytes]:
        """The truth file: one JSON object a line."""
        for truth in self.truth:
            yield orjson.dumps(msgspec.to_builtins(truth)) + b"\n"

    def lines(self) -> Iterator[bytes]:
        """The log line by line, with line ends."""
        for block in self.blocks():
            for line in block[:-1].split(b"\n"):
                yield line + b"\n"

    def blocks(self) -> Iterator[bytes]:
        """The log in pieces of half an hour of arrivals (whole lines), ready to be written."""
        waiting = blank(0)
        serial = 0
        position = 0
        for step in range(self._world.background.steps + 1):
            last = step == self._world.background.steps
            until = np.iinfo(np.int64).max if last else self._world.background.bounds(step)[1]
            if not last:
                posts = self._posts(step)
                posts["serial"] = serial + np.arange(len(posts))
                serial += len(posts)
                waiting = np.concatenate([waiting, self._rearranged(posts, step)])
                waiting = waiting[np.argsort(waiting["arrival"], kind="stable")]
            ready = int(np.searchsorted(waiting["arrival"], until))
            first = position
            while position < len(self._lines) and self._lines[position][0] < until:
                position += 1
            block = self._block(waiting[:ready], self._lines[first:position])
            waiting = waiting[ready:].copy()
            if block:
                yield block

    def _posts(self, step: int) -> Posts:
        """All rows of one half hour of event time, in order."""
        usual, _ = self._world.background.draw(step, self._world.rng("background", step))
        low, high = np.searchsorted(self._extra["time"], self._world.background.bounds(step))
        posts = usual if low == high else by_time([usual, self._extra[low:high]])
        posts["arrival"] = posts["time"]
        return posts

    def _rearranged(self, posts: Posts, step: int) -> Posts:
        for name, plan in self._plans:
            if plan.rearrange is not None:
                posts = plan.rearrange(posts, self._world.rng(f"{name} arrival", step))
        return posts

    def _block(self, posts: Posts, by_hand: list[tuple[int, str]]) -> bytes:
        """Rows and hand-written lines, both in order of arrival, as bytes; a line goes first."""
        for low, high in self._outages:
            posts = posts[(posts["arrival"] < low) | (posts["arrival"] >= high)]
            by_hand = [line for line in by_hand if not low <= line[0] < high]
        texts = lines(posts, self._world.vocabulary)
        if by_hand:
            arrivals = np.concatenate([[line[0] for line in by_hand], posts["arrival"]])
            texts = [line[1] for line in by_hand] + texts
            texts = [texts[place] for place in np.argsort(arrivals, kind="stable").tolist()]
        if not texts:
            return b""
        return ("\n".join(texts) + "\n").encode("utf-8", "surrogateescape")
