import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import (
    FieldMap,
    PostDecoder,
    PostItem,
    account_created_ms,
    encode_post,
    encode_tick,
    first_bytes,
    primary_language,
    region_code,
)
from streams.codec.decode import STRANGE_MAX
from streams.errors import REJECT_REASONS, RecordError
from streams.events import Reject, Tick

POST: dict[str, Any] = {
    "post_id": "p1",
    "created_at": "2025-01-13T00:00:00Z",
    "user_id": "u1",
    "region": "US",
    "hashtags": ["TikTokRefugee", "小红书"],
    "lang": "en",
    "account_created_at": "2025-01-12T00:00:00Z",
}
DAY_START = 1_736_726_400_000
DEEP = b"[" * 1000 + b"]" * 1000


def post(**changes: Any) -> bytes:
    """Return a good post with some fields changed; ``...`` removes a field."""
    fields = {name: value for name, value in (POST | changes).items() if value is not ...}
    return json.dumps(fields).encode()


def with_other(raw: bytes) -> bytes:
    """Return a good post with one field more, whose value is ``raw``."""
    return post()[:-1] + b', "other": ' + raw + b"}"


BAD: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("empty", b" \t\r"),
    ("not_json", b"garbage"),
    ("not_json", post()[:-1]),
    ("not_json", post() + post()),
    ("not_json", post() + b" " + post()),
    ("not_json", b"\xef\xbb\xbf" + post()),
    ("not_json", with_other(b"NaN")),
    ("not_json", post().replace(b'"2025-01-13T00:00:00Z"', b"NaN")),
    ("not_json", post().replace(b'"2025-01-13T00:00:00Z"', b"-Infinity")),
    ("not_json", post().replace(b"p1", b"p\x011")),
    ("not_json", post().replace(b'"2025-01-13T00:00:00Z"', b"9" * 5000)),
    ("not_object", b"[1]"),
    ("not_object", b"null"),
    ("not_object", b'"text"'),
    ("bad_encoding", post().replace(b"p1", b"p\xff")),
    ("bad_encoding", post().replace(b'"region"', b'"\xffregion"')),
    ("bad_encoding", with_other(b'"\xff"')),
    ("bad_encoding", with_other(b'"\xed\xa0\x80"')),
    ("bad_encoding", b"garbage \xff"),
    ("bad_encoding", post().replace(b"p1", b"p\\ud800")),
    ("bad_encoding", post(hashtags=["\udc00"])),
    ("bad_encoding", with_other(b'"\\ud83d oops, and some more text"')),
    ("bad_encoding", with_other(b'"\\udc00\\ud800"')),
    ("too_large", post(user_id="x" * 6000)),
    ("too_deep", DEEP),
    ("too_deep", with_other(DEEP)),
    ("too_deep", with_other(b"[" * 100 + b"]" * 100)),
    ("too_deep", with_other(b'{"a":' * 100 + b"1" + b"}" * 100)),
    ("too_deep", with_other(b'["]", ' * 100 + b"1" + b"]" * 100)),
    ("too_deep", b"[" * 1000),
    ("missing_field", b"{}"),
    ("missing_field", post(post_id=...)),
    ("missing_field", post(created_at=None)),
    ("missing_field", post(user_id=...)),
    ("missing_field", b'{"surgewatch_tick": {}}'),
    ("missing_field", b'{"surgewatch_tick": {"event_time": "2025-01-13T00:00:00Z"}, "a": 1}'),
    ("wrong_type", post(post_id=7)),
    ("wrong_type", post(user_id=["u"])),
    ("wrong_type", post(created_at=True)),
    ("wrong_type", post(created_at={"ms": 1})),
    ("wrong_type", post(region=49)),
    ("wrong_type", post(hashtags="#one")),
    ("wrong_type", post(hashtags={"a": 1})),
    ("wrong_type", post(hashtags=["fine", None])),
    ("wrong_type", post(lang=["en"])),
    ("wrong_type", post(account_created_at=[])),
    ("wrong_type", post(account_created_at=False)),
    ("wrong_type", b'{"post_id": 1, ' + post()[1:]),
    ("wrong_type", b'{"surgewatch_tick": 7}'),
    ("wrong_type", b'{"surgewatch_tick": {"event_time": []}}'),
    ("wrong_type", b'{"surgewatch_tick": {"event_time": 1736726400, "end": 1}}'),
    ("bad_value", post(post_id="")),
    ("bad_value", post(user_id="")),
    ("bad_value", post(post_id="x" * 257)),
    ("bad_timestamp", post(created_at="yesterday")),
    ("bad_timestamp", post(created_at="2025-01-13T00:00:00")),
    ("bad_timestamp", post(created_at="")),
    ("bad_timestamp", b'{"surgewatch_tick": {"event_time": "noon"}}'),
    ("out_of_range", post(created_at="1970-01-01T00:00:00Z")),
    ("out_of_range", post(created_at=0)),
    ("out_of_range", post(created_at=-5.5)),
    ("out_of_range", post(created_at="2100-01-01T00:00:00Z")),
    ("out_of_range", post(created_at=10**30)),
    ("out_of_range", post().replace(b'"2025-01-13T00:00:00Z"', b"1e400")),
    ("out_of_range", b'{"surgewatch_tick": {"event_time": 0}}'),
    ("too_many_hashtags", post(hashtags=["a"] * 1001)),
    ("too_many_hashtags", post(hashtags=["a"] * 1050)),
]

GOOD: list[bytes] = [
    post(),
    post() + b"\r",
    b"  " + post(),
    post(region=None, hashtags=None, lang=None, account_created_at=None),
    post(region=..., hashtags=..., lang=..., account_created_at=...),
    post(created_at=1_736_726_400),
    post(created_at="2099-12-31T23:59:59.999Z"),
    post(post_id="x" * 256, hashtags=["a"] * 1000),
    post(hashtags=["🎉", "[" * 300]),  # json.dumps writes a surrogate pair, which is fine
    post(account_created_at="long ago"),
    with_other(b"[" * 99 + b"]" * 99),
    with_other(b'"' + b"[" * 300 + b'"'),
    with_other('{"a": "你好"}'.encode()),
    post().replace(b'"region"', b'"r\\u0065gion"'),
    post()[:-1] + b', "post_id": "last wins"}',
]


def decode_alone(line: bytes, decoder: PostDecoder) -> Any:
    """Return what ``decode_one`` says of a line, in a form that compares."""
    try:
        return comparable(decoder.decode_one(line))
    except RecordError as error:
        return (error.reason, error.detail)


def comparable(item: PostItem | Tick | Reject) -> Any:
    """Return an item so that equal ones from different decoders compare equal."""
    if isinstance(item, Reject):
        return (item.reason, item.detail)
    if isinstance(item, Tick):
        return item
    ms, region, lang, raw = item
    return (ms, region, lang, raw.post_id, raw.user_id, raw.hashtags, raw.account_created_at)


@pytest.mark.parametrize(("reason", "line"), BAD)
def test_reasons(reason: str, line: bytes) -> None:
    """Each kind of bad record is rejected for its own reason, with a short printable detail."""
    with pytest.raises(RecordError) as caught:
        PostDecoder(record_bytes=5500).decode_one(line)
    assert caught.value.reason == reason
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) < 300


def test_every_reason_of_the_decoder_is_shown() -> None:
    """The table above reaches every reason but those of the clock and of compressed logs."""
    assert {reason for reason, _ in BAD} == set(REJECT_REASONS) - {"future", "truncated"}


@pytest.mark.parametrize("line", GOOD)
def test_good_lines(line: bytes) -> None:
    """Unusual but valid records are posts."""
    assert isinstance(PostDecoder().decode_one(line), tuple)


def test_parts_of_an_item() -> None:
    """An item holds time, region and language converted, and the rest as written."""
    item = PostDecoder().decode_one(post(region="us", lang="EN-gb"))
    assert isinstance(item, tuple)
    ms, region, lang, raw = item
    assert (ms, region, lang) == (DAY_START, "US", "en")
    assert (raw.post_id, raw.user_id, raw.hashtags) == ("p1", "u1", ["TikTokRefugee", "小红书"])
    assert account_created_ms(raw.account_created_at) == DAY_START - 86_400_000


def test_absent_fields() -> None:
    """A post with the required fields only has region ZZ, no language, no tags, unknown age."""
    line = encode_post({name: POST[name] for name in ("post_id", "created_at", "user_id")})
    item = PostDecoder().decode_one(line)
    assert isinstance(item, tuple)
    assert item[1:3] == ("ZZ", "")
    assert item[3].hashtags is None
    assert account_created_ms(item[3].account_created_at) is None


def test_last_duplicate_wins() -> None:
    """A field that is given twice has its last value."""
    item = PostDecoder().decode_one(GOOD[-1])
    assert isinstance(item, tuple)
    assert item[3].post_id == "last wins"


def test_tick() -> None:
    """A marker is read back as the event time that was written."""
    assert PostDecoder().decode_one(encode_tick(DAY_START + 250)) == Tick(DAY_START + 250)
    last = encode_tick(DAY_START, end=True)
    assert PostDecoder().decode_one(last) == Tick(DAY_START, end=True)


def test_chunk_gives_one_item_a_line() -> None:
    """Good lines, markers and bad lines come in order, rejects with their line and source."""
    lines = [post(post_id="a"), b"garbage", encode_tick(DAY_START), b"", post(post_id="b")]
    batch = PostDecoder().decode_chunk(b"\n".join(lines), source="log", first_line=10)
    (piece,) = batch.pieces()
    assert [first_bytes(line) for line in piece.lines] == lines
    seen: list[tuple[int, Any]] = [
        (number, comparable(item) if isinstance(item, tuple) else item)
        for number, item in zip(piece.positions, piece.items, strict=True)
    ]
    assert [position for position, _ in seen] == [10, 11, 12, 13, 14]
    assert seen[0][1][3] == "a"
    assert seen[1][1] == Reject(
        "not_json", "the line is not JSON: Expecting value", "log", 11, b"garbage"
    )
    assert seen[2][1] == Tick(DAY_START)
    assert seen[3][1] == Reject("empty", "the line holds nothing", "log", 13, b"")
    assert seen[4][1][3] == "b"


def test_raw_is_cut() -> None:
    """A reject keeps the first 4 KiB of a long line, and the line after it is read."""
    long = post(user_id="x" * 5000)
    items = list(PostDecoder().decode_chunk(long + b"\n" + post() + b"\n"))
    assert isinstance(items[0], Reject)
    assert items[0].reason == "bad_value"
    assert items[0].raw == long[:4096]
    assert isinstance(items[1], tuple)


def test_chunk_with_too_large_line() -> None:
    """A line over the limit is rejected within a chunk; a line exactly at the limit is not."""
    good = post()
    decoder = PostDecoder(record_bytes=len(good))
    chunk = good + b"\n" + good + b" \n" + good + b"\n"
    reasons = [getattr(item, "reason", "post") for item in decoder.decode_chunk(chunk)]
    assert reasons == ["post", "too_large", "post"]


def test_other_fields_do_not_hide_harm() -> None:
    """Once a log is known to carry other fields, harm in them is still found."""
    decoder = PostDecoder()
    harmless = with_other(b'"text"') + b"\n"
    assert isinstance(next(iter(decoder.decode_chunk(harmless))), tuple)
    for reason, line in BAD:
        if reason in ("bad_encoding", "too_deep"):
            first, second, third = decoder.decode_chunk(harmless + line + b"\n" + harmless)
            assert isinstance(first, tuple)
            assert isinstance(second, Reject)
            assert second.reason == reason
            assert isinstance(third, tuple)


def test_time_limits_are_given() -> None:
    """The earliest and the latest event time are the caller's."""
    decoder = PostDecoder(earliest_ms=DAY_START + 1, latest_ms=DAY_START + 1000)
    with pytest.raises(RecordError, match="out_of_range"):
        decoder.decode_one(post())
    assert isinstance(decoder.decode_one(post(created_at=DAY_START + 1000)), tuple)
    with pytest.raises(RecordError, match="out_of_range"):
        decoder.decode_one(post(created_at=DAY_START + 1001))


@pytest.mark.parametrize(
    ("region", "code"),
    [
        ("US", "US"),
        ("us", "US"),
        ("", "ZZ"),
        ("USA", "ZZ"),
        ("U1", "ZZ"),
        ("ÜS", "ZZ"),
        ("ß", "ZZ"),
    ],
)
def test_region_code(region: str, code: str) -> None:
    """Two ASCII letters are a region in upper case; anything else is unknown."""
    assert region_code(region) == code


@pytest.mark.parametrize(
    ("lang", "subtag"),
    [
        ("zh-Hant-TW", "zh"),
        ("EN_us", "en"),
        ("yue", "yue"),
        ("", ""),
        ("und", ""),
        ("<script>", ""),
        ("x" * 1000, ""),
        ("中文", ""),
        ("-en", ""),
    ],
)
def test_primary_language(lang: str, subtag: str) -> None:
    """The primary subtag in lower case is the language; what cannot be one is none."""
    assert primary_language(lang) == subtag


def test_hostile_values_are_not_remembered() -> None:
    """Any number of different or long regions and languages leaves memory bounded."""
    decoder = PostDecoder()
    for number in range(10_000):
        decoder.decode_one(post(region=f"r{number}", lang=f"l{number}"))
    for number in range(100):
        decoder.decode_one(post(region="r" * 1000 + str(number)))
    assert len(decoder._regions) <= 8192
    assert len(decoder._languages) <= 8192
    assert max(len(key) for key in decoder.strange_regions) <= 32
    assert len(decoder.strange_regions) <= STRANGE_MAX + 1


NESTED = FieldMap(user_id="author.id", region="geo.country", lang="geo.lang")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
VALUES = JSON | st.sampled_from(
    [DAY_START, "2025-01-13T00:00:00.5Z", "US", "en", ["a"], "p", 5, {"id": "u"}]
)
RECORDS = st.dictionaries(
    st.sampled_from([*POST, "other", "geo", "author", "surgewatch_tick"]), VALUES
).map(lambda changes: json.dumps(POST | changes).encode())
MANGLED = st.tuples(RECORDS, st.integers(0, 300), st.binary(max_size=3)).map(
    lambda made: made[0][: made[1]] + made[2] + made[0][made[1] :]
)
LINES = st.one_of(
    RECORDS,
    MANGLED,
    st.binary(max_size=40),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([line for _, line in BAD] + GOOD),
)


@given(st.lists(LINES, max_size=12), st.booleans(), st.sampled_from([FieldMap(), NESTED]))
def test_chunk_equals_lines(records: list[bytes], other: bool, fields: FieldMap) -> None:
    """Any bytes: each line gives the same alone and in a chunk, whatever came before it."""
    chunk = b"\n".join(records)
    lines = chunk.split(b"\n")
    if not lines[-1]:
        lines.pop()
    decoder = PostDecoder(fields, record_bytes=5500)
    decoder._has_other_fields = other
    batch = decoder.decode_chunk(chunk, first_line=1)
    seen = []
    for item in batch:
        seen.append(comparable(item))
        if isinstance(item, Reject):
            assert item.reason in REJECT_REASONS
            assert item.raw == lines[len(seen) - 1][:4096]
            assert item.position == len(seen)
    assert seen == [decode_alone(line, PostDecoder(fields, record_bytes=5500)) for line in lines]


@given(LINES)
def test_accepted_means_valid(line: bytes) -> None:
    """What is taken as a post is valid JSON with the parts that the standard library sees."""
    try:
        item = PostDecoder().decode_one(line)
    except RecordError:
        return
    if isinstance(item, tuple):
        record = json.loads(line.decode())
        assert item[3].post_id == record["post_id"]
        assert item[3].user_id == record["user_id"]
        assert item[3].hashtags == record.get("hashtags")


def test_regions_that_are_none_are_counted() -> None:
    """Each time, by name as far as there are few; what says it is unknown is not strange."""
    decoder = PostDecoder()
    line = '{{"post_id":"p","created_at":1736726407,"user_id":"u","region":{}}}\n'
    names = ["USA", "USA", "us", "ZZ", "zz", "", None, *(f"X{n}" for n in range(STRANGE_MAX))]
    lines = "".join(line.format(json.dumps(name)) for name in names)
    found = [item[1] for item in decoder.decode_chunk(lines.encode()) if isinstance(item, tuple)]
    assert found == ["ZZ", "ZZ", "US", *["ZZ"] * (STRANGE_MAX + 4)]
    assert decoder.strange_regions["USA"] == 2
    assert decoder.strange_regions[""] == 1
    assert len(decoder.strange_regions) == STRANGE_MAX + 1
