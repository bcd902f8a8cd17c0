"""How many people a wave needs: from its forecast, its languages and the operator's throughput.

Moderators handle every post; those in a language that the staff does not read go through a
translator, too. Counted are the posts that the wave adds: forecast users beyond the usual ones,
times the posts a user of the wave has written so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from detectors.crowd import OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.settings import Capacity

NOT_GIVEN = ""
"""Language of the posts that do not say theirs."""
_SHARE_MIN = 0.005


class Range(NamedTuple):
    """A figure as it is forecast in the middle, and its upper end."""

    middle: float
    upper: float

    def scaled(self, factor: float) -> Range:
        """Both ends times a factor."""
        return Range(self.middle * factor, self.upper * factor)


@dataclass(frozen=True, slots=True)
class Need:
    """What one language needs, at each moment of a horizon.

    Attributes:
        language: primary subtag, ``other`` for those beyond the largest, ``""`` for no language.
        share: of the wave's users.
        posts: an hour.
        moderators: people.
        translators: people; None where the staff reads the language.
    """

    language: str
    share: float
    posts: Range
    moderators: Range
    translators: Range | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The people needed over one horizon.

    Attributes:
        hours: length of the horizon, from the alert on.
        needs: by language, largest first.
    """

    hours: float
    needs: list[Need]

    @property
    def posts(self) -> Range:
        """Posts an hour in all languages."""
        return _total(need.posts for need in self.needs)

    @property
    def moderators(self) -> Range:
        """People in all languages."""
        return _total(need.moderators for need in self.needs)

    @property
    def translators(self) -> Range:
        """People in all languages that the staff does not read."""
        return _total(need.translators for need in self.needs if need.translators)


def sheets(data: Mapping[str, Any], capacity: Capacity) -> list[Sheet]:
    """The people needed over each horizon of an alert's forecast; none without one.

    Args:
        data: of the alert.
        capacity: what the staff can do.
    """
    forecast = data.get("forecast")
    if not forecast:
        return []
    mix = languages(data["languages"])
    found = []
    for horizon in forecast["horizons"]:
        usual, each_hour = horizon["expected"], data["posts_per_user"] / horizon["hours"]
        posts = Range(
            max(horizon["users"] - usual, 0.0) * each_hour,
            max(horizon["upper"] - usual, 0.0) * each_hour,
        )
        needs = [_need(name, share, posts, capacity) for name, share in mix]
        found.append(Sheet(horizon["hours"], needs))
    return found


def languages(listed: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    """Languages with their shares of a wave, which make one together.

    Users may write in several languages, or in none that their posts tell.

    >>> languages([{"language": "en", "share": 0.8}, {"language": "es", "share": 0.1}])
    [('en', 0.8), ('es', 0.1), ('', 0.1)]
    """
    shares = [(str(item["language"]), float(item["share"])) for item in listed]
    total = sum(share for _, share in shares)
    scale = max(total, 1.0)
    mix = [(name, round(share / scale, 4)) for name, share in shares]
    rest = round(1.0 - total, 4)
    mix = [(name, share) for name, share in mix if share >= _SHARE_MIN or name == OTHER]
    return [*mix, (NOT_GIVEN, rest)] if rest >= _SHARE_MIN else mix


def _need(language: str, share: float, posts: Range, capacity: Capacity) -> Need:
    mine = posts.scaled(share)
    read = language in capacity.languages_read
    return Need(
        language,
        share,
        mine,
        mine.scaled(1.0 / capacity.moderator_posts_per_hour),
        None if read else mine.scaled(1.0 / capacity.translator_posts_per_hour),
    )


def _total(ranges: Any) -> Range:
    parts = list(ranges)
    return Range(sum(one.middle for one in parts), sum(one.upper for one in parts))
