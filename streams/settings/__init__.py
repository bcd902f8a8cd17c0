"""Everything that can be configured: one frozen object, read once, by ``load``.

The order is: defaults, the TOML file over them, environment variables over that. Every setting,
with its unit, range and meaning, is in ``docs/configuration.md``.
"""

from streams.settings.kafka import Kafka
from streams.settings.loading import from_table, load
from streams.settings.model import Settings
from streams.settings.rendering import render_toml
from streams.settings.secret import DEVELOPMENT_KEY, Secret
from streams.settings.sections import (
    Alerts,
    Detection,
    Fields,
    Input,
    Limits,
    Origin,
    Time,
    Users,
)

__all__ = [
    "DEVELOPMENT_KEY",
    "Alerts",
    "Detection",
    "Fields",
    "Input",
    "Kafka",
    "Limits",
    "Origin",
    "Secret",
    "Settings",
    "Time",
    "Users",
    "from_table",
    "load",
    "render_toml",
]
