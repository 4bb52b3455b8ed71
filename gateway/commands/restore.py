"""`tabellion restore FILE`: a backup back into an empty folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import InputError, UsageError
from gateway.folder import add_data_option
from gateway.settings import load_settings

if TYPE_CHECKING:
    from pipelines.datafolder import DataFolder
    from pipelines.state import SqliteState

_DESCRIPTION = """\
Bring a backup back into an empty folder and settle again what the journal holds beyond it. With --surviving, the
journal and the last published checkpoint of the old folder are used, too: if the settled records reach that
checkpoint, the same log goes on; if not, a new log begins that names the old checkpoint, and this is said.
"""
_EXAMPLES = """\
examples:
  tabellion restore /backups/tabellion-monday.tar --data /srv/tabellion-new
  tabellion restore monday.tar --data /srv/new --surviving /srv/old --config tabellion.toml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("file", type=Path, metavar="FILE", help="the backup")
    parser.add_argument("--surviving", type=Path, metavar="DIR", help="what is left of the old data folder")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration to settle with")
    add_data_option(parser)


def run(options: argparse.Namespace) -> int:
    """Restore."""
    from pipelines.backup import restore
    from pipelines.errors import BackupError, PipelineError
    from pipelines.writer import settle_all

    settings = load_settings(options.config)

    def settle(folder: DataFolder, state: SqliteState) -> int:
        return settle_all(folder, state, settings)

    try:
        done = restore(options.file, options.data, settle, surviving=options.surviving)
    except BackupError as error:
        raise InputError(str(error)) from error
    except PipelineError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise InputError(f"{error.filename or options.file}: {error.strerror}") from error
    print(f"{options.data}: {done.records} records, {done.settled} messages settled again")
    print(done.text)
    return 0
