"""What a destination must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.notify import Notification


class DeliveryError(Exception):
    """A destination did not take a notification.

    Attributes:
        reason: what it said, for a person; holds no secret.
        retry: is it worth trying again? False for a refusal that will not change.
        retry_after_s: seconds to wait that the destination asked for, None if it asked for none.
    """

    def __init__(self, reason: str, *, retry: bool, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry
        self.retry_after_s = retry_after_s


class Sink(Protocol):
    """One destination.

    Attributes:
        batch_max: notifications that go in one delivery.
        resend_s: how often it must be told again what fires, and for five minutes what has ended,
            because it forgets; None where it forgets nothing.
    """

    @property
    def batch_max(self) -> int:
        """See above."""

    @property
    def resend_s(self) -> float | None:
        """See above."""

    async def deliver(self, batch: Sequence[Notification]) -> None:
        """Deliver all of them; when it returns, the destination has them.

        Delivering again what was delivered before does no harm: the destination knows its key.

        Raises:
            DeliveryError: it has none of them, or nobody knows which.
        """

    async def close(self) -> None:
        """Let go of connections."""
