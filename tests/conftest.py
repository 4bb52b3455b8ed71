"""Fixtures for the whole suite: where the shared test data lies, and where our own samples lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.broker import Broker, available

# no deadline: the machine may be busy; in CI the same examples each time, so that a failure is the change's own
settings.register_profile("tabellion", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("tabellion")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that two processes end together."""
    items.sort(key=lambda item: "tests/system/" not in item.nodeid)  # stable: else as collected


def shared_data_folder() -> Path | None:
    """The folder of shared test data: TABELLION_TEST_DATA, else ../shared/data beside the project; None if absent."""
    named = os.environ.get("TABELLION_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared test data; the one skip that CI allows, and the summary names it."""
    folder = shared_data_folder()
    if folder is None:
        pytest.skip("shared test data absent: set TABELLION_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """Our own synthetic samples."""
    return ROOT / "sample_data"


@pytest.fixture
def aloud(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows a line at once: the progress of a long run."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    return say


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap address of a real broker, one per run."""
    missing = available()
    if missing:
        pytest.skip(missing)
    broker = Broker()
    yield broker.servers
    broker.close()
