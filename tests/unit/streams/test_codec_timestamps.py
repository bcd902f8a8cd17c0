from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import EARLIEST_MS, LATEST_MS, epoch_ms, rfc3339
from streams.codec.timestamps import EventTimes
from streams.errors import RecordError

DAY_START = 1_736_726_400_000  # 2025-01-13T00:00:00Z


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2025-01-13T00:00:00Z", DAY_START),
        ("2025-01-13t00:00:00z", DAY_START),
        ("2025-01-13 00:00:00Z", DAY_START),
        ("2025-01-13T08:00:00+08:00", DAY_START),
        ("2025-01-13T08:00:00+0800", DAY_START),
        ("2025-01-13 08:00:00+08", DAY_START),
        ("2025-01-12T18:30:00-05:30", DAY_START),
        ("2025-01-13T00:00:00-00:00", DAY_START),
        ("2025-01-13T00:00:00.5Z", DAY_START + 500),
        ("2025-01-13T00:00:00.123456789Z", DAY_START + 123),
        ("2025-01-13T00:00:00." + "9" * 100 + "Z", DAY_START + 999),
        ("2025-01-12T23:59:60Z", DAY_START - 1000),
        ("2025-01-12T23:59:60.75Z", DAY_START - 250),
        ("1736726400", DAY_START),
        ("1736726400.25", DAY_START + 250),
        ("1736726400000", DAY_START),
        (1_736_726_400, DAY_START),
        (1_736_726_400.0625, DAY_START + 62),
        (1_736_726_400.123, DAY_START + 123),
        (DAY_START, DAY_START),
        (DAY_START + 0.9, DAY_START),
        (-1, -1000),
        (10**30, 10**30),
    ],
)
def test_reads_time(value: str | float, ms: int) -> None:
    """Each documented way to write a time gives the milliseconds it means."""
    assert epoch_ms(value) == ms


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Z",
        "yesterday",
        "2025-01-13",
        "2025-01-13T00:00:00",
        "2025-01-13T00:00:00.5",
        "2025-01-13T00:00:00.Z",
        "2025-01-13T00:00Z",
        "2025-1-13T00:00:00Z",
        "2025-02-30T00:00:00Z",
        "0000-01-13T00:00:00Z",
        "2025-01-13T24:00:00Z",
        "2025-01-13T00:60:00Z",
        "2025-01-13T00:00:61Z",
        "2025-01-13T00:00:00+24:00",
        "2025-01-13T00:00:00+08:60",
        "2025-01-13T00:00:00Zjunk",
        "2025-01-13_00:00:00Z",
        " 2025-01-13T00:00:00Z",
        "2025-01-13T00:00:00Z\n",
        "２０２５-01-13T00:00:00Z",
        "1e9",
        "١٢٣",
        "--1",
        "NaN",
        "9" * 1000,
        "x" * 100_000,
    ],
)
def test_refuses_time(value: str) -> None:
    """What is no time, or names no offset, is a bad timestamp."""
    with pytest.raises(RecordError) as caught:
        epoch_ms(value)
    assert caught.value.reason == "bad_timestamp"
    assert len(caught.value.detail) < 400


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_refuses_infinite(value: float) -> None:
    """A number without end is refused, not an unforeseen exception."""
    with pytest.raises(RecordError) as caught:
        epoch_ms(value)
    assert caught.value.reason == "out_of_range"


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)),  # noqa: DTZ001
    st.integers(-1439, 1439),
)
def test_agrees_with_datetime(moment: datetime, offset_minutes: int) -> None:
    """Any date, time and offset is read as the standard library means it."""
    zone = timezone(timedelta(minutes=offset_minutes))
    local = moment.replace(tzinfo=UTC).astimezone(zone)
    expected = (local - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert epoch_ms(local.isoformat()) == expected


@given(st.integers(EARLIEST_MS, LATEST_MS))
def test_round_trip(ms: int) -> None:
    """What is written as RFC 3339 is read back as the same millisecond, in the shortest form."""
    text = rfc3339(ms)
    assert epoch_ms(text) == ms
    assert len(text) == (20 if ms % 1000 == 0 else 24)


@given(st.lists(st.integers(0, 20_000_000), max_size=60))
def test_remembered_times_agree(offsets: list[int]) -> None:
    """The memory of event times gives what reading each anew gives."""
    times = EventTimes(EARLIEST_MS, LATEST_MS)
    for offset in offsets:
        for text in (rfc3339(DAY_START + offset), rfc3339(DAY_START + offset)[:-1] + "+05:30"):
            assert times[text] == epoch_ms(text)


def test_range_holds_for_remembered_times() -> None:
    """A time outside the range is refused every time, however often it comes, at both edges."""
    times = EventTimes(DAY_START, DAY_START + 1500)
    assert times["2025-01-13T00:00:00Z"] == DAY_START
    assert times["2025-01-13T00:00:01.500Z"] == DAY_START + 1500
    outside: list[str | float] = [
        "2025-01-12T23:59:59Z",
        "2025-01-13T00:00:01.501Z",
        "2025-01-13T00:00:02Z",
        5,
        "5",
    ]
    for value in outside * 3:
        with pytest.raises(RecordError) as caught:
            times[value]
        assert caught.value.reason == "out_of_range"


def test_memory_is_bounded() -> None:
    """Any number of different times leaves only a few thousand remembered."""
    times = EventTimes(EARLIEST_MS, LATEST_MS)
    for second in range(20_000):
        assert times[rfc3339(DAY_START + second * 1000)] == DAY_START + second * 1000
    assert len(times) <= 8192
