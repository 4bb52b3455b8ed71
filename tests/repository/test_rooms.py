"""The six rooms are ours: PyPI holds other distributions with the same import names, and pip overwrites silently."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import files
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("gateway", "pipelines", "mappings", "adapters", "terminology", "ledger")


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_ours(room: str) -> None:
    """From the source tree a room lies under it; from a wheel it is one of the distribution's own files."""
    where = Path(str(import_module(room).__file__)).resolve()
    if os.environ.get("TABELLION_WHEEL_TEST"):
        own = {Path(str(file.locate())).resolve() for file in files("tabellion") or ()}
        assert where in own
    else:
        assert where.is_relative_to(ROOT)
