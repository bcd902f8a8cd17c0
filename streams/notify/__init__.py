"""Who is told of what, when: pure, like the stages; time and records come as arguments."""

from streams.notify.book import Book, encode_told, told_key
from streams.notify.records import Event, Notification, Outcome, Reason, Told
from streams.notify.replayed import replayed

__all__ = [
    "Book",
    "Event",
    "Notification",
    "Outcome",
    "Reason",
    "Told",
    "encode_told",
    "replayed",
    "told_key",
]
