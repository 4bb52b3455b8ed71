"""`tabellion backup FILE`: a data folder in one file, while the service runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.errors import InputError, UsageError
from gateway.folder import add_data_option, existing

_DESCRIPTION = """\
Copy a data folder (state, journal, blobs, keys, last published checkpoint) into one file, consistently, while the
service runs. The file holds patient data and the keys: keep it as safe as the folder.
"""
_EXAMPLES = """\
examples:
  tabellion backup /backups/tabellion-monday.tar --data /srv/tabellion
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("file", type=Path, metavar="FILE", help="where to; must not exist")
    add_data_option(parser)


def run(options: argparse.Namespace) -> int:
    """Back up."""
    from pipelines.backup import back_up
    from pipelines.errors import PipelineError

    if options.file.exists():
        raise UsageError(f"{options.file} exists: a backup never overwrites")
    try:
        done = back_up(existing(options.data), options.file)
    except PipelineError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"can't write {options.file}: {error.strerror}") from error
    print(f"{options.file}: {done.files} files, {done.size} bytes, {done.records} records, settled up to {done.cursor}")
    return 0
