"""A replay from outside: what is rejected, what is counted, what moves the clock."""

from __future__ import annotations

import gzip
import io
import itertools
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.errors import REJECT_REASONS
from streams.logs import LineLog
from streams.replay import Replay
from streams.settings import Settings
from tests.harness import Json, Outcome, configured, joined, post, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

START_MS = 1_736_294_400_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
EDGY = configured(
    detection={"warmup": "0s"}, alerts={"min_users": 2, "false_incidents_per_week": 10_000}
)
"""Settings under which a handful of users is an incident, so that a test's log can be short."""


def good(number: int, minute: float, **others: object) -> bytes:
    """A foreign post of a user of its own."""
    at = START_MS + int(minute * MINUTE_MS)
    return post(number, at, f"u{number}", "US", **others)


def one_a_minute(minutes: int) -> list[bytes]:
    """A post a minute, each by another user."""
    return [good(number, number) for number in range(minutes)]


def with_field(name: str, value: object) -> bytes:
    """A post in which one field is replaced."""
    return orjson.dumps(orjson.loads(good(900, 10)) | {name: value})


BAD: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("empty", b"   "),
    ("not_json", b"hello"),
    ("not_json", good(1, 10)[:-5]),
    ("not_json", good(1, 10) * 2),
    ("not_object", b"[" + good(1, 10) + b"]"),
    ("not_object", b'"text"'),
    ("bad_encoding", with_field("lang", "x").replace(b"x", b"\xff\xfe")),
    ("bad_encoding", with_field("hashtags", ["Q"]).replace(b"Q", b"\\ud800")),
    ("too_large", with_field("text", "x" * 5_000_000)),
    ("too_deep", with_field("x", 1)[:-2] + b"[" * 1_000 + b"]" * 1_000 + b"}"),
    ("missing_field", with_field("user_id", None)),
    ("missing_field", with_field("x", 1).replace(b"post_id", b"postid")),
    ("wrong_type", with_field("post_id", 7)),
    ("wrong_type", with_field("hashtags", "food")),
    ("bad_value", with_field("user_id", "")),
    ("bad_timestamp", with_field("created_at", "yesterday")),
    ("bad_timestamp", with_field("created_at", "2025-02-30T00:00:00Z")),
    ("out_of_range", with_field("created_at", "1970-01-01T00:00:00Z")),
    ("future", with_field("created_at", "2099-06-01T00:00:00Z")),
    ("too_many_hashtags", with_field("hashtags", [f"t{n}" for n in range(10_000)])),
]


@pytest.mark.parametrize(("reason", "line"), BAD, ids=[f"{n} {r}" for n, (r, _) in enumerate(BAD)])
def test_a_bad_line_is_rejected_alone(reason: str, line: bytes) -> None:
    """A bad line is one reject with reason, source, position and raw; the rest is processed."""
    lines = one_a_minute(20)
    lines.insert(12, line)
    outcome = replay({"some/log.jsonl": joined(lines)})
    (reject,) = outcome.rejects
    assert (reject["reason"], reject["source"]) == (reason, "some/log.jsonl")
    assert reject["position"] == 13
    raw = reject.get("raw")
    assert raw is None or line.startswith(raw.encode())
    assert len(raw or "") <= 4096
    intake = outcome.summary.intake
    assert intake.rejected == {reason: 1}
    assert (intake.posts, intake.foreign) == (21, 20)


def test_all_bad_lines_at_once() -> None:
    """Bad lines between good ones keep their reasons and positions, and every line is counted."""
    lines, expected = [], {}
    for number, (reason, line) in enumerate(BAD):
        lines += [good(number, number), line]
        expected[len(lines)] = reason
    outcome = replay(joined(lines))
    assert {reject["position"]: reject["reason"] for reject in outcome.rejects} == expected
    assert outcome.summary.posts == len(lines)
    assert outcome.summary.intake.foreign == len(BAD)


def test_every_reason_is_tested() -> None:
    """The reasons tested here are all there are."""
    assert {reason for reason, _ in BAD} | {"truncated"} == set(REJECT_REASONS)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_truncated_gzip(kept: float) -> None:
    """Of a gzip log that is cut off, all whole lines count, and the cut is one reject."""
    packed = gzip.compress(joined(one_a_minute(3_000)))
    outcome = replay(packed[: int(len(packed) * kept)])
    (reject,) = outcome.rejects
    intake = outcome.summary.intake
    assert intake.rejected == {"truncated": 1}
    assert reject["position"] == intake.foreign + 1 > 100
    assert intake.posts == intake.foreign + 1


def test_accounting() -> None:
    """Home, foreign, late, repeated and rejected posts each have their count, and no other."""
    lines = [
        *one_a_minute(30),
        post(100, START_MS + 30 * MINUTE_MS, "h", "CN"),
        post(101, START_MS + 30 * MINUTE_MS, "h", "US", lang="zh-Hant"),
        good(29, 29),  # again
        good(102, 5),  # 25 minutes late
        b"not a post",
    ]
    intake = replay(joined(lines)).summary.intake
    assert (intake.posts, intake.home, intake.foreign) == (35, 2, 30)
    assert (intake.late, intake.duplicate, intake.rejected) == (1, 1, {"not_json": 1})


def surge(tags: Sequence[Sequence[str]], *, region: str | None = "US") -> list[bytes]:
    """Six hours with a post an hour, then a user a minute with these hashtags in turn."""
    quiet = [post(n, START_MS + n * HOUR_MS, f"q{n}", "DE") for n in range(6)]
    start = START_MS + 6 * HOUR_MS
    return quiet + [
        post(100 + n, start + n * MINUTE_MS, f"u{n}", region, hashtags=list(tags[n % len(tags)]))
        for n in range(60)
    ]


def names(outcome: Outcome, field: str) -> dict[str, int]:
    """Users by hashtag or region of the incident that has the most of them."""
    (*_, data) = sorted(outcome.incidents, key=lambda d: int(d["users"]))
    key = {"hashtags": "hashtag", "regions": "region"}[field]
    return {entry[key]: entry["users"] for entry in data[field]}


def test_more_than_thirty_hashtags() -> None:
    """The first thirty hashtags of a post are counted, the rest is dropped and counted."""
    lines = [good(n, n, hashtags=[f"t{k}" for k in range(33)]) for n in range(10)]
    intake = replay(joined(lines)).summary.intake
    assert intake.foreign == 10
    assert intake.hashtags_dropped == 30


def test_spellings_are_one_hashtag() -> None:
    """Case, full width, zero-width and control characters make no other hashtag."""
    spelt = [["tiktok"], ["TikTok"], ["tik\u200btok"], ["ＴｉｋＴｏｋ"], ["tik\x07tok"]]
    found = names(replay(joined(surge(spelt)), EDGY), "hashtags")
    assert list(found) == ["tiktok"]


def test_chinese_scripts_stay_apart() -> None:
    """The simplified and the traditional spelling are two hashtags."""
    found = names(replay(joined(surge([["小红书"], ["小紅書"]])), EDGY), "hashtags")
    assert set(found) == {"小红书", "小紅書"}


def test_look_alike_is_flagged() -> None:
    """A hashtag with a Cyrillic letter is not merged with the Latin one, but flagged."""
    outcome = replay(joined(surge([["tіktok"]])), EDGY)
    (data,) = (data for data in outcome.incidents if data["hashtag"] is not None)
    assert (data["hashtag"], data["mixed_script"]) == ("tіktok", True)
    outcome = replay(joined(surge([["tiktok"]])), EDGY)
    (data,) = (data for data in outcome.incidents if data["hashtag"] is not None)
    assert data["mixed_script"] is False


@pytest.mark.parametrize("region", [None, "", "Mars", "U1"])
def test_unknown_region_is_foreign(region: str | None) -> None:
    """A null or unknown region is ZZ and not home."""
    outcome = replay(joined(surge([["new"]], region=region)), EDGY)
    assert outcome.summary.intake.home == 0
    assert next(iter(names(outcome, "regions"))) == "ZZ"


def test_absent_fields() -> None:
    """A post may lack region, hashtags, language and the age of its account."""
    lines = [
        orjson.dumps(
            {"post_id": f"p{n}", "created_at": START_MS + n * MINUTE_MS, "user_id": f"u{n}"}
        )
        for n in range(10)
    ]
    outcome = replay(joined(lines))
    assert (outcome.rejects, outcome.summary.intake.foreign) == ([], 10)


def test_fields_by_other_names() -> None:
    """Fields can be mapped to other names, nested ones too."""
    lines = [
        orjson.dumps(
            {
                "id": f"p{n}",
                "ts": (START_MS + n * MINUTE_MS) // 1000,
                "author": {"id": f"u{n}"},
                "geo": {"country_code": "cn" if n % 2 else "us"},
            }
        )
        for n in range(10)
    ]
    fields = {"post_id": "id", "created_at": "ts", "user_id": "author.id"}
    settings = configured(input={"fields": fields | {"region": "geo.country_code"}})
    intake = replay(joined(lines), settings).summary.intake
    assert (intake.foreign, intake.home, intake.rejected) == (5, 5, {})


def test_empty_log() -> None:
    """A log without a line gives nothing, and no error."""
    outcome = replay(b"")
    assert (outcome.lines, outcome.rejects, outcome.summary.posts) == ([], [], 0)
    assert outcome.summary.first_event is None


@pytest.mark.parametrize("users", [1, 4])
def test_few_users_move_no_clock(users: int) -> None:
    """Posts of up to four users far ahead, however many, wait and make nobody late."""
    lines = one_a_minute(60)
    ahead = START_MS + 20 * HOUR_MS
    lines[30:30] = [post(1000 + n, ahead, f"bad{n % users}", "US") for n in range(400)]
    outcome = replay(joined(lines))
    intake = outcome.summary.intake
    assert (intake.foreign, intake.late, intake.rejected) == (60, 0, {"future": 400})
    assert outcome.summary.last_event == "2025-01-08T00:59:00Z"


def test_five_users_move_the_clock() -> None:
    """Posts of five users a day ahead are believed: what comes after them is late."""
    lines = one_a_minute(60)
    ahead = START_MS + 20 * HOUR_MS
    lines[30:30] = [post(1000 + n, ahead, f"later{n}", "US") for n in range(5)]
    intake = replay(joined(lines)).summary.intake
    assert (intake.foreign, intake.late, intake.rejected) == (35, 30, {})


def test_first_line_a_year_ahead() -> None:
    """A first post a year ahead does not start the clock."""
    lines = [good(999, 525_600), *one_a_minute(60)]
    outcome = replay(joined(lines))
    assert outcome.summary.first_event == "2025-01-08T00:00:00Z"
    assert outcome.summary.intake.rejected == {"future": 1}


def test_a_marker_moves_the_clock() -> None:
    """A marker in the log closes what lies before it; a post from before it is late."""
    marker = orjson.dumps({"surgewatch_tick": {"event_time": "2025-01-08T02:00:00Z"}})
    outcome = replay(joined([*one_a_minute(10), marker, good(50, 11), good(51, 121)]))
    intake = outcome.summary.intake
    assert (intake.posts, intake.foreign, intake.late) == (12, 11, 1)


def test_the_end_of_a_log_closes_no_incident() -> None:
    """An incident that goes on at the end of the log stays open."""
    outcome = replay(joined(surge([["new"]])), EDGY)
    assert outcome.incidents
    assert all(data["status"] == "open" for data in outcome.incidents)
    assert outcome.of_type("incident.closed") == []


def test_an_ended_log_is_told() -> None:
    """Of two logs one ends hours before the other: it is told as stalled, and holds nothing up."""
    lines = [good(n, n / 2) for n in range(1_200)]
    logs = {"b.jsonl": joined(lines[:300:2]), "a.jsonl": joined(lines[1::2])}
    outcome = replay(logs)
    assert replay(dict(reversed(logs.items()))).lines == outcome.lines
    (stalled,) = outcome.of_type("pipeline.stalled")
    assert stalled["data"]["status"] == "open"
    assert outcome.summary.intake.late == 0


def test_rotated_logs_are_no_stall() -> None:
    """A log that ends where another begins is continued by it; nobody is told of a stall."""
    lines = [good(n, n / 2) for n in range(1_200)]
    logs = {f"day{n}.jsonl": joined(lines[n * 400 : n * 400 + 400]) for n in range(3)}
    outcome = replay(logs)
    assert outcome.of_type("pipeline.stalled") == []
    assert outcome.summary.intake.late == 0


def test_says_from_when_on_it_judged() -> None:
    """The summary names the end of the warm-up, and none when the log ended before."""
    lines = one_a_minute(600)
    settings = configured(detection={"warmup": "2h"})
    assert replay(joined(lines), settings).summary.judged_from == "2025-01-08T02:00:00Z"
    assert replay(joined(lines[:100]), settings).summary.judged_from is None


def test_open_incidents_are_summed_up_at_the_end() -> None:
    """The summary tells an open incident as it stands at the log's end, not as last alerted."""
    outcome = replay(joined(surge([["new"]])[:-3]), EDGY)
    assert outcome.alerts[-1]["data"]["users"] == 32
    assert outcome.alerts[-1]["time"] == "2025-01-08T06:32:00Z"
    (now,) = outcome.summary.incidents
    assert (now["users"], now["history"][-1]["at"]) == (57, "2025-01-08T06:56:00Z")


def test_no_look_ahead() -> None:
    """A log cut off at any time gives the first of the alerts that the whole log gives."""
    lines = surge([["new"], ["new", "other"]])
    whole = [told(alert) for alert in replay(joined(lines), EDGY).alerts]
    assert len(whole) >= 3
    for minutes in range(1, 60, 7):
        cut = [told(alert) for alert in replay(joined(lines[: 6 + minutes]), EDGY).alerts]
        until = START_MS + 6 * HOUR_MS + minutes * MINUTE_MS
        assert cut == [alert for alert in whole if orjson.loads(alert)["time"] <= stamp(until)]


def told(alert: Json) -> bytes:
    """An alert without what the pipeline counted so far."""
    alert["data"].pop("data_quality", None)
    return orjson.dumps(alert)


def stamp(ms: int) -> str:
    """A whole second of 2025-01-08 as the alerts write it."""
    minutes = (ms - START_MS) // MINUTE_MS
    return f"2025-01-08T{minutes // 60:02d}:{minutes % 60:02d}:00Z"


def test_progress() -> None:
    """Progress never goes back, and ends with all bytes, all posts and the last event time."""
    data = joined(one_a_minute(5_000))
    seen: list[tuple[int, int, int | None]] = []
    run = Replay(
        Settings(),
        [LineLog("log", len(data), io.BytesIO(data[4:]), data[:4], 1 << 20)],
        on_reject=lambda _: None,
        on_progress=lambda read, posts, ms: seen.append((read, posts, ms)),
    )
    list(run.run())
    assert seen[-1] == (len(data), 5_000, START_MS + 4_999 * MINUTE_MS)
    assert all(now >= before for before, now in itertools.pairwise(seen) if before[2])
    assert run.bytes_read == len(data)
