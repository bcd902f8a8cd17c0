from typing import Any

import orjson
import pytest

from streams.codec import FieldMap, PostDecoder
from streams.errors import RecordError, SettingsError

DAY_START = 1_736_726_400_000

NESTED = FieldMap(
    post_id="data.id",
    created_at="data.at",
    user_id="data.author.id",
    region="geo.place.country",
    hashtags="data.tags",
    lang="geo.lang",
)


def test_nested_fields() -> None:
    """Mapped fields are found inside objects, beside fields that are ignored."""
    record = {
        "data": {"id": "p", "at": DAY_START, "author": {"id": "u", "x": 1}, "tags": ["t"]},
        "geo": {"place": {"country": "MY"}, "lang": "ms"},
    }
    item = PostDecoder(NESTED).decode_one(orjson.dumps(record))
    assert isinstance(item, tuple)
    assert item[:3] == (DAY_START, "MY", "ms")
    assert (item[3].post_id, item[3].user_id, item[3].hashtags) == ("p", "u", ["t"])


@pytest.mark.parametrize(
    ("geo", "expected"),
    [
        ({}, ("ZZ", "")),
        (None, ("ZZ", "")),
        ({"place": None, "lang": "en"}, ("ZZ", "en")),
        ({"place": {"country": None}}, ("ZZ", "")),
    ],
)
def test_nested_absence(geo: Any, expected: tuple[str, str]) -> None:
    """An optional field is absent where any object around it is absent or null."""
    record = {"data": {"id": "p", "at": DAY_START, "author": {"id": "u"}}, "geo": geo}
    item = PostDecoder(NESTED).decode_one(orjson.dumps(record))
    assert isinstance(item, tuple)
    assert item[1:3] == expected


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "missing_field"),
        ({"data": None}, "missing_field"),
        ({"data": {"id": "p", "at": DAY_START, "author": None}}, "missing_field"),
        ({"data": "text"}, "wrong_type"),
        ({"data": {"id": "p", "at": 1.7e9, "author": {"id": "u"}}, "geo": "MY"}, "wrong_type"),
    ],
)
def test_nested_rejects(record: Any, reason: str) -> None:
    """What is wrong around a nested field is named as what it does to the field."""
    with pytest.raises(RecordError) as caught:
        PostDecoder(NESTED).decode_one(orjson.dumps(record))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("names", "word"),
    [
        ({"region": ""}, "fields.region"),
        ({"region": "geo..country"}, "fields.region"),
        ({"region": ".".join("a" * 9)}, "fields.region"),
        ({"region": "lang"}, "fields.lang"),
        ({"region": "geo", "lang": "geo.lang"}, "fields.lang"),
    ],
)
def test_field_map_refuses(names: dict[str, str], word: str) -> None:
    """A map that cannot be meant is refused, and the message names the setting."""
    with pytest.raises(SettingsError, match=word):
        FieldMap(**names)
