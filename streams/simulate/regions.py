"""Where simulated posts come from: regions, their share of traffic, their clock and languages.

The four largest shares are the published ones of January 2025; the rest is spread over sixty other
countries with a heavy tail. ``zh`` is the share of a region's posts written in Chinese: people
at home there, or students and families abroad.
"""

from __future__ import annotations

from dataclasses import dataclass

HOME_REGION = "CN"
HOME_LANGUAGE = "zh"
NO_REGION = ""
"""A post whose region is unknown (``null`` in the log)."""

_UNKNOWN_SHARE = 0.001
_LARGEST = {"CN": 0.883, "US": 0.0214, "TW": 0.0197, "HK": 0.0177}

# code, hours from UTC (one zone for a whole country), share in Chinese, other languages by weight
_TABLE = """
CN 8 .995 en:1
US -6 .55 en-US:9 es:1
TW 8 .97 en:2 ja:1
HK 8 .90 en-HK:1
MY 8 .70 ms:5 en:4
SG 8 .75 en-SG:1
JP 9 .65 ja:8 en:1
CA -6 .70 en-CA:8 fr-CA:2
AU 10 .70 en-AU:1
GB 0 .70 en-GB:1
KR 9 .60 ko:8 en:1
MO 8 .95 pt:1 en:2
TH 7 .30 th:7 en:2
DE 1 .45 de:6 en:3
FR 1 .45 fr:7 en:2
NZ 12 .60 en-NZ:1
IT 1 .40 it:6 en:2
ID 7 .25 id:7 en:2
VN 7 .20 vi:7 en:2
ES 1 .35 es:7 en:2
PH 8 .20 en:8 es:1
RU 3 .25 ru:8 en:1
NL 1 .35 nl:5 en:5
AE 4 .30 ar:4 en:6
BR -3 .20 pt-BR:9 en:1
MX -6 .15 es-MX:9 en:1
CH 1 .30 de:5 fr:3 it:1 en:2
SE 1 .30 sv:6 en:4
IE 0 .45 en-IE:1
IN 5.5 .08 en-IN:6 hi:4
TR 3 .15 tr:8 en:1
BE 1 .25 fr:4 nl:4 en:2
AT 1 .30 de:7 en:2
DK 1 .25 en:1
NO 1 .20 en:1
FI 2 .25 en:1
PL 1 .15 pl:7 en:2
PT 0 .20 pt:7 en:2
GR 2 .15 en:1
CZ 1 .15 en:1
HU 1 .25 en:1
RO 2 .10 en:1
UA 2 .10 ru:5 en:3
KZ 5 .20 ru:8 en:1
SA 3 .10 ar:8 en:1
EG 2 .10 ar:7 en:2
ZA 2 .20 en-ZA:1
NG 1 .10 en:1
KE 3 .10 en:1
MA 1 .08 fr:5 ar:4
DZ 1 .08 fr:5 ar:4
AR -3 .12 es:9 en:1
CL -3 .12 es:9 en:1
CO -5 .08 es:9 en:1
PE -5 .12 es:9 en:1
IL 2 .12 en:1
PK 5 .15 en:1
BD 6 .12 en:1
LK 5.5 .10 en:1
NP 5.75 .12 en:3 hi:2
MM 6.5 .25 en:1
KH 7 .35 en:1
LA 7 .30 en:1
MN 8 .15 ru:1 en:2
"""


@dataclass(frozen=True, slots=True)
class Region:
    """One region of origin.

    Attributes:
        code: ISO 3166 alpha-2, or ``NO_REGION``.
        share: share of all usual posts, in (0, 1).
        utc_offset: local time minus UTC, in hours.
        languages: (language tag, share of the region's posts), Chinese first.
    """

    code: str
    share: float
    utc_offset: float
    languages: tuple[tuple[str, float], ...]


def _parse() -> tuple[Region, ...]:
    rows = [line.split() for line in _TABLE.split("\n") if line]
    tail = [1.0 / (rank + 3) for rank in range(len(rows) - len(_LARGEST))]
    left = 1.0 - sum(_LARGEST.values()) - _UNKNOWN_SHARE
    tail_share = iter(weight * left / sum(tail) for weight in tail)
    regions: list[Region] = []
    for code, offset, chinese, *others in rows:
        share = _LARGEST[code] if code in _LARGEST else next(tail_share)
        local = HOME_LANGUAGE + (f"-{code}" if code in {"TW", "HK", "MO"} else "")
        weights = {tag: float(weight) for tag, weight in (other.split(":") for other in others)}
        foreign = (1.0 - float(chinese)) / sum(weights.values())
        languages = [(local, float(chinese))]
        languages += [(tag, weight * foreign) for tag, weight in weights.items()]
        regions.append(Region(code, share, float(offset), tuple(languages)))
    regions.append(Region(NO_REGION, _UNKNOWN_SHARE, 8.0, ((HOME_LANGUAGE, 0.7), ("en", 0.3))))
    return tuple(regions)


REGIONS = _parse()
INDEX = {region.code: number for number, region in enumerate(REGIONS)}
"""Region code to its place in ``REGIONS``."""

LANGUAGE_TAGS = ("", *sorted({tag for region in REGIONS for tag, _ in region.languages}))
"""Every language tag a post can carry; place 0 is a post without one."""

FAMILIES = tuple(sorted({tag.split("-")[0] for tag in LANGUAGE_TAGS[1:]}))
"""Primary language subtags: each has hashtags of its own."""


def foreign(region: str, language: str) -> bool:
    """Whether a post of ``region`` in ``language`` (a tag, ``""`` for none) is foreign."""
    return region != HOME_REGION and language.split("-", maxsplit=1)[0] != HOME_LANGUAGE
