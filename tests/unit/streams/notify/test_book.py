"""Who is told of what, when, and why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.notify import Book, Outcome, Reason, encode_told, operators
from streams.notify.book import RESOLVED_MS
from streams.notify.subjects import EVENTS_MAX
from tests.unit.streams.notify.made import (
    HOUR,
    INCIDENT,
    MINUTE,
    T0,
    ack,
    book,
    incident,
    route,
    silence,
    trouble,
)

DAY = 24 * HOUR


def told(
    of: Book, now_ms: int, outcome: Outcome = Outcome.DELIVERED
) -> list[tuple[str, Reason, int]]:
    """Deliver all that is due, and say what: route, reason, how many alerts."""
    found = [one for some in of.due(now_ms).values() for one in some]
    for one in found:
        of.record(one, outcome, now_ms)
    return [(one.route, one.reason, len(one.events)) for one in found]


def test_an_incident_is_told_when_it_opens_grows_and_ends() -> None:
    one = book()
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0) == [("oncall", Reason.OPENED, 1)]
    assert told(one, T0 + MINUTE) == []
    one.alert(incident("updated", T0 + MINUTE, 20), 1, T0 + MINUTE)
    assert told(one, T0 + MINUTE) == [("oncall", Reason.UPDATED, 1)]
    one.alert(incident("peaked", T0 + 2 * MINUTE, 30), 2, T0 + 2 * MINUTE)
    assert told(one, T0 + 2 * MINUTE) == [], "a peak goes along with what comes next"
    one.alert(incident("closed", T0 + 3 * MINUTE, 30), 3, T0 + 3 * MINUTE)
    (due,) = one.due(T0 + 3 * MINUTE)["oncall"]
    assert (due.reason, due.firing, due.key) == (Reason.CLOSED, False, INCIDENT)
    assert [event.offset for event in due.events] == [2, 3]
    one.record(due, Outcome.DELIVERED, T0 + 3 * MINUTE)
    assert told(one, T0 + 4 * MINUTE) == []
    one.due(T0 + 5 * MINUTE + RESOLVED_MS)
    assert not one.subjects, "what is over and told is forgotten"


@pytest.mark.parametrize(
    ("changes", "data", "is_told"),
    [
        ({"severity_min": "critical"}, {}, False),
        ({"severity_min": "critical"}, {"severity": "critical"}, True),
        ({"regions": ("JP", "US")}, {}, True),
        ({"regions": ("JP",)}, {}, False),
        ({"regions": ("DE",)}, {"regions": [{"region": "DE", "users": 2, "share": 0.1}]}, True),
        ({"hashtags": ("TikTok*",)}, {}, True),
        ({"hashtags": ("#tiktokrefuge?",)}, {}, True),
        ({"hashtags": ("[t]iktok*",)}, {}, False),
        ({"levels": ("region", "all")}, {}, False),
        ({"levels": ("pair",)}, {}, True),
    ],
)
def test_routes_take_what_is_theirs(
    changes: dict[str, Any], data: dict[str, Any], is_told: bool
) -> None:
    one = book(route(**changes))
    one.alert(incident("opened", T0, **data), 0, T0)
    assert bool(told(one, T0)) == is_told


def test_an_incident_that_becomes_severe_is_told_then_with_its_history() -> None:
    one = book(route(severity_min="critical"))
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0) == []
    one.alert(incident("updated", T0 + MINUTE, 99, severity="critical"), 1, T0 + MINUTE)
    assert told(one, T0 + MINUTE) == [("oncall", Reason.OPENED, 2)]


def test_what_was_told_is_told_to_be_over_whatever_keeps_news_back() -> None:
    one = book(route(quiet_hours="00:00-23:59", quiet_severity_min="critical"))
    one.alert(incident("opened", T0, severity="critical"), 0, T0)
    assert told(one, T0) == [("oncall", Reason.OPENED, 1)]
    one.said(ack(T0 + MINUTE), T0 + MINUTE)
    one.said(silence(T0, T0 + HOUR, ("region", "*")), T0 + MINUTE)
    one.alert(incident("closed", T0 + MINUTE, severity="info"), 1, T0 + MINUTE)
    assert told(one, T0 + MINUTE) == [("oncall", Reason.CLOSED, 1)]


def test_after_an_outage_what_goes_on_is_told_and_what_is_long_over_is_not() -> None:
    one, other = "in-1111111111111111", "in-2222222222222222"
    both = book()
    now = T0 + 5 * HOUR
    both.alert(incident("opened", T0), 0, now)
    both.alert(incident("opened", T0, incident_id=one), 1, now)
    both.alert(incident("closed", T0 + HOUR, incident_id=one), 2, now)
    both.alert(incident("opened", T0, incident_id=other), 3, now)
    both.alert(incident("closed", T0 + 5 * HOUR - MINUTE, incident_id=other), 4, now)
    due = both.due(now)["oncall"]
    assert [(n.key, n.reason, n.firing, len(n.events)) for n in due] == [
        (INCIDENT, Reason.OPENED, True, 1),
        (other, Reason.CLOSED, False, 2),
    ]


def test_acknowledged_it_is_told_again_at_more_than_twice_its_size() -> None:
    one = book(route(repeat_ms=HOUR))
    one.alert(incident("opened", T0, 10), 0, T0)
    assert told(one, T0)
    one.said(ack(T0 + MINUTE, 12), T0 + MINUTE)
    one.alert(incident("updated", T0 + 2 * MINUTE, 24), 1, T0 + 2 * MINUTE)
    assert told(one, T0 + 2 * HOUR) == [], "neither updates nor repeats"
    one.alert(incident("updated", T0 + 3 * HOUR, 25), 2, T0 + 3 * HOUR)
    assert told(one, T0 + 3 * HOUR) == [("oncall", Reason.GREW, 2)]
    one.alert(incident("updated", T0 + 4 * HOUR, 50), 3, T0 + 4 * HOUR)
    assert told(one, T0 + 5 * HOUR) == [], "twice what was told last, and no more"
    one.said(ack(T0 + 5 * HOUR, withdrawn=True), T0 + 5 * HOUR)
    assert told(one, T0 + 5 * HOUR) == [("oncall", Reason.UPDATED, 1)]


def test_an_acknowledgement_keeps_a_second_route_from_being_told() -> None:
    one = book(route(), route("boss", group_window_ms=HOUR))
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0) == [("oncall", Reason.OPENED, 1)]
    one.said(ack(T0 + MINUTE), T0 + MINUTE)
    assert told(one, T0 + 2 * HOUR) == []


def test_a_second_route_is_told_why_an_acknowledged_incident_reaches_it() -> None:
    one = book(route("boss"))
    one.said(ack(T0, 10), T0)
    one.alert(incident("opened", T0, 10), 0, T0)
    assert told(one, T0) == []
    one.alert(incident("updated", T0 + MINUTE, 21), 1, T0 + MINUTE)
    assert told(one, T0 + MINUTE) == [("boss", Reason.GREW, 2)]


def test_silenced_it_is_told_when_the_silence_ends() -> None:
    one = book()
    one.said(silence(T0, T0 + HOUR, ("hashtag", "tiktok*"), ("region", "US")), T0)
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0) == []
    assert one.next_ms(T0) == T0 + HOUR
    assert told(one, T0 + HOUR) == [("oncall", Reason.RELEASED, 1)]


def test_silence_needs_every_matcher_and_can_be_ended() -> None:
    one = book()
    one.said(silence(T0, T0 + HOUR, ("hashtag", "tiktok*"), ("region", "JP")), T0)
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0)
    two = book()
    two.said(silence(T0, T0 + HOUR, ("region", "US")), T0)
    two.alert(incident("opened", T0), 0, T0)
    assert not told(two, T0)
    two.said(silence(T0, T0 + HOUR, ("region", "US"), ended_ms=T0), T0)
    assert told(two, T0)


def test_what_ends_in_a_silence_is_never_told() -> None:
    one = book()
    one.said(silence(T0, T0 + HOUR, ("severity", "warning")), T0)
    one.alert(incident("opened", T0), 0, T0)
    one.due(T0)
    one.alert(incident("closed", T0 + MINUTE), 1, T0 + MINUTE)
    assert told(one, T0 + MINUTE) == []
    assert told(one, T0 + 2 * HOUR) == []


def after_a_restart(now_ms: int, *raw: bytes, said: tuple[bytes, ...] = ()) -> Book:
    """A book that has just read all topics, and was told nothing yet."""
    one = book()
    for each in said:
        one.said(each, now_ms)
    for offset, each in enumerate(raw):
        one.alert(each, offset, now_ms)
    return one


def test_what_ended_in_a_silence_is_not_told_when_that_ends_nor_after_a_restart() -> None:
    opened, closed = incident("opened", T0), incident("closed", T0 + HOUR - MINUTE)
    quiet = silence(T0, T0 + HOUR, ("region", "US"))
    one = book()
    one.said(quiet, T0)
    one.alert(opened, 0, T0)
    one.alert(closed, 1, T0 + HOUR - MINUTE)
    for minutes in (59, 60, 61, 90):
        assert told(one, T0 + minutes * MINUTE) == []
    later = T0 + HOUR + 30 * MINUTE
    assert told(after_a_restart(later, opened, closed, said=(quiet,)), later) == []
    assert told(after_a_restart(later, opened, closed), later), "it is not too old"


def test_what_ended_in_a_silence_that_was_ended_is_not_told() -> None:
    opened, closed = incident("opened", T0), incident("closed", T0 + MINUTE)
    quiet = silence(T0, T0 + HOUR, ("region", "US"))
    ended = silence(T0, T0 + HOUR, ("region", "US"), ended_ms=T0 + 10 * MINUTE)
    now = T0 + 11 * MINUTE
    assert told(after_a_restart(now, opened, closed, said=(quiet, ended)), now) == []
    late = incident("closed", T0 + 10 * MINUTE)
    assert told(after_a_restart(now, opened, late, said=(quiet, ended)), now), "it ended then"


def test_what_ended_in_quiet_hours_is_not_told_in_the_morning() -> None:
    one = book(route(quiet_hours="00:00-06:00"))
    morning = 1_736_748_000_000  # 06:00 UTC
    one.alert(incident("opened", T0), 0, T0)
    one.alert(incident("closed", morning - MINUTE), 1, morning)
    assert told(one, morning) == []
    two = book(route(quiet_hours="00:00-06:00"))
    two.alert(incident("opened", T0), 0, T0)
    two.alert(incident("closed", morning), 1, morning)
    assert told(two, morning + MINUTE) == [("oncall", Reason.CLOSED, 2)], "it ended by day"


def test_of_too_many_silences_the_one_that_ends_first_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operators, "SILENCES_MAX", 2)
    one = book()
    for number, hours in enumerate((3, 1, 2)):
        one.said(silence(T0, T0 + hours * HOUR, ("region", "US"), number=number), T0)
    assert list(one.operators.silences) == ["s-00000000", "s-00000002"]
    assert one.operators.dropped == 1


def test_a_forgotten_silence_is_reminded_of() -> None:
    one = book(route(), route("quiet", pipeline=False), remind_after_ms=DAY)
    one.said(silence(T0, T0 + 3 * DAY, ("region", "US")), T0)
    assert told(one, T0 + DAY - 1) == []
    assert one.next_ms(T0) == T0 + DAY
    assert told(one, T0 + DAY) == [("oncall", Reason.REMINDER, 1)]
    assert told(one, T0 + 2 * DAY - 1) == []
    assert told(one, T0 + 2 * DAY) == [("oncall", Reason.REMINDER, 1)]
    assert told(one, T0 + 3 * DAY) == []


def test_a_route_does_not_wait_for_what_another_is_due() -> None:
    """Else it would look without a pause for as long as the other one fails."""
    one = book(route("up"), route("down"), remind_after_ms=DAY)
    one.said(silence(T0, T0 + 3 * DAY, ("region", "US")), T0)
    for due in one.due(T0 + DAY, "up")["up"]:
        one.record(due, Outcome.DELIVERED, T0 + DAY)
    assert one.next_ms(T0 + DAY, "up") == T0 + 2 * DAY
    assert one.next_ms(T0 + DAY, "down") == T0 + DAY + 1


def test_quiet_hours_let_the_severe_through_and_keep_the_rest() -> None:
    one = book(route(quiet_hours="00:00-06:00"))
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0) == []
    morning = 1_736_748_000_000  # 06:00 UTC
    assert one.next_ms(T0) == morning
    assert told(one, morning) == [("oncall", Reason.RELEASED, 1)]
    severe = book(route(quiet_hours="00:00-06:00"))
    severe.alert(incident("opened", T0, severity="critical"), 0, T0)
    assert told(severe, T0)


def test_what_comes_together_goes_together() -> None:
    one = book(route(group_window_ms=30_000))
    one.alert(incident("opened", T0), 0, T0)
    one.alert(incident("opened", T0, incident_id="in-1111111111111111"), 1, T0 + 20_000)
    assert told(one, T0 + 29_999) == []
    assert one.next_ms(T0 + 20_000) == T0 + 30_000
    assert len(told(one, T0 + 30_000)) == 2, "the first takes along those that wait"


def test_what_goes_on_is_repeated() -> None:
    one = book(route(repeat_ms=HOUR))
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0)
    assert one.next_ms(T0) == T0 + HOUR
    assert told(one, T0 + HOUR) == [("oncall", Reason.REPEATED, 1)]


def test_troubles_of_the_pipeline_have_their_own_key_and_end() -> None:
    one = book()
    one.alert(trouble("stalled", "open", T0, partition=2.0), 0, T0)
    one.alert(trouble("stalled", "open", T0, partition=3.0), 1, T0)
    due = one.due(T0)["oncall"]
    assert [(n.reason, n.firing) for n in due] == [(Reason.PIPELINE, True)] * 2
    assert len({n.key for n in due}) == 2
    assert len(told(one, T0)) == 2
    one.alert(trouble("stalled", "closed", T0 + HOUR, partition=2.0), 2, T0 + HOUR)
    assert told(one, T0 + HOUR) == [("oncall", Reason.CLOSED, 1)]


def test_troubles_without_an_end_are_told_once_and_forgotten() -> None:
    one = book(route(repeat_ms=HOUR))
    one.alert(trouble("capped", "open", T0), 0, T0)
    assert told(one, T0) == [("oncall", Reason.PIPELINE, 1)]
    assert told(one, T0 + 2 * HOUR) == []
    one.due(T0 + 2 * HOUR + RESOLVED_MS + 1)
    assert not one.subjects


def test_troubles_without_an_end_are_forgotten_by_routes_that_do_not_take_them() -> None:
    one = book(route(), route("people", pipeline=False))
    one.alert(trouble("capped", "open", T0), 0, T0)
    assert told(one, T0) == [("oncall", Reason.PIPELINE, 1)]
    one.due(T0 + RESOLVED_MS + 1)
    assert not one.subjects


def test_a_new_route_is_not_told_of_last_weeks_troubles_without_an_end() -> None:
    """What came in the night is told in the morning, however."""
    week = book()
    week.alert(trouble("capped", "open", T0), 0, T0 + 7 * DAY)
    assert told(week, T0 + 7 * DAY) == []
    assert not week.subjects
    night = book(route(quiet_hours="00:00-12:00"))
    night.alert(trouble("capped", "open", T0), 0, T0)
    assert told(night, T0) == []
    assert told(night, T0 + 12 * HOUR) == [("oncall", Reason.PIPELINE, 1)]


def test_what_is_no_news_is_left_out_and_what_cannot_be_read_is_counted() -> None:
    one = book()
    for offset, kind in enumerate(("provisional", "withdrawn", "followup", "merged")):
        one.alert(incident(kind, T0), offset, T0)
    assert told(one, T0) == []
    assert one.counts.unreadable == 0
    for offset, raw in enumerate((b"", b"\xff", b"[]", b"{}", incident("opened", T0, users=-1))):
        one.alert(raw, offset, T0)
        one.said(raw, T0)
        one.told(raw)
    one.alert(incident("opened", T0, incident_id="x"), 9, T0)
    assert one.subjects == {}
    assert one.counts.unreadable == 16


def test_unknown_fields_and_words_of_operators_are_none_of_ours() -> None:
    one = book()
    one.said(b'{"type":"surgewatch.ops.later.v1","data":7}', T0)
    raw = incident("opened", T0, a_new_field={"x": 1}).replace(b'"specversion"', b'"new":1,"specv"')
    one.alert(raw, 0, T0)
    assert told(one, T0)
    assert one.counts.unreadable == 0


def test_a_destination_that_forgets_is_told_what_fires_and_what_has_just_ended() -> None:
    one = book()
    one.alert(incident("opened", T0), 0, T0)
    assert one.refresh("oncall", T0) == [], "not before it was told"
    told(one, T0)
    assert [n.firing for n in one.refresh("oncall", T0 + HOUR)] == [True]
    one.alert(incident("closed", T0 + HOUR), 1, T0 + HOUR)
    assert one.refresh("oncall", T0 + HOUR) == [], "its end is due"
    told(one, T0 + HOUR)
    assert [n.firing for n in one.refresh("oncall", T0 + HOUR + RESOLVED_MS)] == [False]
    assert one.refresh("oncall", T0 + HOUR + RESOLVED_MS + 1) == []


def test_a_destination_that_forgets_is_told_no_news_that_are_kept_back() -> None:
    """Acknowledged as a warning, it turns critical: that waits, and must not come as a refresh."""
    one = book()
    one.alert(incident("opened", T0), 0, T0)
    told(one, T0)
    one.said(ack(T0 + 1), T0 + 1)
    one.alert(incident("updated", T0 + HOUR, 12, severity="critical"), 1, T0 + HOUR)
    assert told(one, T0 + HOUR) == []
    (again,) = one.refresh("oncall", T0 + HOUR)
    assert again.newest.alert.data["severity"] == "warning"
    assert again.told is not None
    one.alert(incident("updated", T0 + HOUR, 30, severity="critical"), 2, T0 + HOUR)
    assert told(one, T0 + HOUR) == [("oncall", Reason.GREW, 2)]
    (again,) = one.refresh("oncall", T0 + HOUR)
    assert again.newest.alert.data["severity"] == "critical"


def test_a_destination_that_forgets_is_told_what_it_was_told_after_any_number_of_alerts() -> None:
    """Else the severity that it opened with would fire again, beside the one that was told."""
    one = book()
    one.alert(incident("opened", T0), 0, T0)
    one.alert(incident("updated", T0, 50, severity="critical"), 1, T0)
    told(one, T0)
    one.said(ack(T0 + 1, 50), T0 + 1)
    for n in range(2, EVENTS_MAX + 10):
        one.alert(incident("updated", T0 + n * MINUTE, 60), n, T0 + n * MINUTE)
    (again,) = one.refresh("oncall", T0 + DAY)
    assert (again.newest.alert.data["severity"], again.newest.alert.data["users"]) == (
        "critical",
        50,
    )


def test_a_dead_letter_is_not_told_twice_but_its_end_is() -> None:
    one = book()
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0, Outcome.DEAD)
    assert told(one, T0 + MINUTE) == []
    one.alert(incident("closed", T0 + HOUR), 1, T0 + HOUR)
    assert told(one, T0 + HOUR) == [("oncall", Reason.CLOSED, 1)]


def test_what_was_given_up_and_still_goes_on_is_tried_again() -> None:
    """A pager that was down for longer than we try: somebody is to be paged when it is back."""
    one = book()
    one.alert(incident("opened", T0), 0, T0)
    assert told(one, T0, Outcome.DEAD)
    for minutes, outcome in ((15, Outcome.DEAD), (30, Outcome.DELIVERED)):
        now = T0 + minutes * MINUTE
        assert one.next_ms(now - MINUTE) == now
        assert told(one, now - 1) == []
        assert told(one, now, outcome) == [("oncall", Reason.REPEATED, 1)]
    assert told(one, T0 + DAY) == [], "it repeats never"


def test_what_was_told_reads_back() -> None:
    one = book()
    one.alert(incident("opened", T0), 7, T0)
    (due,) = one.due(T0)["oncall"]
    said = one.record(due, Outcome.DELIVERED, T0)
    two = book()
    two.alert(incident("opened", T0), 7, T0)
    two.told(encode_told(said))
    assert two.due(T0) == {}
    assert msgspec.json.decode(encode_told(said))["outcome"] == "delivered"


def test_links_go_along() -> None:
    one = book(route(runbook="https://wiki/x"), console_url="https://ops/")
    one.alert(incident("opened", T0), 0, T0)
    (due,) = one.due(T0)["oncall"]
    assert (due.runbook, due.url) == ("https://wiki/x", f"https://ops/incidents/{INCIDENT}")
