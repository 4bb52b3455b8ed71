"""A shelf with the made-up RF2 release of sample_data, imported once."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminology import Request, Shelf, import_source
from terminology.systems import ICD10CM
from tools.terminology_samples import REFSET

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def folder(samples: Path) -> Path:
    """The samples of this room."""
    return samples / "terminology"


@pytest.fixture(scope="session")
def shelf(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Built-in packs and the made-up release."""
    data = tmp_path_factory.mktemp("shelf")
    import_source("rf2", Request(folder / "rf2", data, refset=REFSET, target=ICD10CM), data)
    return Shelf(data)
