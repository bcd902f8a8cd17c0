"""Times are moved, each in its own form, and no other byte of a line is."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import FieldMap, PostDecoder, account_created_ms, encode_tick, epoch_ms, rfc3339
from streams.codec.shift import MINUTE_MS, TimeShift
from streams.events import Tick

DAY = 24 * 60
FORMS = [
    ("2025-01-13T00:00:07Z", "2025-01-14T00:01:07Z"),
    ("2025-01-13 00:00:07.250+08:00", "2025-01-14 00:01:07.250+08:00"),
    ("2025-01-13t23:59:60z", "2025-01-15t00:00:60z"),
    ("2025-02-28T23:59:00.123456789+0530", "2025-03-02T00:00:00.123456789+0530"),
    ("1736726407", "1736812867"),
    (1736726407, 1736812867),
    (1736726407000, 1736812867000),
]


def moved(line: bytes, minutes: int = DAY + 1, fields: FieldMap | None = None) -> bytes:
    """A line, moved by a day and a minute."""
    return TimeShift(fields or FieldMap(), minutes * MINUTE_MS).line(line)


@pytest.mark.parametrize(("before", "after"), FORMS)
def test_each_form_is_kept(before: Any, after: Any) -> None:
    """Separator, fraction, offset, unit and kind of value stay."""
    post = {"post_id": "p", "created_at": before, "user_id": "u", "account_created_at": before}
    assert orjson.loads(moved(orjson.dumps(post))) == post | {
        "created_at": after,
        "account_created_at": after,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"1736726407.5", b"1736812867.5"),
        (b"1736726407.50", b"1736812867.50"),
        (b"1.736726407e9", b"1736812867"),
        (b"1736726407000.0", b"1736812867000.0"),
        (b'"2025-01-13\\u005400:00:07Z"', b'"2025-01-14T00:01:07Z"'),
    ],
)
def test_odd_writing(before: bytes, after: bytes) -> None:
    """Fractions keep their digits; exponents and escapes come out plainly."""
    line = b'{"post_id":"p","created_at":%s,"user_id":"u"}'
    assert moved(line % before) == line % after


def test_nothing_else_is_touched() -> None:
    """The same text elsewhere, spaces, order, doubles and nested namesakes stay as they are."""
    line = (
        b' {"note" : "2025-01-13T00:00:07Z \\" \\\\", "x":{"created_at":"2025-01-13T00:00:07Z"},'
        b'"created_at": "2000-01-01T00:00:00Z",\t"tags":["created_at","2025-01-13T00:00:07Z"],'
        b'"created_at" :"2025-01-13T00:00:07Z" , "user_id":"\xe5\xb0\x8f","post_id":"{[,:"} '
    )
    wanted = line.replace(
        b'"created_at" :"2025-01-13T00:00:07Z"', b'"created_at" :"2025-01-14T00:01:07Z"'
    )
    assert moved(line) == wanted


def test_mapped_fields() -> None:
    """The time is where the configuration says, however deep."""
    fields = FieldMap(created_at="meta.at", account_created_at="user.since", user_id="user.id")
    line = (
        b'{"post_id":"p","created_at":1736726407,"meta":{"at":1736726407,"x":1},'
        b'"user":{"since":"2025-01-13T00:00:07Z","id":"u"}}'
    )
    wanted = line.replace(b'"at":1736726407', b'"at":1736812867').replace(
        b"-13T00:00", b"-14T00:01"
    )
    assert moved(line, fields=fields) == wanted


@pytest.mark.parametrize("value", ["null", '"soon"', "[1736726407]", "true", '""', "1e400", "1e18"])
def test_unreadable_times_stay(value: str) -> None:
    """The time of an account that cannot be read rejects no post, and is not guessed at."""
    line = b'{"post_id":"p","created_at":1736726407,"user_id":"u","account_created_at":%s}'
    assert moved(line % value.encode()).endswith(b'"account_created_at":%s}' % value.encode())


def test_units_are_never_mixed_up() -> None:
    """Milliseconds that would become what is read as seconds stay."""
    line = b'{"post_id":"p","created_at":100000000001,"user_id":"u"}'
    assert moved(line, -DAY) == line


def test_markers_move() -> None:
    """A marker of the log goes with its posts."""
    tick = encode_tick(1736726400000, end=True)
    assert moved(tick) == encode_tick(1736726400000 + (DAY + 1) * MINUTE_MS, end=True)


times = st.integers(1_500_000_000_000, 1_900_000_000_000)
written = st.one_of(
    times.map(rfc3339),
    times.map(lambda ms: rfc3339(ms).replace("Z", "+03:00").replace("T", " ")),
    times,
    times.map(lambda ms: ms // 1000),
    times.map(lambda ms: ms / 1000),
    times.map(lambda ms: str(ms // 1000)),
)
rest = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    written, written, st.dictionaries(st.text(max_size=6), rest, max_size=4),
    st.integers(-3_000_000, 3_000_000), st.booleans(), st.randoms(use_true_random=False),
)  # fmt: skip
def test_what_is_read_has_moved(
    created: Any, account: Any, others: dict[str, Any], minutes: int, ascii_only: bool, order: Any
) -> None:
    """Any post is read with its times moved by just so much, all else equal."""
    post = others | {"post_id": "p", "created_at": created, "user_id": "u"}
    post["account_created_at"] = account
    items = list(post.items())
    order.shuffle(items)
    text = json.dumps(dict(items), ensure_ascii=ascii_only)
    line = text.encode("utf-8", "surrogatepass" if ascii_only else "replace")
    after = moved(line, minutes)
    decoder = PostDecoder()
    item = decoder.decode_one(after)
    assert not isinstance(item, Tick)
    assert item[0] == pytest.approx(epoch_ms(created) + minutes * MINUTE_MS, abs=1)
    then = account_created_ms(item[3].account_created_at)
    assert then == pytest.approx(epoch_ms(account) + minutes * MINUTE_MS, abs=1)
    timeless = {"created_at", "account_created_at"}
    before = json.loads(line)
    found = json.loads(after)
    assert list(found) == list(before)
    assert [v for k, v in found.items() if k not in timeless] == [
        v for k, v in before.items() if k not in timeless
    ]
