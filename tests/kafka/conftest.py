"""One broker for all tests of this directory: their own, or one that they are given."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import pytest

from streams.settings import Settings, load
from tests.broker import Broker, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def java() -> None:
    """Skip where no broker can be run."""
    if reason := unavailable():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def broker(
    given_bootstrap: str | None,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Broker]:
    """The tests' own broker, which they may stop, kill and pause; it is up when a test starts."""
    if given_bootstrap is not None:
        pytest.skip("stops the broker, and that of SURGEWATCH_TEST_BOOTSTRAP is not ours to stop")
    request.getfixturevalue("java")
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def bootstrap(given_bootstrap: str | None, request: pytest.FixtureRequest) -> str:
    """Where the broker is: that of SURGEWATCH_TEST_BOOTSTRAP, or the tests' own."""
    if given_bootstrap is not None:
        return given_bootstrap
    broker: Broker = request.getfixturevalue("broker")
    return broker.bootstrap


@pytest.fixture(autouse=True)
def _up(given_bootstrap: str | None, request: pytest.FixtureRequest) -> None:
    """A test that failed with the broker down or paused does not make the next ones fail too."""
    if given_bootstrap is None and {"broker", "bootstrap"} & set(request.fixturenames):
        request.getfixturevalue("broker").start()


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """What names of a test's topics and groups start with: no other test's, nor another run's.

    Dots instead of underscores: Kafka warns of names that differ in nothing else.
    """
    name = re.sub(r"[^a-zA-Z0-9]+", ".", request.node.name).strip(".")
    return f"{name[:80]}.{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def prefix_of_module(request: pytest.FixtureRequest) -> str:
    """The same for what the tests of a module share."""
    name = re.sub(r"[^a-zA-Z0-9]+", ".", request.module.__name__.rpartition(".")[2]).strip(".")
    return f"{name}.{secrets.token_hex(4)}"


@pytest.fixture
def config(tmp_path: Path, bootstrap: str, prefix: str) -> Path:
    """A configuration file for the broker, with topics and groups of the test's own."""
    file = tmp_path / "surgewatch.toml"
    file.write_text(
        f'[metrics]\nlisten = ""\n'
        f'[kafka]\nbootstrap = "{bootstrap}"\nprefix = "{prefix}"\napp = "{prefix}"\n'
    )
    return file


@pytest.fixture
def settings(config: Path) -> Settings:
    """The settings of that file."""
    return load(config, {})
