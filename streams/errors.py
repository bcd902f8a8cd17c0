"""Every error that surgewatch raises on purpose, and the reasons for which a record is rejected."""

from __future__ import annotations

REJECT_REASONS = {
    "empty": "the line holds nothing",
    "not_json": "the line is not JSON",
    "not_object": "the JSON value is not an object",
    "bad_encoding": "the text is not valid UTF-8 or holds a lone surrogate",
    "too_large": "the record is longer than limits.record_bytes",
    "too_deep": "the JSON is nested more than 100 deep",
    "missing_field": "a required field is absent or null",
    "wrong_type": "a field has the wrong type",
    "bad_value": "a field is empty or too long",
    "bad_timestamp": "a time is neither RFC 3339 nor epoch seconds or milliseconds",
    "out_of_range": "the event time is before time.earliest or after the year 2099",
    "future": "the event time is ahead of the log, and no five users confirm it",
    "too_many_hashtags": "the post carries over 1,000 hashtags",
    "truncated": "the compressed log ends in the middle of a block",
}
"""Reason to explanation: the short closed list that counts and reject files use."""


class SurgewatchError(Exception):
    """Anything surgewatch reports to its user; ``exit_code`` is the command's."""

    exit_code = 1


class UsageError(SurgewatchError):
    """The command was used wrongly."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting has a wrong name or value; the message names key, value and what is allowed."""


class LogError(SurgewatchError):
    """A recorded log cannot be read."""


class BrokerError(SurgewatchError):
    """Kafka cannot be reached, or refuses what is asked of it."""


class StateError(SurgewatchError):
    """What a pipeline has kept cannot be used: damaged, of another version or configuration."""


class RecordError(SurgewatchError):
    """One record cannot be used; ``reason`` is one of ``REJECT_REASONS``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
