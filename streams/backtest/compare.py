"""The incidents of two configurations on one log, side by side.

Incidents that overlap in series and time, directly or by way of others, are one *wave*: of each
wave it is told which configuration saw it, and which saw it first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from streams.backtest.assess import incident_extent
from streams.backtest.overlap import overlaps
from streams.codec import epoch_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind = Literal["new", "gone", "earlier", "later", "same"]

KINDS: tuple[Kind, ...] = ("new", "gone", "earlier", "later", "same")


@dataclass(frozen=True, slots=True)
class Change:
    """One wave under two configurations.

    Attributes:
        kind: ``new`` (only the second saw it), ``gone`` (only the first did), ``earlier`` or
            ``later`` (under the second), or ``same``.
        before: its incidents under the first, the first detected first.
        after: its incidents under the second, likewise.
        shift_minutes: from its detection under the first to that under the second; None if one of
            them did not see it.
    """

    kind: Kind
    before: Sequence[Mapping[str, Any]]
    after: Sequence[Mapping[str, Any]]
    shift_minutes: float | None

    @property
    def foremost(self) -> Mapping[str, Any]:
        """The incident to name it by: the first, of the second configuration if that has one."""
        return (self.after or self.before)[0]


def compare(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], end_ms: int
) -> list[Change]:
    """Put two lists of incidents side by side.

    Args:
        before: newest ``data`` of each incident under the first configuration.
        after: the same under the second.
        end_ms: end of the log, ms since 1970 UTC: that of incidents that are still open.

    Returns:
        Every incident in one change, by first detection.
    """
    groups = _Groups(len(before) + len(after))
    first = [incident_extent(data, end_ms) for data in before]
    second = [incident_extent(data, end_ms) for data in after]
    for one, other in overlaps(first, second):
        groups.join(one, len(before) + other)
    members: dict[int, tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]] = {}
    for number, data in enumerate([*before, *after]):
        sides = members.setdefault(groups.of(number), ([], []))
        sides[number >= len(before)].append(data)
    changes = [_change(*sides) for sides in members.values()]
    return sorted(changes, key=lambda change: _order((*change.before, *change.after)))


def _change(before: list[Mapping[str, Any]], after: list[Mapping[str, Any]]) -> Change:
    before.sort(key=_detection)
    after.sort(key=_detection)
    if not (before and after):
        return Change("new" if after else "gone", before, after, None)
    first, second = (epoch_ms(side[0]["detected_at"]) for side in (before, after))
    shift = (second - first) / 60_000
    kind: Kind = "same" if not shift else "later" if shift > 0 else "earlier"
    return Change(kind, before, after, shift)


def _detection(data: Mapping[str, Any]) -> tuple[int, str]:
    return epoch_ms(data["detected_at"]), data["incident_id"]


def _order(incidents: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    return min(map(_detection, incidents))


class _Groups:
    """Numbers in groups that are joined step by step (union-find)."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def of(self, number: int) -> int:
        """The number that stands for a number's group."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Make one group of two."""
        first, second = sorted((self.of(one), self.of(other)))
        self._parent[second] = first
