"""Where notifications go: one file per destination, behind one small protocol."""

from streams.sinks.make import make_sink, make_sinks
from streams.sinks.protocol import DeliveryError, Sink

__all__ = ["DeliveryError", "Sink", "make_sink", "make_sinks"]
