import io
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from streams.codec import FieldMap, PostDecoder
from streams.errors import LogError, UsageError
from streams.events import Reject
from streams.logs import Chunk, open_log

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

DAY_START = 1_736_726_400_000


def saved(tmp_path: Path, columns: dict[str, Any]) -> str:
    """Write a Parquet file of these columns."""
    path = tmp_path / "posts"
    pq.write_table(pa.table(columns), path, row_group_size=700)
    return str(path)


def items(path: str, fields: FieldMap = FieldMap()) -> list[Any]:  # noqa: B008
    """Return what a log's rows decode to."""
    decoder = PostDecoder(fields)
    found: list[Any] = []
    for part in open_log(path, fields=fields).chunks():
        if isinstance(part, Reject):
            found.append(part)
        else:
            assert part.first_line == len(found) + 1
            found += decoder.decode_chunk(part.data, source=path, first_line=part.first_line)
    return found


@pytest.mark.parametrize(
    "times",
    [
        pa.array([DAY_START * 1000 + 250_000], pa.timestamp("us", "Asia/Shanghai")),
        pa.array([DAY_START * 1_000_000 + 250_000_001], pa.timestamp("ns")),
        pa.array([DAY_START + 250], pa.timestamp("ms")),
        pa.array(["2025-01-13T08:00:00.250+08:00"]),
        pa.array(["2025-01-13T00:00:00.250Z"]).dictionary_encode(),
        pa.array([DAY_START + 250]),
        pa.array([DAY_START / 1000 + 0.25]),
        pa.array([b"2025-01-13T00:00:00.250Z"]),
    ],
)
def test_times(tmp_path: Path, times: Any) -> None:
    """A time column of any usual type gives the same event time."""
    path = saved(tmp_path, {"post_id": ["p"], "created_at": times, "user_id": ["u"]})
    ((ms, region, lang, raw),) = items(path)
    assert (ms, region, lang) == (DAY_START + 250, "ZZ", "")
    assert (raw.post_id, raw.user_id, raw.hashtags) == ("p", "u", None)


def test_all_fields_over_many_rows(tmp_path: Path) -> None:
    """Every row gives its post with all fields, in order, whatever the row groups."""
    count = 3000
    path = saved(
        tmp_path,
        {
            "post_id": [f"p{row}" for row in range(count)],
            "created_at": [datetime(2025, 1, 13, tzinfo=UTC)] * count,
            "user_id": ["u"] * count,
            "region": ["US", None, "MY"] * (count // 3),
            "hashtags": [["a", "小红书"], [], None] * (count // 3),
            "lang": ["en", None, "ms"] * (count // 3),
            "account_created_at": [date(2025, 1, 12)] * count,
            "ignored": pa.array([[[1]]] * count),
        },
    )
    found = items(path)
    assert [raw.post_id for _, _, _, raw in found] == [f"p{row}" for row in range(count)]
    assert found[0][1:3] == ("US", "en")
    assert found[1][1:3] == ("ZZ", "")
    assert found[0][3].hashtags == ["a", "小红书"]
    assert found[2][3].hashtags is None
    assert found[0][3].account_created_at == DAY_START - 86_400_000
    log = open_log(path)
    last = [part for part in log.chunks() if isinstance(part, Chunk)][-1]
    assert 0 < last.consumed <= (log.size or 0)


@pytest.mark.parametrize("dotted", [True, False])
def test_nested_columns(tmp_path: Path, dotted: bool) -> None:
    """A mapped name with dots is a column of that name, or a member of a struct column."""
    fields = FieldMap(created_at="meta.at", region="geo.place.country")
    columns: dict[str, Any] = {"post_id": ["p", "q"], "user_id": ["u", "v"]}
    at = datetime(2025, 1, 13, tzinfo=UTC)
    if dotted:
        columns |= {"meta.at": [at, at], "geo.place.country": ["MY", None]}
    else:
        columns |= {
            "meta": [{"at": at, "x": 1}, {"at": at, "x": 2}],
            "geo": [{"place": {"country": "MY", "city": "KL"}, "x": 1}, None],
        }
    found = items(saved(tmp_path, columns), fields)
    assert [item[:2] for item in found] == [(DAY_START, "MY"), (DAY_START, "ZZ")]


def test_rejected_rows(tmp_path: Path) -> None:
    """A row that cannot be used is rejected with its number; the rows around it count."""
    path = saved(
        tmp_path,
        {
            "post_id": ["a", "b", "c", None],
            "created_at": [DAY_START, DAY_START, 5, DAY_START],
            "user_id": pa.array([b"u1", b"\xff\xfe", b"u3", b"u4"], pa.binary()),
        },
    )
    found = items(path)
    assert found[0][3].user_id == "u1"
    assert [(item.reason, item.position) for item in found[1:]] == [
        ("bad_encoding", 2),
        ("out_of_range", 3),
        ("missing_field", 4),
    ]


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    """Text that its writer wrongly called UTF-8 spoils its own row only."""
    buffers = pa.array([b"u1", b"\xff\xfe", b"u3"], pa.binary()).buffers()
    users = pa.StringArray.from_buffers(3, buffers[1], buffers[2])
    path = saved(
        tmp_path,
        {"post_id": ["a", "b", "c"], "created_at": [DAY_START] * 3, "user_id": users},
    )
    first, second, third = items(path)
    assert first[3].user_id == "u1"
    assert (second.reason, second.position) == ("bad_encoding", 2)
    assert third[3].user_id == "u3"


def test_wrong_column_types(tmp_path: Path) -> None:
    """Columns of types that no field has are rejected row by row, as in other logs."""
    path = saved(
        tmp_path,
        {
            "post_id": pa.array([7]),
            "created_at": [DAY_START],
            "user_id": ["u"],
        },
    )
    assert [item.reason for item in items(path)] == ["wrong_type"]


def test_missing_column(tmp_path: Path) -> None:
    """A file without a required column is refused, and the message lists what it has."""
    path = saved(tmp_path, {"id": ["p"], "created_at": [DAY_START], "user_id": ["u"]})
    with pytest.raises(LogError, match=r"no column 'post_id'; it has: id, created_at"):
        open_log(path)


def test_broken_file(tmp_path: Path) -> None:
    """A file that only begins like Parquet is an error; one with broken pages ends in a reject."""
    broken = tmp_path / "broken"
    broken.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(LogError, match="not a readable Parquet file"):
        open_log(str(broken))
    path = saved(
        tmp_path,
        {
            "post_id": [f"p{row}" for row in range(3000)],
            "created_at": [DAY_START] * 3000,
            "user_id": ["u"] * 3000,
        },
    )
    data = bytearray(Path(path).read_bytes())
    half = len(data) // 2
    data[half : half + 3000] = b"\xff" * 3000
    broken.write_bytes(data)
    found = items(str(broken))
    assert isinstance(found[0], tuple)
    assert found[-1].reason == "truncated"
    assert found[-1].position == len(found)


def test_pipe_is_refused() -> None:
    """Parquet on standard input is refused with what to do."""
    with pytest.raises(LogError, match="save it first"):
        open_log("-", stdin=io.BytesIO(b"PAR1...."))


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, the message names it."""
    path = saved(tmp_path, {"post_id": ["p"], "created_at": [DAY_START], "user_id": ["u"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"surgewatch\[parquet\]"):
        open_log(path)
