"""Episodes become incidents, incidents become alerts."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.forecast import Horizon
from detectors.incident import incident_id
from streams.codec import encode_alert
from streams.events import Alert, CrowdRecord, EpisodeRecord, Notice, Outcome, Point
from streams.stages.correlate import Correlate
from streams.stages.telling import CorrelateParams
from tests.harness import violations

START = 28_945_600
MINUTE = 60_000
CROWD = CrowdRecord(
    newcomer_share=0.75,
    top_users_share=0.1,
    languages=[("en", 60.0), ("es", 30.0)],
    regions=[("US", 80.0), ("GB", 20.0)],
    hashtags=[("x", 80.0)],
)


def correlate() -> Correlate:
    return Correlate(CorrelateParams(MINUTE, "surgewatch/test", "0123456789abcdef"))


def record(series: str, bucket: int = 0, **changes: Any) -> EpisodeRecord:
    """A record of a series in an episode; buckets count from START."""
    values: dict[str, Any] = {
        "opened": 0,
        "state": "open",
        "onset": -3,
        "score": 20.0,
        "threshold": 12.0,
        "observed": 30.0,
        "expected": 2.0,
        "upper": 14.0,
        "window": 10,
        "fresh": 5.0,
        "band_expected": 0.2,
        "band_upper": 4.0,
        "last_hour": 40.0,
        "excess": 90.0,
        "peak": 20.0,
        "peak_bucket": 0,
        "users": 100.0,
        "posts": 150.0,
        "doubling_minutes": 12.345678,
        "sampled": False,
        "crowd": CROWD,
    }
    values |= changes
    for name in ("opened", "onset", "peak_bucket"):
        values[name] += START
    return EpisodeRecord(series=series, bucket=START + bucket, **values)


def outcome(
    *records: EpisodeRecord,
    per_hour: float = 10_000.0,
    notices: list[Notice] | None = None,
    **intake: int,
) -> Outcome:
    bucket = records[0].bucket if records else START
    counts = {"late": 0, "duplicates": 0, "rejected": 0, "series_dropped": 0} | intake
    ordered = sorted(records, key=lambda r: r.series)
    return Outcome(bucket, ordered, per_hour, [], notices or [], counts)


def kinds(alerts: list[Alert]) -> list[str]:
    return [alert.type.split(".")[-2] for alert in alerts]


def tell(stage: Correlate, *records: EpisodeRecord, **more: Any) -> list[str]:
    return kinds(stage.outcome(outcome(*records, **more)))


def test_life_of_an_incident() -> None:
    """Opened, updated, peaked and closed come in order, numbered 1 to 4, with derived ids."""
    stage, alerts = correlate(), []
    steps = [
        record("hashtag/x"),
        record("hashtag/x", 1, users=150.0),
        record("hashtag/x", 2, users=200.0),
        record("hashtag/x", 3, users=210.0, state="peaked", peak_bucket=1),
        record("hashtag/x", 4, users=210.0, state="quiet", peak_bucket=1),
    ]
    for step in steps:
        alerts += stage.outcome(outcome(step))
    assert kinds(alerts) == ["opened", "updated", "peaked", "closed"]
    assert [a.sequence for a in alerts] == [1, 2, 3, 4]
    name = incident_id((START + 1) * MINUTE, "hashtag/x")
    assert [a.id for a in alerts] == [f"{name}-{n}" for n in (1, 2, 3, 4)]
    assert {a.correlationid for a in alerts} == {a.data["incident_id"] for a in alerts} == {name}
    assert [a.data["status"] for a in alerts] == ["open", "open", "peaked", "closed"]
    assert alerts[-1].data["closed_at"] == alerts[-1].time
    assert {a.data["detected_at"] for a in alerts} == {alerts[0].time}
    assert [a.data["peak_at"] for a in alerts] == [None, None, *["2025-01-13T02:42:00Z"] * 2]


def test_figures_of_an_alert() -> None:
    """An alert's figures are those of its cause's record, in the units that their names say."""
    (alert,) = correlate().outcome(outcome(record("pair/US/x")))
    data = alert.data
    assert (alert.subject, alert.source) == ("pair/US/x", "surgewatch/test")
    assert alert.time == "2025-01-13T02:41:00Z"
    assert data["onset_at"] == "2025-01-13T02:37:00Z"
    assert (data["level"], data["region"], data["hashtag"]) == ("pair", "US", "x")
    assert (data["observed"], data["expected"], data["upper"]) == (30.0, 2.0, 14.0)
    assert (data["margin"], data["window_minutes"]) == (16.0, 10.0)
    assert data["doubling_minutes"] == 12.346
    assert (data["users"], data["posts"], data["posts_per_user"]) == (100, 150, 1.5)
    assert (data["newcomer_share"], data["top_users_share"]) == (0.75, 0.1)
    assert data["languages"][0] == {"language": "en", "users": 60, "share": 0.6}
    assert data["config_fingerprint"] == "0123456789abcdef"


def test_a_forecast_is_of_the_whole_wave() -> None:
    """While an incident goes on it says what the series that holds the wave is to bring."""
    ahead = [Horizon(1, 40.123456, 20.0, 80.0, 2.0), Horizon(6, 200.0, 60.0, 900.0, 12.0)]
    stage, alerts = correlate(), []
    alerts += stage.outcome(
        outcome(record("pair/US/x"), record("hashtag/x", users=130.0, forecast=ahead))
    )
    quiet = [record(series, 1, state="quiet") for series in ("pair/US/x", "hashtag/x")]
    alerts += stage.outcome(outcome(*quiet))
    assert kinds(alerts) == ["opened", "closed"]
    told = alerts[0].data["forecast"]
    assert (alerts[0].subject, told["series"]) == ("pair/US/x", "hashtag/x")
    assert told["confidence"] == 0.8
    assert [list(one.values()) for one in told["horizons"]] == [
        [1, 40.123, 20.0, 80.0, 2.0],
        [6, 200.0, 60.0, 900.0, 12.0],
    ]
    assert alerts[1].data["forecast"] is None
    assert violations("alert", [orjson.loads(encode_alert(alert)) for alert in alerts]) == []


def test_updated_only_for_a_reason() -> None:
    """Users that double since the last alert, a new severity or a new cause; nothing less."""
    stage = correlate()
    tell(stage, record("hashtag/x"))
    assert tell(stage, record("hashtag/x", 1, users=199.0, excess=150.0, score=99.0)) == []
    assert tell(stage, record("hashtag/x", 2, users=200.0)) == ["updated"]
    assert tell(stage, record("hashtag/x", 3, users=399.0)) == []
    assert tell(stage, record("hashtag/x", 4, users=400.0)) == ["updated"]
    assert tell(stage, record("hashtag/x", 5, users=400.0), per_hour=100.0) == ["updated"]
    assert tell(stage, record("hashtag/x", 6, users=400.0), per_hour=9_000.0) == []
    pair = record("pair/US/x", 7, opened=7, excess=89.0, users=390.0)
    assert tell(stage, record("hashtag/x", 7, users=400.0), pair) == ["updated"]


def test_severity_is_told_and_never_falls() -> None:
    """Severity follows the last hour's excess over all foreign traffic, upwards only."""
    stage, told = correlate(), []
    for bucket, (last_hour, per_hour) in enumerate(
        [(40, 1_000), (200, 1_000), (40, 1_000), (1_100, 1_000), (5, 1_000)]
    ):
        step = record("hashtag/x", bucket, last_hour=float(last_hour), band_expected=0.0)
        told += [a.data["severity"] for a in stage.outcome(outcome(step, per_hour=per_hour))]
    assert told == ["info", "warning", "critical"]


def test_peaked_once_a_peak() -> None:
    """A peak is told once, though the best hour may still creep up; after a new rise, again."""
    stage = correlate()
    tell(stage, record("hashtag/x"))
    assert tell(stage, record("hashtag/x", 1, state="peaked", peak_bucket=0)) == ["peaked"]
    for bucket in range(2, 6):
        assert tell(stage, record("hashtag/x", bucket, state="peaked", peak_bucket=bucket)) == []
    assert tell(stage, record("hashtag/x", 6, state="open")) == []
    assert tell(stage, record("hashtag/x", 7, state="peaked", peak_bucket=5)) == ["peaked"]


def test_closed_with_its_last_episode() -> None:
    """An incident closes with the last of its episodes, and is then forgotten."""
    stage = correlate()
    tell(stage, record("hashtag/x"), record("pair/US/x"))
    assert tell(stage, record("hashtag/x", 1), record("pair/US/x", 1, state="quiet")) == []
    assert tell(stage, record("hashtag/x", 2, state="quiet")) == ["closed"]
    again = stage.outcome(outcome(record("hashtag/x", 3, opened=3)))
    assert kinds(again) == ["opened"]
    assert again[0].data["incident_id"] == incident_id((START + 4) * MINUTE, "hashtag/x")


def test_one_wave_is_one_incident() -> None:
    """All series that a wave lifts in one bucket are one incident, named by its top-ranked one."""
    alerts = correlate().outcome(
        outcome(
            record("all", excess=95.0),
            record("region/US", excess=85.0),
            record("hashtag/x", excess=90.0),
            record("pair/US/x", excess=80.0),
            record("hashtag/y", excess=88.0),
        )
    )
    assert kinds(alerts) == ["opened"]
    assert alerts[0].data["incident_id"] == incident_id((START + 1) * MINUTE, "hashtag/x")
    assert alerts[0].subject == "pair/US/x"
    members = {m["series"]: m["share"] for m in alerts[0].data["series"]}
    assert len(members) == 5
    assert (members["all"], members["pair/US/x"]) == (1.0, round(80 / 95, 4))


def test_two_waves_are_two_incidents() -> None:
    """Waves that share neither region nor hashtag are two, though ``all`` rises with both."""
    no_crowd = msgspec.structs.replace(CROWD, regions=[("DE", 90.0)], hashtags=[])
    alerts = correlate().outcome(
        outcome(
            record("all", excess=180.0),
            record("hashtag/x", excess=90.0),
            record("pair/DE/y", excess=89.0, crowd=no_crowd),
        )
    )
    assert kinds(alerts) == ["opened", "opened"]
    first, second = (alert.data for alert in alerts)
    assert {m["series"] for m in first["series"]} == {"all", "hashtag/x"}
    assert {m["series"] for m in second["series"]} == {"pair/DE/y"}


def test_oldest_matching_incident_takes_it() -> None:
    """An episode that links two incidents joins the older; the two stay two, with their ids."""
    stage = correlate()
    one, two = (
        msgspec.structs.replace(CROWD, regions=[(region, 90.0)], hashtags=[])
        for region in ("US", "GB")
    )
    first = stage.outcome(outcome(record("pair/US/x", crowd=one)))
    second = stage.outcome(
        outcome(record("pair/US/x", 1, crowd=one), record("pair/GB/y", 1, opened=1, crowd=two))
    )
    bridge = record("pair/GB/x", 2, opened=2, excess=500.0, crowd=two)
    third = stage.outcome(
        outcome(
            record("pair/US/x", 2, crowd=one), record("pair/GB/y", 2, opened=1, crowd=two), bridge
        )
    )
    assert (kinds(first), kinds(second), kinds(third)) == (["opened"], ["opened"], ["updated"])
    assert (
        third[0].data["incident_id"]
        == first[0].data["incident_id"]
        != second[0].data["incident_id"]
    )
    assert third[0].subject == "pair/GB/x", "the cause changes, the id does not"


def test_lists_hold_twenty_and_other() -> None:
    """Regions, hashtags and series hold the largest twenty; the rest is one element, ``other``."""
    regions = [(f"R{n}", 50.0 - n) for n in range(20)]
    crowd = msgspec.structs.replace(CROWD, regions=[*regions, ("other", 7.0)])
    pairs = [record(f"pair/{chr(65 + n)}A/x", excess=50.0 - n) for n in range(25)]
    (alert,) = correlate().outcome(outcome(record("hashtag/x", crowd=crowd), *pairs))
    data = alert.data
    assert [r["region"] for r in data["regions"]] == [f"R{n}" for n in range(20)] + ["other"]
    assert len(data["series"]) == 21
    assert data["series"][0]["series"] == "hashtag/x"
    assert data["series"][-1] | {"opened_at": ""} == {
        "series": "other",
        "excess": 31.0,
        "share": round(31 / 90, 4),
        "opened_at": "",
        "open": True,
        "count": 6,
    }
    tags = [record(f"hashtag/t{n:02}", excess=10.0, users=60.0 - n) for n in range(30)]
    (region,) = correlate().outcome(outcome(record("region/US"), *tags))
    assert [r["region"] for r in region.data["regions"]] == ["US"]
    (hashtag,) = correlate().outcome(
        outcome(
            record("hashtag/x", crowd=crowd),
            *[
                record(f"hashtag/t{n:02}", excess=10.0, users=60.0 - n, crowd=crowd)
                for n in range(30)
            ],
        )
    )
    names = [h["hashtag"] for h in hashtag.data["hashtags"]]
    assert names == ["x", *(f"t{n:02}" for n in range(19)), "other"]


def test_history_is_the_cause_from_before_to_now() -> None:
    """The history goes from the points before the alarm to the present bucket, without holes."""
    before = [Point("hashtag/x", START - 5 + i, i, 0.5, 3.5, 0, 0, open=False) for i in range(5)]
    stage = correlate()
    (alert,) = stage.outcome(outcome(record("hashtag/x", before=before)))
    history = alert.data["history"]
    assert [h["observed"] for h in history] == [0, 1, 2, 3, 4, 5]
    assert history[0] == {
        "at": "2025-01-13T02:35:00Z",
        "minutes": 1.0,
        "observed": 0.0,
        "expected": 0.5,
        "upper": 3.5,
    }
    for bucket in range(1, 400):
        last = stage.outcome(outcome(record("hashtag/x", bucket, users=100.0 * 2.0**bucket)))
    assert 60 < len(last[0].data["history"]) <= 120
    assert sum(h["minutes"] for h in last[0].data["history"]) == 5 + 400


def test_data_quality_is_since_the_opening() -> None:
    """Late posts and the like are counted from the incident's opening, missing minutes too."""
    stage = correlate()
    stage.outcome(outcome(record("hashtag/x"), late=10, duplicates=3))
    hole = [Notice("gap", "open", START + 30, START + 2, {"minutes": 29.0})]
    stage.outcome(Outcome(START + 30, [], 1.0, [], hole, {}))
    end = [Notice("gap", "closed", START + 62, START + 2, {"minutes": 60.0})]
    step = record("hashtag/x", 62, users=500.0, sampled=True)
    alerts = stage.outcome(outcome(step, notices=end, late=17, duplicates=3, rejected=2))
    assert kinds(alerts) == ["gap", "updated"]
    assert alerts[1].data["data_quality"] == {
        "late": 7,
        "duplicates": 0,
        "rejected": 2,
        "series_dropped": 0,
        "sampled": True,
        "missing_minutes": 60.0,
    }


def test_notices_become_pipeline_alerts() -> None:
    """A gap is told when it opens and when it closes, each under an id of its own."""
    stage = correlate()
    opened = stage.notice(Notice("gap", "open", START + 9, START, {"minutes": 10.0}))[0]
    closed = stage.notice(Notice("gap", "closed", START + 60, START, {"minutes": 60.0}))[0]
    assert opened.type == closed.type == "surgewatch.pipeline.gap.v1"
    assert opened.id != closed.id
    assert opened.data["from"] == closed.data["from"] == "2025-01-13T02:40:00Z"
    assert opened.data["until"] is None
    assert closed.data["until"] == "2025-01-13T03:40:00Z"
    assert (opened.sequence, opened.correlationid) == (None, None)


def test_two_stalled_partitions_are_two_alerts() -> None:
    """Partitions that fall silent together have alerts with ids of their own."""
    stage = correlate()
    ids = {
        stage.notice(
            Notice("stalled", "open", START, START - 90, {"partition": p, "minutes": 90.0})
        )[0].id
        for p in range(3)
    }
    assert len(ids) == 3


@pytest.mark.parametrize("kind", ["gap", "capped", "stalled", "detector"])
def test_every_notice_has_a_summary(kind: str) -> None:
    """Each kind of notice that a stage can send has words for a person."""
    (alert,) = correlate().notice(Notice(kind, "open", START, START, {}))
    assert len(alert.data["summary"]) > 20


def test_look_alike_is_flagged() -> None:
    """A cause whose hashtag mixes scripts says so."""
    (forged,) = correlate().outcome(outcome(record("hashtag/tikt\u043ekrefugee")))
    (plain,) = correlate().outcome(outcome(record("hashtag/tiktokrefugee")))
    assert forged.data["mixed_script"]
    assert not plain.data["mixed_script"]


SERIES = st.sampled_from(["all", "region/US", "region/GB", "hashtag/x", "pair/US/x", "pair/GB/y"])
STEPS = st.lists(
    st.dictionaries(
        SERIES,
        st.tuples(st.sampled_from(["open", "peaked", "quiet"]), st.integers(1, 400)),
        max_size=4,
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60)
@given(STEPS)
def test_any_episodes_make_well_formed_incidents(steps: list[dict[str, tuple[str, int]]]) -> None:
    """Whatever episodes do: sequences count up from opened, closed is last, ids stay."""
    stage = correlate()
    running: dict[str, int] = {}
    told: dict[str, list[Alert]] = {}
    for bucket, step in enumerate(steps):
        records = []
        for series in sorted(set(step) | set(running)):
            state, users = step.get(series, ("open", 50))
            state = "open" if series not in running else state
            opened = running.setdefault(series, bucket)
            records.append(
                record(
                    series,
                    bucket,
                    opened=opened,
                    state=state,
                    users=float(users),
                    excess=float(users),
                )
            )
            if state == "quiet":
                del running[series]
        if records:
            for alert in stage.outcome(outcome(*records, per_hour=100.0)):
                told.setdefault(str(alert.correlationid), []).append(alert)
    order = ["info", "warning", "critical"]
    for name, alerts in told.items():
        assert kinds(alerts)[0] == "opened"
        assert "opened" not in kinds(alerts)[1:]
        assert "closed" not in kinds(alerts)[:-1]
        assert [(a.id, a.sequence) for a in alerts] == [
            (f"{name}-{n}", n) for n in range(1, len(alerts) + 1)
        ]
        assert all(alert.subject in {m["series"] for m in alert.data["series"]} for alert in alerts)
        severity = [order.index(alert.data["severity"]) for alert in alerts]
        assert severity == sorted(severity)
        assert len({alert.data["detected_at"] for alert in alerts}) == 1
    unfinished = sum(kinds(alerts)[-1] != "closed" for alerts in told.values())
    assert (unfinished > 0) == bool(running)


def test_size_of_a_pair_is_that_of_its_hashtag() -> None:
    """Whoever came under the cause's hashtag from elsewhere is counted, and regions add up."""
    crowd = CrowdRecord(
        newcomer_share=0.5,
        top_users_share=0.1,
        languages=[("en", 120.0)],
        regions=[("US", 100.0), ("CA", 15.0), ("GB", 5.0)],
        hashtags=[],
    )
    stage = correlate()
    (alert,) = stage.outcome(
        outcome(
            record("pair/US/x", excess=90.0, users=100.0, posts=110.0),
            record("hashtag/x", excess=100.0, users=120.0, posts=130.0, crowd=crowd),
        )
    )
    assert (alert.subject, alert.data["users"], alert.data["posts"]) == ("pair/US/x", 120, 130)
    assert [(r["region"], r["users"]) for r in alert.data["regions"]] == [
        ("US", 100),
        ("CA", 15),
        ("GB", 5),
    ]
    assert sum(r["share"] for r in alert.data["regions"]) == pytest.approx(1.0, abs=1e-3)


def test_onset_never_moves_later() -> None:
    """When the cause gets narrower, the onset that was told stays: it lies before the alarm."""
    stage = correlate()
    (first,) = stage.outcome(outcome(record("hashtag/x", 10, onset=2)))
    narrower = record("pair/US/x", 12, onset=11, excess=2000.0, users=5000.0, posts=5000.0)
    (second,) = stage.outcome(outcome(record("hashtag/x", 12, onset=2), narrower))
    assert second.subject == "pair/US/x"
    assert first.data["onset_at"] == second.data["onset_at"] <= second.data["detected_at"]


def test_ongoing_is_what_an_update_would_say() -> None:
    """Open incidents can be read as they stand now, without an alert; ended ones are gone."""
    stage = correlate()
    stage.outcome(outcome(record("hashtag/x", 1, users=20.0)))
    assert stage.outcome(outcome(record("hashtag/x", 2, users=39.0))) == []
    assert [data["users"] for data in stage.ongoing()] == [39]
    stage.outcome(outcome(record("hashtag/x", 3, users=39.0, state="quiet")))
    assert stage.ongoing() == []
