"""The sections of the settings, and for each field all that is known about it.

Every field is annotated with a ``Setting``: its key in the file, its kind (type, unit and allowed
range), what it means, and whether it shapes alerts. Loading, rendering, the fingerprint and the
table in ``docs/configuration.md`` are all made from these annotations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from streams.codec.regions import REGIONS
from streams.settings.kinds import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Kind,
    codes,
    duration,
    free_table,
    instant,
    integer,
    path,
    positive,
    text,
)
from streams.settings.secret import DEVELOPMENT_KEY, SECRET_KEY, Secret

_FIELD = text(r"[^.]+(\.[^.]+)*", "a name; dots lead into nested objects", "field name")

# RFC 3986, URI-reference: a first segment with a colon would be a scheme.
_URI_CHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})"
_URI_REFERENCE = (
    r"(?:[A-Za-z][A-Za-z0-9+.\-]*:|(?![^/?#]*:))"
    rf"(?://\[[0-9A-Fa-f:.]+\])?{_URI_CHAR}*(?:\?(?:{_URI_CHAR}|\?)*)?(?:#(?:{_URI_CHAR}|\?)*)?"
)


def primary_subtag(code: str) -> str:
    """The part of a language tag that languages are compared by.

    >>> primary_subtag("pt_BR")
    'pt'
    """
    return code.replace("_", "-").split("-")[0].lower()


FALSE_INCIDENTS_MAX = 10_000.0
"""The largest budget, a week."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known about one field: its key, kind and meaning.

    ``shapes`` is true for what can alter which alerts are made, when, or their figures.
    """

    key: str
    kind: Kind
    doc: str
    shapes: bool = True


@dataclass(frozen=True, slots=True)
class Origin:
    """Who is foreign, and who is new."""

    home_regions: Annotated[
        tuple[str, ...],
        Setting(
            "home_regions",
            codes("|".join(sorted(REGIONS)), "ISO 3166 alpha-2 in upper case, not ZZ", str.upper),
            "Regions whose posts are not foreign; `[]` makes every region foreign.",
        ),
    ] = ("CN",)
    home_languages: Annotated[
        tuple[str, ...],
        Setting(
            "home_languages",
            codes(
                "[a-z]{2,3}",
                "primary language subtags in lower case",
                primary_subtag,
            ),
            "Languages whose posts are not foreign, wherever they come from; may be `[]`.",
        ),
    ] = ("zh",)
    newcomer_age_ms: Annotated[
        int,
        Setting(
            "newcomer_age",
            duration(HOUR_MS, 365 * DAY_MS),
            "A foreign user whose account is at most this old is a newcomer.",
        ),
    ] = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class Fields:
    """What the source calls the fields of a post; a dot leads into a nested object."""

    post_id: Annotated[
        str, Setting("post_id", _FIELD, "Where a post has its id, which drops repeats.")
    ] = "post_id"
    created_at: Annotated[
        str, Setting("created_at", _FIELD, "Where a post has its event time.")
    ] = "created_at"
    user_id: Annotated[str, Setting("user_id", _FIELD, "Where a post has its author's id.")] = (
        "user_id"
    )
    region: Annotated[str, Setting("region", _FIELD, "Where a post has its region.")] = "region"
    hashtags: Annotated[
        str, Setting("hashtags", _FIELD, "Where a post has its list of hashtags.")
    ] = "hashtags"
    lang: Annotated[str, Setting("lang", _FIELD, "Where a post has its language, if it does.")] = (
        "lang"
    )
    account_created_at: Annotated[
        str,
        Setting(
            "account_created_at", _FIELD, "Where a post says when its author's account was made."
        ),
    ] = "account_created_at"


@dataclass(frozen=True, slots=True)
class Input:
    """How a post is read."""

    fields: Fields = field(default_factory=Fields)


_PUBLISHED = Secret(DEVELOPMENT_KEY)


@dataclass(frozen=True, slots=True)
class Users:
    """How users are made pseudonymous."""

    key: Annotated[
        Secret,
        Setting(
            "key",
            SECRET_KEY,
            "Secret of the user hash, from the environment or `users.key_file`, never from the "
            "configuration file; decides which users are sampled beyond `limits.rows_per_series`.",
        ),
    ] = _PUBLISHED
    key_file: Annotated[
        str,
        Setting(
            "key_file",
            path('path of a file that holds 16 to 64 bytes, or ""'),
            "File that holds `users.key`, a line break at its end aside; relative to the "
            "configuration file, and not read when the environment gives the key.",
            shapes=False,
        ),
    ] = ""

    @property
    def uses_development_key(self) -> bool:
        """Whether users are hashed with the published key, which protects nobody."""
        return self.key.is_development_key


@dataclass(frozen=True, slots=True)
class Time:
    """How event time is cut and how its clock moves."""

    bucket_ms: Annotated[
        int,
        Setting(
            "bucket",
            duration(SECOND_MS, HOUR_MS, "dividing an hour", HOUR_MS),
            "Length of a slice of event time.",
        ),
    ] = MINUTE_MS
    allowed_lateness_ms: Annotated[
        int,
        Setting(
            "allowed_lateness",
            duration(0, 24 * HOUR_MS),
            "How far out of order a post may come and still be counted.",
        ),
    ] = 2 * MINUTE_MS
    max_jump_ms: Annotated[
        int,
        Setting(
            "max_jump",
            duration(
                1, 24 * HOUR_MS, "at most the larger of `time.allowed_lateness` and `time.bucket`"
            ),
            "How far one post may move the clock; a larger step needs five users.",
        ),
    ] = 2 * MINUTE_MS
    earliest_ms: Annotated[
        int,
        Setting(
            "earliest",
            instant(0, 4_102_444_799_000),
            "Posts from before this are rejected as `out_of_range`.",
        ),
    ] = 1_104_537_600_000


@dataclass(frozen=True, slots=True)
class Detection:
    """What decides that a series surges."""

    detector: Annotated[
        str,
        Setting(
            "detector",
            text(
                r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*",
                'a name, as in "scan" or "river.anomaly.HalfSpaceTrees"',
            ),
            "Detector by name.",
        ),
    ] = "scan"
    parameters_json: Annotated[
        str,
        Setting(
            "parameters",
            free_table("what the detector takes; no times, only finite 64-bit numbers"),
            "Parameters of the detector, passed on as given.",
        ),
    ] = "{}"
    fresh_for_ms: Annotated[
        int,
        Setting(
            "fresh_for",
            duration(SECOND_MS, 48 * HOUR_MS, "a whole number of buckets"),
            "How long a user counted in a series is not counted in it again.",
        ),
    ] = 6 * HOUR_MS
    warmup_ms: Annotated[
        int,
        Setting(
            "warmup",
            duration(0, 28 * DAY_MS),
            "No alerts before so much event time since the log's first bucket.",
        ),
    ] = DAY_MS

    @property
    def parameters(self) -> dict[str, Any]:
        """The detector's parameters, a new table at each call."""
        table: dict[str, Any] = json.loads(self.parameters_json)
        return table


@dataclass(frozen=True, slots=True)
class Alerts:
    """When an alert is worth sending, and how it is signed."""

    false_incidents_per_week: Annotated[
        float,
        Setting(
            "false_incidents_per_week",
            positive(FALSE_INCIDENTS_MAX, "incidents a week"),
            "How many false incidents a week are acceptable: the detector's one knob.",
        ),
    ] = 1.0
    min_users: Annotated[
        int,
        Setting(
            "min_users",
            integer(2, 1_000_000, "fresh users"),
            "Fewer fresh users than this are never a surge.",
        ),
    ] = 5
    close_after_ms: Annotated[
        int,
        Setting(
            "close_after",
            duration(SECOND_MS, 28 * DAY_MS, "at least `time.bucket`"),
            "An episode ends after so much event time without a surge.",
        ),
    ] = HOUR_MS
    source: Annotated[
        str,
        Setting(
            "source",
            text(f"(?=.){_URI_REFERENCE}", "a URI-reference, not empty"),
            "CloudEvents `source` of every alert; the same live and in replay.",
            shapes=False,
        ),
    ] = "surgewatch"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of everything is kept; what a limit drops is counted and reported."""

    hashtags_per_post: Annotated[
        int,
        Setting(
            "hashtags_per_post",
            integer(1, 1_000, "hashtags"),
            "Further hashtags of a post are dropped.",
        ),
    ] = 30
    hashtag_length: Annotated[
        int,
        Setting(
            "hashtag_length",
            integer(1, 1_000, "characters"),
            "A hashtag is cut to this length before anything else is done with it.",
        ),
    ] = 100
    record_bytes: Annotated[
        int,
        Setting(
            "record_bytes",
            integer(1_024, 64 << 20, "bytes"),
            "A longer record is rejected as `too_large`.",
        ),
    ] = 1 << 20
    held_posts: Annotated[
        int,
        Setting(
            "held_posts",
            integer(5, 1_000_000, "posts"),
            "Posts ahead of the clock, kept per partition until five users confirm the time.",
        ),
    ] = 10_000
    rows_per_series: Annotated[
        int,
        Setting(
            "rows_per_series",
            integer(16, 1 << 24, "users or posts"),
            "Rows kept exactly per series and bucket; beyond it they are sampled.",
        ),
    ] = 32_768
    series_per_bucket: Annotated[
        int,
        Setting(
            "series_per_bucket",
            integer(10, 10_000_000, "series"),
            "Series counted per source partition and bucket; the heaviest are kept.",
        ),
    ] = 20_000
    live_series: Annotated[
        int,
        Setting(
            "live_series",
            integer(10, 10_000_000, "series"),
            "Series that the detector remembers at a time.",
        ),
    ] = 100_000
    watched_series: Annotated[
        int,
        Setting(
            "watched_series",
            integer(1, 100_000, "series"),
            "Series that a detector with one object a series (River's) watches.",
        ),
    ] = 500
    fresh_users: Annotated[
        int,
        Setting(
            "fresh_users",
            integer(1_000, 1_000_000_000, "users × series"),
            "Entries of the memory of who has been counted; beyond it freshness is sampled.",
        ),
    ] = 2_000_000
    history_rows: Annotated[
        int,
        Setting(
            "history_rows",
            integer(1_000, 1_000_000_000, "rows"),
            "Rows of past buckets kept for what preceded an alarm; a series counts as eight, "
            "and more with a long name.",
        ),
    ] = 2_000_000
