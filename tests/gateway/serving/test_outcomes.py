"""What became of entries is told to whoever waits, also after looking for it has failed as nobody foresaw."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from adapters.hl7v2.mllp import KEPT
from gateway.serving.outcomes import Outcomes
from pipelines.acknowledging import LATE
from pipelines.logs import Log
from tests.pipelines.test_identity import Bench, adt


def test_after_an_error_that_nobody_foresaw_the_next_is_answered(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "mark")
    bench.take(adt("A1"))
    said = io.StringIO()

    async def run() -> None:
        outcomes = Outcomes(bench.folder, Log(said))
        try:
            assert await outcomes.outcome(-(2**70), 0.2) == LATE  # no number that SQLite takes
            assert await outcomes.outcome(1, 10.0) == KEPT
        finally:
            await outcomes.close()

    asyncio.run(run())
    assert "OverflowError" in said.getvalue()
