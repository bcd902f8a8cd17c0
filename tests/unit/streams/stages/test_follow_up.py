"""After the wave: what detect says of an episode's newcomers becomes its incident's alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from streams.codec import encode_alert
from streams.codec.confirmed import confirmed
from streams.events import FollowUp
from streams.stages import follow_up
from tests.harness import violations
from tests.unit.streams.stages.test_correlate import (
    START,
    correlate,
    kinds,
    outcome,
    record,
)

if TYPE_CHECKING:
    import pytest

    from streams.events import Alert
    from streams.stages.correlate import Correlate

DAY = 1_440


def looked_for(series: str = "hashtag/x", **changes: Any) -> FollowUp:
    """What detect says a day after an episode that opened at START and ended 9 buckets later."""
    first = START + 10 + DAY
    values: dict[str, Any] = {
        "opened": START,
        "day": 1,
        "first": first,
        "last": first + DAY - 1,
        "newcomers": 8_000.0,
        "followed": 2_000,
        "returned": 247,
        "missing": 30,
    }
    return FollowUp(series, **(values | changes))


def after(stage: Correlate, *follow_ups: FollowUp) -> list[Alert]:
    """The alerts of an outcome with follow-ups alone."""
    bucket = max(one.last for one in follow_ups)
    of_now = msgspec.structs.replace(outcome(), bucket=bucket, follow_ups=list(follow_ups))
    return stage.outcome(of_now)


def over(*series: str) -> tuple[Correlate, str]:
    """A stage with one incident that is over, and its id."""
    stage = correlate()
    opened = stage.outcome(outcome(*(record(one) for one in series)))
    stage.outcome(outcome(*(record(one, 9, state="quiet") for one in series)))
    assert opened[0].correlationid is not None
    return stage, opened[0].correlationid


def test_figures_of_a_follow_up() -> None:
    """It names incident, window, cohort and shares, without a sequence or a severity."""
    stage, name = over("hashtag/x")
    (alert,) = after(stage, looked_for())
    assert (alert.type, alert.id) == ("surgewatch.incident.followup.v1", f"{name}-followup-1")
    assert (alert.subject, alert.correlationid, alert.sequence) == ("hashtag/x", name, None)
    data = alert.data
    assert "severity" not in data
    assert (data["status"], data["day"]) == ("followup", 1)
    assert (data["level"], data["region"], data["hashtag"]) == ("hashtag", None, "x")
    assert (data["from"], data["until"]) == ("2025-01-14T02:50:00Z", "2025-01-15T02:50:00Z")
    assert data["until"] == alert.time
    assert (data["newcomers"], data["followed"], data["returned"]) == (8_000, 2_000, 247)
    assert (data["share"], data["still_posting"]) == (0.1235, 988)
    assert data["data_quality"] == {"sampled": True, "missing_minutes": 30.0}
    line = encode_alert(alert)
    assert violations("alert", [orjson.loads(line)]) == []
    assert confirmed(line) == line


def test_of_the_whole_wave() -> None:
    """Of a pair's incident the newcomers are its hashtag's; other members say nothing."""
    stage, name = over("pair/US/x", "hashtag/x", "region/US", "all")
    others = [looked_for(series) for series in ("all", "pair/US/x", "region/US")]
    (alert,) = after(stage, *others, looked_for("hashtag/x"))
    assert (alert.subject, alert.correlationid) == ("pair/US/x", name)
    assert alert.data["cohort"] == "hashtag/x"


def test_each_day_once() -> None:
    """A day that was told is not told again, and numbers of later incidents know nothing of it."""
    stage, name = over("hashtag/x")
    days = [looked_for(day=day) for day in (1, 3, 1, 7)]
    alerts = [alert for one in days for alert in after(stage, one)]
    assert [alert.id for alert in alerts] == [f"{name}-followup-{day}" for day in (1, 3, 7)]
    again = stage.outcome(outcome(record("hashtag/x", 20_000, opened=20_000)))
    assert [alert.sequence for alert in again] == [1]


def test_nobody_could_be_followed() -> None:
    """Without anybody to look for there is no share, rather than one of zero."""
    stage, _ = over("hashtag/x")
    (alert,) = after(stage, looked_for(followed=0, returned=0))
    assert (alert.data["share"], alert.data["still_posting"]) == (None, None)
    assert violations("alert", [orjson.loads(encode_alert(alert))]) == []


def test_all_are_followed() -> None:
    """Where everybody is looked for nothing is a sample."""
    stage, _ = over("hashtag/x")
    (alert,) = after(stage, looked_for(newcomers=2_000.0, missing=0))
    assert alert.data["data_quality"] == {"sampled": False, "missing_minutes": 0.0}


def test_an_unknown_episode_is_nobodys() -> None:
    """An earlier episode of the same series, or one of no incident, leads to no alert."""
    stage, _ = over("hashtag/x")
    assert after(stage, looked_for(opened=START - 500), looked_for("hashtag/y")) == []


def test_an_incident_that_goes_on() -> None:
    """Its newcomers are told once the whole wave's series is calm, though others go on.

    Its end does not tell them again, and its other alerts are numbered as without them.
    """
    stage, alerts = correlate(), []
    alerts += stage.outcome(outcome(record("hashtag/x"), record("hashtag/y", excess=50.0)))
    alerts += stage.outcome(
        outcome(record("hashtag/x", 9, state="quiet"), record("hashtag/y", 9, excess=50.0))
    )
    alerts += after(stage, looked_for())
    alerts += stage.outcome(outcome(record("hashtag/y", 4_000, state="quiet", excess=50.0)))
    alerts += after(stage, looked_for(), looked_for(day=3))
    assert kinds(alerts) == ["opened", "followup", "closed", "followup"]
    assert [alert.sequence for alert in alerts] == [1, None, 2, None]
    assert [alert.data["day"] for alert in alerts if "day" in alert.data] == [1, 3]


def test_memory_has_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Incidents that nothing more can be told of are forgotten, and at the limit the oldest."""
    monkeypatch.setattr(follow_up, "ENDED_MAX", 2)
    stage = correlate()
    for number, start in enumerate((0, 20, 40, 60 + 9 * DAY)):
        stage.outcome(outcome(record(f"hashtag/x{number}", start, opened=start)))
        stage.outcome(outcome(record(f"hashtag/x{number}", start + 9, opened=start, state="quiet")))
        kept = [series for series, _ in stage._follow_ups.ended]
        expected = [[0], [0, 1], [1, 2], [3]][number]
        assert kept == [f"hashtag/x{n}" for n in expected]
