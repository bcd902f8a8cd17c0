"""How every client of ours reaches Kafka, and what is said when it does not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import aiokafka.admin  # noqa: F401 - with it every logger of aiokafka has been made
from aiokafka import AIOKafkaProducer
from aiokafka.errors import BrokerResponseError, KafkaError

from streams.errors import BrokerError, SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from streams.settings import Kafka, Settings

CONNECT_S = 30.0
"""A host that swallows what it is sent would otherwise be waited for much longer."""

STOP_S = 10.0
"""What has not reached Kafka by then is given up."""

QUIET_S = 10.0
_TEMPLATES_MAX = 1_000


class Client(Protocol):
    """A consumer, producer or admin client of aiokafka."""

    async def start(self) -> None:
        """Connect."""


C = TypeVar("C", bound=Client)


def client_options(settings: Settings) -> dict[str, Any]:
    """What consumers, producers and admin clients of aiokafka are all made with.

    Raises:
        SettingsError: a certificate or key cannot be used.
    """
    kafka = settings.kafka
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap.split(","),
        "client_id": kafka.app,
        "security_protocol": "SASL_" * bool(kafka.sasl_mechanism)
        + ("SSL" if kafka.tls else "PLAINTEXT"),
        "ssl_context": _tls_context(kafka) if kafka.tls else None,
    }
    if kafka.sasl_mechanism:
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.sasl_username,
            "sasl_plain_password": kafka.sasl_password.reveal().decode(),
        }
    return options


def _tls_context(kafka: Kafka) -> ssl.SSLContext:
    with _refusing("tls_ca_file", kafka.tls_ca_file, "holds no PEM certificates"):
        context = ssl.create_default_context(cafile=kafka.tls_ca_file or None)
    if kafka.tls_cert_file:
        # Looked at by itself, since OpenSSL does not say which of the two files it means.
        with _refusing("tls_cert_file", kafka.tls_cert_file, "holds no PEM certificates"):
            ssl.create_default_context(cafile=kafka.tls_cert_file)
        with _refusing("tls_key_file", kafka.tls_key_file, "is not the certificate's open PEM key"):
            # The empty password stands in for a question on the terminal.
            context.load_cert_chain(kafka.tls_cert_file, kafka.tls_key_file, password="")
    return context


@contextlib.contextmanager
def _refusing(key: str, file: str, reason: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError:
        raise SettingsError(f'kafka.{key} = "{file}": {reason}') from None
    except OSError as error:
        raise SettingsError(f'kafka.{key} = "{file}": cannot be read: {error.strerror}') from None


@contextlib.asynccontextmanager
async def connected(client: C, settings: Settings) -> AsyncIterator[C]:
    """Start a client, hand it out, and stop it at the end.

    Raises:
        BrokerError: Kafka cannot be reached, or an error of Kafka was not handled inside.
    """
    with broker_errors(settings):
        try:
            await start(client, settings)
            yield client
        finally:
            await stop(client)


async def start(client: Client, settings: Settings) -> None:
    """Start a client.

    Raises:
        BrokerError: Kafka cannot be reached. The client is to be stopped all the same.
    """
    quiet_aiokafka()
    heard = _Heard()
    token = _listening.set(heard)
    try:
        async with asyncio.timeout(CONNECT_S):
            await client.start()
            # A consumer that is stopped before its tasks have begun raises CancelledError.
            await asyncio.sleep(0)
    except (KafkaError, OSError) as error:
        if isinstance(error, TimeoutError):
            heard.lines.append(f"no answer within {CONNECT_S:.0f} s")
        raise _unreachable(settings, heard.lines, error) from error
    finally:
        heard.ended = True
        _listening.reset(token)


async def stop(client: Client) -> None:
    """Stop a client, be it one that could not be started; within ``STOP_S``."""
    end = getattr(client, "stop", None) or getattr(client, "close")  # noqa: B009 - an admin has it
    try:
        async with asyncio.timeout(STOP_S):
            await end()
    except TimeoutError:
        # A producer that ensures order tries for ever, and does not end before Kafka has it all.
        if isinstance(client, AIOKafkaProducer):
            await client._sender.close()  # noqa: SLF001 - there is no other way
            await client.client.close()


@contextlib.contextmanager
def broker_errors(settings: Settings) -> Iterator[None]:
    """Turn what Kafka says no to into an error that its user can read.

    Raises:
        BrokerError: in place of each ``KafkaError``.
    """
    try:
        yield
    except KafkaError as error:
        raise BrokerError(f"Kafka at {settings.kafka.bootstrap}: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """What an error says, without its name, number and full stop."""
    if error.args:
        text = str(error.args[0] if isinstance(error, KafkaError) else error)
    else:
        text = error.description if isinstance(error, BrokerResponseError) else ""
    return text.rstrip(". ") or type(error).__name__


def _unreachable(settings: Settings, lines: list[str], error: BaseException) -> BrokerError:
    kafka = settings.kafka
    said = "; ".join(dict.fromkeys(line.rstrip(". ") for line in lines)) or _said(error)
    if "sasl" in said.lower():
        remedy = "check kafka.sasl_mechanism, kafka.sasl_username and the password"
    elif "certificate" in said or "SSL" in said:
        remedy = "check kafka.tls and kafka.tls_ca_file"
    elif "closed" in said:
        remedy = "check kafka.tls and kafka.sasl_mechanism: it may want others"
    else:
        remedy = "start Kafka there, or say where it is: kafka.bootstrap or --bootstrap"
    return BrokerError(f"Kafka at {kafka.bootstrap} cannot be used: {said}; {remedy}")


# -- aiokafka's log ------------------------------------------------------------------------------


class _Heard:
    """What was logged while a client started: its exceptions do not say what failed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended = False


_listening: ContextVar[_Heard | None] = ContextVar("_listening", default=None)


class QuietFilter(logging.Filter):
    """Lets a message pass once in ``QUIET_S``, whatever its figures, and says how often it came.

    aiokafka reports each attempt of each connection: during one outage of a broker it wrote
    47,000 lines.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[tuple[str, str], float] = {}
        self._dropped: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; changes it to say how many others were not."""
        if record.levelno < logging.WARNING:
            return True
        heard = _listening.get()
        if heard is not None and not heard.ended:  # tasks made meanwhile keep the variable
            heard.lines.append(record.getMessage())
            return False
        key, now = (record.name, str(record.msg)), self._clock()
        if now - self._passed.get(key, -QUIET_S) < QUIET_S:
            self._dropped[key] = self._dropped.get(key, 0) + 1
            return False
        if len(self._passed) >= _TEMPLATES_MAX:
            self._passed.clear()
            self._dropped.clear()
        self._passed[key] = now
        dropped = self._dropped.pop(key, 0)
        if dropped:
            record.msg = f"{record.msg} ({dropped:,} more like it not shown)"
        return True


_quiet = QuietFilter()


def quiet_aiokafka() -> None:
    """Keep aiokafka from flooding the log, for the rest of the process."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "aiokafka":
            logging.getLogger(name).addFilter(_quiet)
