"""The clock jumps: answers go on, nothing is lost, times that are measured are not those of the clock."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path

import pytest

from gateway.serving import intake as module
from pipelines.configuration import load
from pipelines.datafolder import init_folder
from tests.gateway.test_sequences import intake, said

DAY = 86_400 * 10**9


def test_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A month ahead and back: every message is answered and kept; a repetition is known within the window, and kept
    twice beyond it (the writer settles it once)."""
    folder = init_folder(tmp_path / "data")
    settings = load(None, {"TABELLION__STORAGE__MIN_FREE_BYTES": "0"})
    ahead = 0
    real = time.time_ns
    monkeypatch.setattr(f"{module.__name__}.time.time_ns", lambda: real() + ahead)

    async def run() -> None:
        nonlocal ahead
        async with intake(folder, settings) as sender:
            for days, control in ((0, "a"), (30, "a"), (30, "b"), (-2, "b"), (-2, "c"), (0, "c"), (0, "a")):
                ahead = days * DAY
                assert await said(sender, "", control) == ("AA", "")

    asyncio.run(run())
    with closing(folder.journal_reader()) as journal:
        kept = [entry.control_id for entry in journal.read(0, 100)]
    assert sorted(kept) == [b"a", b"a", b"b", b"c"]
