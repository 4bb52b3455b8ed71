"""Implementations of the ports, by name: a second one is added here and must pass every test of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.blobs import FileBlobs
from pipelines.datafolder import DataFolder, init_folder, open_folder
from pipelines.journal import JournalSettings, SqliteJournal
from pipelines.ports import Blobs, Journal, State, Topics
from pipelines.state import SqliteState


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A fresh data folder."""
    return init_folder(tmp_path / "data")


@pytest.fixture(params=["sqlite"])
def open_journal(request: pytest.FixtureRequest, folder: DataFolder) -> Iterator[Callable[[], Journal]]:
    """Opens the same journal again and again; the window is an hour."""
    made: list[SqliteJournal] = []

    def opened() -> Journal:
        for journal in made:
            journal.close()
        made.append(folder.journal(JournalSettings(dedupe_window=3_600_000_000)))
        return made[-1]

    yield opened
    for journal in made:
        journal.close()


@pytest.fixture(params=["files"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """An empty store of blobs."""
    return FileBlobs(tmp_path / "blobs")


@pytest.fixture(params=["sqlite"])
def open_state(request: pytest.FixtureRequest, folder: DataFolder) -> Iterator[Callable[[], State]]:
    """Opens the same state again and again."""
    made: list[SqliteState] = []

    def opened() -> State:
        for state in made:
            state.close()
        made.append(open_folder(folder.path).state())
        return made[-1]

    yield opened
    for state in made:
        state.close()


@pytest.fixture(params=["embedded"])
def topics(request: pytest.FixtureRequest, folder: DataFolder) -> Iterator[Topics]:
    """The topics of the state that `open_state` opens."""
    found = folder.topics()
    yield found
    found.close()
