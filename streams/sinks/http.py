"""One POST: time limits, what an answer means, and nothing secret in what is said of it."""

from __future__ import annotations

import email.utils
import io
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

import aiohttp

from streams.console.text import visible
from streams.sinks.protocol import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TIMEOUT_S = 10.0
ANSWER_BYTES = 2_048
"""So much of an answer is read, for the words of a refusal."""
ANSWER_CHARS = 200
SECRET_CHARS_MIN = 8
RETRY_AFTER_MAX_S = 3_600.0
_REFUSED = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422})
"""What is sent will not do, however often. The rest of 4xx is mended by whoever runs it: a key, a
path, a limit."""


class Poster:
    """Posts to one destination.

    Args:
        name: what it is called in errors; the URL may hold a secret.
        secret: that answers may repeat, "" for none.
        timeout_s: for the whole of a request.
    """

    def __init__(self, name: str, secret: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self._name = name
        self._secret = secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Post a body; returns when the answer is a success.

        Raises:
            DeliveryError: no answer, or another one.
        """
        if self._session is None:
            # Whatever a proxy of the environment is for, it is used.
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=True)
        try:
            async with self._session.post(
                url, data=io.BytesIO(body), headers=headers, allow_redirects=False
            ) as answer:
                if answer.status < HTTPStatus.MULTIPLE_CHOICES:
                    return
                said = await answer.content.read(ANSWER_BYTES)
                # Many servers say to which path and with which key they were not to be reached.
                raise _refusal(self._name, answer, said, (self._secret, *_private(url)))
        except TimeoutError:
            raise DeliveryError(f"{self._name}: no answer in time", retry=True) from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            reason = visible(_plain(error), ANSWER_CHARS)
            raise DeliveryError(f"{self._name}: {reason}", retry=True) from None

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _plain(error: BaseException) -> str:
    """What went wrong, without the URL, which some errors hold."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.os_error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):  # the latter of a host such as a..b
        return "the URL cannot be used"
    return type(error).__name__ if isinstance(error, aiohttp.ClientError) else str(error)


def _private(url: str) -> list[str]:
    """What of a URL may be a secret: path and query, whole and in parts, also as servers say it."""
    _, _, rest = url.partition("://")[2].partition("/")
    said = {rest, unquote(rest)}
    parts = {part for text in said for part in re.split(r"[/?&=]", text)}
    said |= {part for part in parts if len(part) >= SECRET_CHARS_MIN}
    return sorted((text for text in said if len(text) > 1), key=len, reverse=True)


def _refusal(
    name: str, answer: aiohttp.ClientResponse, said: bytes, secrets: Iterable[str]
) -> DeliveryError:
    told = said.decode("utf-8", "replace")
    for secret in filter(None, secrets):
        told = told.replace(secret, "…")
    words = visible(" ".join(told.split()), ANSWER_CHARS)
    reason = f"{name}: answered {answer.status}{f': {words}' if words else ''}"
    return DeliveryError(
        reason,
        retry=answer.status not in _REFUSED,
        retry_after_s=retry_after(answer.headers.get("Retry-After"), datetime.now(UTC)),
    )


def retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait that a Retry-After header asks for (RFC 9110, 10.2.3), at most an hour.

    >>> retry_after("120", datetime(2025, 1, 13, tzinfo=UTC))
    120.0
    >>> retry_after("Mon, 13 Jan 2025 00:00:30 GMT", datetime(2025, 1, 13, tzinfo=UTC))
    30.0
    >>> retry_after("soon", datetime(2025, 1, 13, tzinfo=UTC)) is None
    True
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_MAX_S)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        return None
    return min(max((at - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)
