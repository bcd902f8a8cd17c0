"""Small logs whose alerts a reader can follow, each with a file of the alerts it must give.

``data/<name>.jsonl`` holds one alert a line: the confirmed part and the pipeline's own alerts,
trimmed to what decides them, each with ``why``. After a wanted change of behaviour run

    REGENERATE_GOLDEN=1 python -m pytest tests/golden

and review the difference: explanations are kept where type and subject stay, and an alert that has
none yet fails the test until someone writes it.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.harness import Json, hours_between, joined, post, replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DATA = Path(__file__).parent / "data"
HOUR_MS = 3_600_000
START_MS = 1_736_294_400_000  # 2025-01-08T00:00:00Z
REGIONS = ("US", "JP", "MY", "GB", "DE", "BR")
LISTED = 3

Drawn = tuple[int, str, str, list[str]]


class LogBuilder:
    """Posts by hour of a two-day log; hour 24 is where the detector's warm-up ends.

    Foreign users from six countries post ten hashtags, 30 posts an hour, and each hour about as
    many users have not been counted in the six hours before. Home posts change nothing and are
    left out.
    """

    def __init__(self, hours: int = 42) -> None:
        self._random = random.Random(1).random  # noqa: S311 - the same numbers in every version
        self.posts: list[Drawn] = []
        for number in range(30 * hours):
            who = int(self._random() * 1_000)
            tags = [f"topic{int(self._random() * 10)}"]
            self.add((number + self._random()) / 30, f"u{who}", REGIONS[who % 6], tags)

    def add(self, hour: float, user: str, region: str, tags: list[str]) -> None:
        """One post."""
        self.posts.append((START_MS + int(hour * HOUR_MS), user, region, tags))

    def wave(
        self, first: float, last: float, users: int, regions: Iterable[str], tags: list[str]
    ) -> None:
        """New users who post once, at a rate that rises evenly and then falls as it rose.

        Regions and hashtags take turns.
        """
        places = list(regions)
        for number in range(users):
            hour = first + (self._random() + self._random()) / 2 * (last - first)
            region, tag = places[number % len(places)], tags[number % len(tags)]
            self.add(hour, f"new{number}", region, [tag])

    def bots(self, first: float, last: float, posts: int) -> None:
        """Three accounts of one country that post one hashtag in turn."""
        for number in range(posts):
            hour = first + number / posts * (last - first)
            self.add(hour, f"bot{number % 3}", "VN", ["cheapfollowers"])

    def outage(self, first: float, last: float) -> None:
        """What was posted in these hours is lost."""
        low, high = START_MS + int(first * HOUR_MS), START_MS + int(last * HOUR_MS)
        self.posts = [one for one in self.posts if not low <= one[0] < high]

    def log(self) -> bytes:
        """The log in order of event time."""
        return joined(
            [
                post(number, at, user, region, hashtags=tags)
                for number, (at, user, region, tags) in enumerate(sorted(self.posts))
            ]
        )


def regional_wave(log: LogBuilder) -> None:
    """A hundred Brazilians arrive within two hours, with all the usual hashtags."""
    log.wave(30, 32, 100, ["BR"], [f"topic{number}" for number in range(10)])


def hashtag_wave(log: LogBuilder) -> None:
    """Ninety users bring a new hashtag from ten countries at once."""
    countries = ["FR", "IT", "ES", "PL", "NL", "SE", "GR", "PT", "RO", "CZ"]
    log.wave(30, 32, 90, countries, ["ListenToAdvice"])


def bots(log: LogBuilder) -> None:
    """Three accounts make 3,000 posts in three hours: a hundred times the usual traffic."""
    log.bots(30, 33, 3_000)


def outage(log: LogBuilder) -> None:
    """Nothing arrives for three hours; then those who waited come back together."""
    log.outage(30, 33)


def interrupted_wave(log: LogBuilder) -> None:
    """A Brazilian wave of six hours, in whose middle nothing arrives for two and a half hours."""
    log.wave(28, 36, 400, ["BR"], ["carnaval"])
    log.outage(30.5, 33)


WORLDS: dict[str, Callable[[LogBuilder], None]] = {
    world.__name__: world for world in (regional_wave, hashtag_wave, bots, outage, interrupted_wave)
}


def trimmed(alert: Json) -> Json:
    """What is compared of an alert."""
    data = alert["data"]
    kept: Json = {"why": "", "type": alert["type"].removeprefix("surgewatch."), "at": alert["time"]}
    kept["subject"] = alert["subject"]
    if "incident_id" not in data:
        return kept | {name: data[name] for name in ("status", "from", "until", "details")}
    names = ("severity", "onset_at", "peak_at", "observed", "expected", "upper", "window_minutes")
    kept |= {name: data[name] for name in (*names, "users", "posts")}
    for key, name in (("regions", "region"), ("hashtags", "hashtag")):
        kept[key] = {entry[name]: entry["users"] for entry in data[key][:LISTED]}
    kept["series"] = [entry["series"] for entry in data["series"][:LISTED]]
    kept["missing_minutes"] = data["data_quality"]["missing_minutes"]
    return kept


def expected(name: str) -> list[Json]:
    """The golden file."""
    return [orjson.loads(line) for line in (DATA / f"{name}.jsonl").read_bytes().splitlines()]


def regenerate(name: str, found: list[Json]) -> None:
    """Write the golden file anew, with the explanations that it had."""
    path = DATA / f"{name}.jsonl"
    old = expected(name) if path.exists() else []
    for alert in found:
        same = [one for one in old if all(one[k] == alert[k] for k in ("type", "subject"))]
        if same:
            alert["why"] = same[0]["why"]
            old.remove(same[0])
    path.write_bytes(joined([orjson.dumps(alert) for alert in found]))


def without_why(alerts: list[Json]) -> list[Json]:
    """The alerts without their explanations."""
    return [{name: value for name, value in alert.items() if name != "why"} for alert in alerts]


@pytest.mark.parametrize("name", WORLDS)
def test_golden(name: str) -> None:
    """The log gives exactly the alerts in its golden file, and each of them is explained."""
    builder = LogBuilder()
    WORLDS[name](builder)
    found = [trimmed(alert) for alert in replay(builder.log()).alerts]
    if os.environ.get("REGENERATE_GOLDEN"):
        regenerate(name, found)
    golden = expected(name)
    assert without_why(found) == without_why(golden)
    assert [alert["subject"] for alert in golden if not alert["why"]] == []


def stories(name: str) -> list[tuple[str, str]]:
    """Type and subject of a golden file's alerts."""
    return [(alert["type"], alert["subject"]) for alert in expected(name)]


def test_golden_files_say_what_they_should() -> None:
    """Whatever is regenerated: bots and outages raise no incident, waves one with its cause."""
    opened = {
        name: [subject for kind, subject in stories(name) if kind == "incident.opened.v1"]
        for name in WORLDS
    }
    assert opened == {
        "regional_wave": ["region/BR"],
        "hashtag_wave": ["hashtag/listentoadvice"],
        "bots": [],
        "outage": [],
        "interrupted_wave": ["pair/BR/carnaval"],
    }


def test_silence_closes_nothing() -> None:
    """The interrupted wave stays open through the outage, and is closed only long after it."""
    alerts = expected("interrupted_wave")
    (ended,) = (a for a in alerts if a["type"] == "pipeline.gap.v1" and a["status"] == "closed")
    (closed,) = (a for a in alerts if a["type"] == "incident.closed.v1")
    assert closed["at"] > ended["at"]
    assert closed["missing_minutes"] > 140


def test_silence_is_no_peak() -> None:
    """An hour without data is no fall: no peak is told before half an hour of data after it."""
    alerts = expected("interrupted_wave")
    (ended,) = (a for a in alerts if a["type"] == "pipeline.gap.v1" and a["status"] == "closed")
    peaks = [alert["at"] for alert in alerts if alert["type"] == "incident.peaked.v1"]
    assert [at for at in peaks if -2.5 < hours_between(ended["at"], at) < 0.5] == []
