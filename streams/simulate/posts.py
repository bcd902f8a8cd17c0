"""Simulated posts as rows of one NumPy array, and their JSON lines."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.simulate.regions import LANGUAGE_TAGS, NO_REGION, REGIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streams.simulate.vocabulary import Vocabulary

    Posts = NDArray[np.void]

TAGS_MAX = 5
"""Hashtags of a post that is a row; longer ones are written as lines by hand."""

POST = np.dtype(
    [
        ("time", "i8"),  # event time, ms
        ("arrival", "i8"),  # when the log received it, ms
        ("serial", "i8"),  # number in the post's id
        ("user", "i8"),  # number in the user's id
        ("region", "i2"),  # place in REGIONS
        ("lang", "i2"),  # place in LANGUAGE_TAGS
        ("account", "i8"),  # when the account was made, s; -1 where the post does not say
        ("tags", "i4", (TAGS_MAX,)),  # numbers of the Vocabulary, -1 for none
    ]
)

_DAY = 86_400
_FIRST_DAY = 16_000  # 2013-10-22: no simulated account is older


def blank(count: int) -> Posts:
    """``count`` rows with no hashtag, no language and no account age; arrival is not set yet."""
    posts = np.zeros(count, POST)
    posts["account"] = -1
    posts["tags"] = -1
    return posts


def by_time(parts: Sequence[Posts]) -> Posts:
    """All rows of ``parts`` in order of event time; ties keep the order of ``parts``."""
    posts = np.concatenate(parts) if parts else blank(0)
    return posts[np.argsort(posts["time"], kind="stable")]


@lru_cache(maxsize=1)
def _seconds() -> Any:
    # Looking texts up is several times faster than formatting each time.
    texts = [f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(_DAY)]
    return np.array(texts, object)


@lru_cache(maxsize=1)
def _days() -> Any:
    return np.datetime_as_string(np.arange(_FIRST_DAY, 40_000).astype("M8[D]")).astype(object)


@lru_cache(maxsize=1)
def _millis() -> Any:
    return np.array([f".{ms:03d}Z" for ms in range(1000)], object)


def stamp(time_ms: int) -> str:
    """RFC 3339 text of a time in ms, with milliseconds only where there are any."""
    text = str(np.datetime64(time_ms, "ms"))
    return (text.removesuffix(".000")) + "Z"


def user_name(user: int) -> str:
    """The id of a simulated user, obviously not a real one."""
    return f"u{user:06d}"


def lines(posts: Posts, vocabulary: Vocabulary) -> list[str]:
    """One JSON object a row, without line ends."""
    regions = np.array([f'"{r.code}"' if r.code != NO_REGION else "null" for r in REGIONS], object)
    langs = np.array([f'"{tag}"' if tag else "null" for tag in LANGUAGE_TAGS], object)
    second, milli = np.divmod(posts["time"], 1000)
    day, second = np.divmod(second, _DAY)
    known = posts["account"] >= 0
    account_day, account_second = np.divmod(
        np.where(known, posts["account"], _FIRST_DAY * _DAY), _DAY
    )
    account = '"' + _days()[account_day - _FIRST_DAY] + _seconds()[account_second] + 'Z"'
    account[~known] = "null"
    columns = (
        posts["serial"].tolist(),
        _days()[day - _FIRST_DAY].tolist(),
        _seconds()[second].tolist(),
        _millis()[milli].tolist(),
        posts["user"].tolist(),
        regions[posts["region"]].tolist(),
        *(vocabulary.texts(posts["tags"][:, slot], slot).tolist() for slot in range(TAGS_MAX)),
        langs[posts["lang"]].tolist(),
        account.tolist(),
    )
    return [
        f'{{"post_id":"p{n:08d}","created_at":"{d}{s}{ms}","user_id":"u{u:06d}","region":{r},'
        f'"hashtags":[{t0}{t1}{t2}{t3}{t4}],"lang":{lang},"account_created_at":{a}}}'
        for n, d, s, ms, u, r, t0, t1, t2, t3, t4, lang, a in zip(*columns, strict=True)
    ]
