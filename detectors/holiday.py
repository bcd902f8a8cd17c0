"""Days off: on a holiday a region behaves as on none of its weekdays.

Public holidays of each country are those of the ``holidays`` library. A day is one of UTC: where
a region's own day begins some hours earlier or later, so does its holiday.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

NO_COUNTRY = 0
_ORDINAL_OF_1970 = 719_163
_FIRST_YEAR = 1970


def country_number(code: str) -> int:
    """A number for an ISO 3166 alpha-2 code, for arrays of countries.

    >>> country_number("US")
    21843
    >>> country_number("")
    0
    """
    return int.from_bytes(code.encode("ascii", "replace")[:2], "big")


@lru_cache(maxsize=64)
def free(countries: tuple[int, ...], day: int) -> tuple[int, ...]:
    """Those of some countries (``country_number``) that have a public holiday on a day.

    Args:
        countries: the countries.
        day: days since 1970-01-01.

    >>> us, fr = country_number("US"), country_number("FR")
    >>> free((us, fr), 20_273) == (us,)  # the 4th of July 2025
    True
    """
    year = int(np.datetime64(day, "D").astype("datetime64[Y]").astype(np.int64)) + _FIRST_YEAR
    ordinal = day + _ORDINAL_OF_1970
    return tuple(number for number in countries if ordinal in _holidays(number, year))


@lru_cache(maxsize=2_048)
def _holidays(number: int, year: int) -> frozenset[int]:
    """Ordinals of a country's holidays in a year; none of a country that is not known."""
    import holidays  # noqa: PLC0415 - a fifth of a second, and many a log needs none

    if number == NO_COUNTRY:
        return frozenset()
    try:
        found = holidays.country_holidays(number.to_bytes(2, "big").decode(), years=year)
    except NotImplementedError:
        return frozenset()
    return frozenset(date.toordinal() for date in found)
