import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from streams.codec import encode_alert, encode_post, encode_reject, encode_tick
from streams.events import Alert, Reject


def test_reject_with_text() -> None:
    """A reject of UTF-8 holds its text, and control characters only as escapes."""
    line = encode_reject(Reject("not_json", "why", "log", 3, "小\x1b[31m\n".encode()))
    assert b"\x1b" not in line
    assert b"\n" not in line
    assert list(json.loads(line).items()) == [
        ("reason", "not_json"),
        ("detail", "why"),
        ("source", "log"),
        ("position", 3),
        ("raw", "小\x1b[31m\n"),
    ]


@given(st.binary(max_size=50))
def test_reject_keeps_any_bytes(raw: bytes) -> None:
    """Whatever bytes a record had can be got back from its reject."""
    record = json.loads(encode_reject(Reject("not_json", "", "log", 1, raw)))
    assert ("raw" in record) != ("raw_base64" in record)
    kept = record["raw"].encode() if "raw" in record else base64.b64decode(record["raw_base64"])
    assert kept == raw


def test_reject_cut_within_a_character() -> None:
    """Text that the cut to 4 KiB splits inside a character stays text."""
    for shift in range(3):
        raw = (b"x" * shift + "小".encode() * 2000)[:4096]
        text = json.loads(encode_reject(Reject("too_large", "", "log", 1, raw)))["raw"]
        assert text == "x" * shift + "小" * ((4096 - shift) // 3)


def test_tick_form() -> None:
    """A marker is exactly the documented object."""
    assert encode_tick(1_736_726_400_000) == (
        b'{"surgewatch_tick":{"event_time":"2025-01-13T00:00:00Z"}}'
    )
    assert encode_tick(1_736_726_400_000, end=True) == (
        b'{"surgewatch_tick":{"event_time":"2025-01-13T00:00:00Z","end":true}}'
    )


def test_alert_form() -> None:
    """An alert is a CloudEvents object in fixed order, without what it does not have."""
    alert = Alert(
        "in-1-2", "t.v1", "surgewatch", "all", "2025-01-13T00:00:00Z", {"b": 1, "a": None}
    )
    assert encode_alert(alert) == (
        b'{"specversion":"1.0","id":"in-1-2","type":"t.v1","source":"surgewatch","subject":"all",'
        b'"time":"2025-01-13T00:00:00Z","datacontenttype":"application/json",'
        b'"data":{"b":1,"a":null}}'
    )
    full = Alert("i", "t", "s", "all", "z", {}, sequence=2, correlationid="in-1")
    assert list(json.loads(encode_alert(full)))[-3:] == ["sequence", "correlationid", "data"]
    assert json.loads(encode_alert(full))["sequence"] == 2


def test_post_form() -> None:
    """A post keeps the order of its fields and its characters."""
    assert encode_post({"b": "小红书", "a": [1]}) == '{"b":"小红书","a":[1]}'.encode()
