"""What a process tells of itself: metrics, health, and its log."""

from streams.observe.health import Health
from streams.observe.logs import set_up_logs
from streams.observe.server import Monitor

__all__ = ["Health", "Monitor", "set_up_logs"]
