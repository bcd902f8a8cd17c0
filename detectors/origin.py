"""Who counts as foreign, and who as a newcomer."""

from __future__ import annotations

from dataclasses import dataclass

AGE_KNOWN = 1
"""Flag of a user whose account's age the post gave."""
NEWCOMER = 2
"""Flag of a user whose account was young at the time of the post."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The operator's idea of home; see the design's words *foreign* and *newcomer*.

    Attributes:
        home_regions: ISO 3166 alpha-2 codes; an empty set makes every region foreign.
        home_languages: primary language subtags, lower case.
        newcomer_age_ms: accounts younger than this are newcomers.
    """

    home_regions: frozenset[str]
    home_languages: frozenset[str]
    newcomer_age_ms: int

    def is_foreign(self, region: str, lang: str) -> bool:
        """Judge a post by its region and language; one without a language by its region.

        >>> origin = Origin(frozenset({"CN"}), frozenset({"zh"}), 7 * 86_400_000)
        >>> [origin.is_foreign(*post) for post in (("US", "en"), ("US", "zh"), ("ZZ", ""))]
        [True, False, True]
        """
        return region not in self.home_regions and lang not in self.home_languages

    def age_flags(self, account_created_at_ms: int | None, created_at_ms: int) -> int:
        """The age bits of a post's flags: 0 unknown, 1 known, 3 a newcomer."""
        if account_created_at_ms is None:
            return 0
        if created_at_ms - account_created_at_ms <= self.newcomer_age_ms:
            return AGE_KNOWN | NEWCOMER
        return AGE_KNOWN
