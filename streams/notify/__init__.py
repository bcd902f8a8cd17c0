"""Who is told of what, when: pure, like the stages; time and records come as arguments."""

from streams.notify.records import Event, Notification, Outcome, Reason, Told

__all__ = ["Event", "Notification", "Outcome", "Reason", "Told"]
