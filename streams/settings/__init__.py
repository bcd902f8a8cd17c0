"""Everything that can be configured: one frozen object, read once, by ``load``.

The order is: defaults, the TOML file over them, environment variables over that. Every setting,
with its unit, range and meaning, is in ``docs/configuration.md``.
"""

from streams.settings.capacity import Capacity
from streams.settings.kafka import Kafka
from streams.settings.loading import from_table, load, load_for_kafka
from streams.settings.model import Settings, shapes_alerts
from streams.settings.notify import Notify, Route, require_routes
from streams.settings.observe import Console, Log, Metrics, split_address
from streams.settings.rendering import differences, render_toml
from streams.settings.secret import DEVELOPMENT_KEY, Secret
from streams.settings.sections import (
    FALSE_INCIDENTS_MAX,
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
    "FALSE_INCIDENTS_MAX",
    "Alerts",
    "Capacity",
    "Console",
    "Detection",
    "Fields",
    "Input",
    "Kafka",
    "Limits",
    "Log",
    "Metrics",
    "Notify",
    "Origin",
    "Route",
    "Secret",
    "Settings",
    "Time",
    "Users",
    "differences",
    "from_table",
    "load",
    "load_for_kafka",
    "render_toml",
    "require_routes",
    "shapes_alerts",
    "split_address",
]
