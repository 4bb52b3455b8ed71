"""`--data DIR` for every command, and the data folder behind it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import InputError, UsageError

if TYPE_CHECKING:
    from pipelines.datafolder import DataFolder

__all__ = ["DEFAULT", "add_data_option", "existing"]

DEFAULT = Path("tabellion-data")


def add_data_option(parser: argparse.ArgumentParser, what: str = "data folder") -> None:
    """Declare --data. `what`: it is needed for."""
    parser.add_argument("--data", type=Path, default=DEFAULT, metavar="DIR", help=f"{what} (default ./{DEFAULT})")


def existing(path: Path) -> DataFolder:
    """The data folder there. Raises InputError if there is none, UsageError if this release can't open it."""
    from pipelines.datafolder import open_folder
    from pipelines.errors import FolderError, NewerVersion

    try:
        return open_folder(path)
    except NewerVersion as error:
        raise UsageError(str(error)) from error
    except (FolderError, OSError) as error:
        raise InputError(str(error)) from error
