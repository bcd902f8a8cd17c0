"""Login and encryption against a broker that asks for both."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.errors import BrokerError
from streams.kafka import connect
from streams.kafka.connect import client_options, connected
from streams.settings import Settings, from_table
from tests.broker import Broker, _free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "right"  # noqa: S105
LISTENER = """
ssl.keystore.type=PEM
ssl.keystore.location={folder}/both.pem
sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_surgewatch="{password}";
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: of the broker, ``cert.pem``, and of somebody else, ``other.pem``."""
    folder = tmp_path_factory.mktemp("secure")
    for name in ("cert", "other"):
        command = f"req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {name}.key"
        extra = ("-addext", "subjectAltName=DNS:localhost", "-out", f"{name}.pem")
        subprocess.run(
            ["openssl", *command.split(), *extra], cwd=folder, check=True, capture_output=True
        )
    both = (folder / "cert.key").read_text() + (folder / "cert.pem").read_text()
    (folder / "both.pem").write_text(both)
    return folder


@pytest.fixture(scope="module")
def secure(java: None, folder: Path) -> Iterator[str]:  # noqa: ARG001 - skips
    """Where a broker listens that wants TLS and a password."""
    broker = Broker(folder)
    (port,) = _free_ports(1)
    properties = folder / "broker.properties"
    text = properties.read_text()
    for key, kind in (
        ("listeners", "SECURE://127.0.0.1"),
        ("advertised.listeners", "SECURE://localhost"),
    ):
        text = text.replace(f"\n{key}=", f"\n{key}={kind}:{port},")
    text = text.replace("protocol.map=", "protocol.map=SECURE:SASL_SSL,")
    properties.write_text(text + LISTENER.format(folder=folder, password=PASSWORD))
    broker.start()
    yield f"localhost:{port}"
    broker.stop()


def login(bootstrap: str, folder: Path, password: str = PASSWORD, **changes: Any) -> Settings:
    """Settings that get in, but for what is changed."""
    kafka = {
        "bootstrap": bootstrap,
        "tls": True,
        "tls_ca_file": str(folder / "cert.pem"),
        "sasl_mechanism": "PLAIN",
        "sasl_username": "surgewatch",
    }
    kafka = {key: value for key, value in (kafka | changes).items() if value is not None}
    return from_table({"kafka": kafka}, {"SURGEWATCH_KAFKA_SASL_PASSWORD": password})


async def test_login(secure: str, folder: Path) -> None:
    """With the right password and authority the broker is reached."""
    settings = login(secure, folder)
    async with connected(AIOKafkaAdminClient(**client_options(settings)), settings) as admin:
        assert len((await admin.describe_cluster())["brokers"]) == 1


@pytest.mark.parametrize(
    ("changes", "said", "remedy"),
    [
        ({"password": "wrong"}, "Invalid username or password", "check kafka.sasl_mechanism"),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "UnsupportedSasl", "check kafka.sasl_mechanism"),
        ({"tls_ca_file": "other.pem"}, "certificate verify failed", "check kafka.tls"),
        ({"tls": False, "tls_ca_file": None}, " closed", "it may want others"),
    ],
)
async def test_no_login(
    secure: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    said: str,
    remedy: str,
) -> None:
    """What keeps a client out is told in words, with what to look at, and without the password."""
    monkeypatch.setattr(connect, "CONNECT_S", 5.0)
    if changes.get("tls_ca_file"):
        changes = {"tls_ca_file": str(folder / "other.pem")}
    settings = login(secure, folder, **changes)
    with pytest.raises(BrokerError) as caught:
        async with connected(AIOKafkaAdminClient(**client_options(settings)), settings):
            pytest.fail("let in")
    message = str(caught.value)
    assert message.startswith(f"Kafka at {secure} cannot be used: ")
    assert said in message
    assert remedy in message
    assert "wrong" not in message
