"""The settings as one frozen object, the list of all of them, and what must hold between them."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from itertools import combinations
from typing import TYPE_CHECKING, Any, get_type_hints

from streams.settings.capacity import Capacity
from streams.settings.kafka import Kafka, kafka_conflicts
from streams.settings.kinds import format_duration
from streams.settings.notify import Notify
from streams.settings.observe import Console, Log, Metrics
from streams.settings.sections import (
    Alerts,
    Detection,
    Fields,
    Input,
    Limits,
    Origin,
    Setting,
    Time,
    Users,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; ``Settings()`` is the default configuration, which suits January 2025."""

    origin: Origin = field(default_factory=Origin)
    input: Input = field(default_factory=Input)
    users: Users = field(default_factory=Users)
    time: Time = field(default_factory=Time)
    detection: Detection = field(default_factory=Detection)
    alerts: Alerts = field(default_factory=Alerts)
    capacity: Capacity = field(default_factory=Capacity)
    limits: Limits = field(default_factory=Limits)
    kafka: Kafka = field(default_factory=Kafka)
    notify: Notify = field(default_factory=Notify)
    console: Console = field(default_factory=Console)
    metrics: Metrics = field(default_factory=Metrics)
    log: Log = field(default_factory=Log)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits of what shapes alerts; of the users' key only a short digest."""
        shaping = {entry.name: entry.value(self) for entry in ENTRIES if entry.setting.shapes}
        return self._digest(shaping)

    @property
    def shape(self) -> str:
        """Sixteen hex digits of what shapes the state that a pipeline keeps."""
        return self._digest(self._shaping_state())

    def shape_changes(self, other: Settings) -> list[str]:
        """Names of the settings that shape state and differ."""
        mine, theirs = self._shaping_state(), other._shaping_state()
        return [name for name, value in mine.items() if value != theirs[name]]

    def _shaping_state(self) -> dict[str, Any]:
        return {entry.name: entry.value(self) for entry in ENTRIES if entry.name in SHAPING_STATE}

    def _digest(self, values: dict[str, Any]) -> str:
        canonical = json.dumps(
            values | {"users.key": self.users.key.digest}, sort_keys=True, separators=(",", ":")
        )
        return blake2b(canonical.encode(), digest_size=8, person=b"surgewatch").hexdigest()


SHAPING_STATE = (
    "origin.home_regions",
    "origin.home_languages",
    "origin.newcomer_age",
    "time.bucket",
    "detection.detector",
    "detection.parameters",
    "detection.fresh_for",
    "limits.hashtag_length",
)
"""Besides the users' key: what was learned under one value of these means nothing under another."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting where it stands: its section, the attribute that holds it, and what it is."""

    section: tuple[str, ...]
    attribute: str
    default: Any
    setting: Setting

    @property
    def path(self) -> tuple[str, ...]:
        """Section and key, as in the file."""
        return (*self.section, self.setting.key)

    @property
    def name(self) -> str:
        """Section and key with dots between, as in messages."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return "_".join(("SURGEWATCH", *self.path)).upper()

    def value(self, settings: Settings) -> Any:
        """Return the setting's value, in the unit of its attribute."""
        return operator.attrgetter(".".join((*self.section, self.attribute)))(settings)


_SECTIONS: dict[tuple[str, ...], type[Any]] = {
    ("origin",): Origin,
    ("input", "fields"): Fields,
    ("users",): Users,
    ("time",): Time,
    ("detection",): Detection,
    ("alerts",): Alerts,
    ("capacity",): Capacity,
    ("limits",): Limits,
    ("kafka",): Kafka,
    ("notify",): Notify,
    ("console",): Console,
    ("metrics",): Metrics,
    ("log",): Log,
}


def _entries() -> Iterator[Entry]:
    for section, cls in _SECTIONS.items():
        hints = get_type_hints(cls, include_extras=True)
        for item in fields(cls):
            (setting,) = hints[item.name].__metadata__
            yield Entry(section, item.name, item.default, setting)


ENTRIES: tuple[Entry, ...] = tuple(_entries())
"""Every setting, in the order of the file."""


def shapes_alerts(name: str) -> bool:
    """Whether a setting can alter which alerts are made, when, or their figures; no secret does."""
    chosen = (entry.setting for entry in ENTRIES if entry.name == name)
    return any(setting.shapes and not setting.kind.hidden for setting in chosen)


def build(values: Mapping[tuple[str, ...], Any]) -> Settings:
    """Make the settings from checked values by path; what is not given has its default."""
    parts: dict[tuple[str, ...], Any] = {
        section: cls(
            **{
                entry.attribute: values[entry.path]
                for entry in ENTRIES
                if entry.section == section and entry.path in values
            }
        )
        for section, cls in _SECTIONS.items()
    }
    nested = {section[0]: part for section, part in parts.items() if len(section) == 1}
    return Settings(input=Input(parts["input", "fields"]), **nested)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Settings that are each allowed, but not together; ``names[0]`` is the one to change."""

    names: tuple[str, ...]
    reason: str


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """Yield the settings that are not allowed together."""
    time = settings.time
    bucket = format_duration(time.bucket_ms)
    jump_max_ms = max(time.allowed_lateness_ms, time.bucket_ms)
    if time.max_jump_ms > jump_max_ms:
        yield Conflict(
            ("time.max_jump", "time.allowed_lateness", "time.bucket"),
            "more than the larger of time.allowed_lateness "
            f"({format_duration(time.allowed_lateness_ms)}) and time.bucket ({bucket}), so one "
            f'post could make others late; set it to "{format_duration(jump_max_ms)}" or less, '
            "or raise time.allowed_lateness",
        )
    fresh_for_ms = settings.detection.fresh_for_ms
    if fresh_for_ms % time.bucket_ms:
        yield Conflict(
            ("detection.fresh_for", "time.bucket"),
            f"not a whole number of buckets (time.bucket is {bucket})",
        )
    if settings.alerts.close_after_ms < time.bucket_ms:
        yield Conflict(("alerts.close_after", "time.bucket"), f"less than time.bucket ({bucket})")
    mapped = [
        (entry.name, entry.value(settings)) for entry in ENTRIES if entry.section[0] == "input"
    ]
    for (first, source), (second, other) in combinations(mapped, 2):
        if f"{other}.".startswith(f"{source}.") or f"{source}.".startswith(f"{other}."):
            yield Conflict((second, first), f"the same field as, or within, that of {first}")
    for names, reason in kafka_conflicts(settings.kafka):
        yield Conflict(names, reason)
