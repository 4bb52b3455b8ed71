"""`tabellion init`: a data folder with its keys and empty stores."""

from __future__ import annotations

import argparse
import re

from gateway.errors import InputError, UsageError
from gateway.folder import add_data_option

_DESCRIPTION = """\
Make a data folder: the log's signing key, the key that wraps patients' keys, the secret namespace of resource
ids, and empty stores. `serve` does the same by itself at first start, with the default names.
Back the folder's keys up at once: docs/operations.md says what is lost without each of them.
"""
_EXAMPLES = """\
examples:
  tabellion init --data /srv/tabellion --tenant north --institution north-hospital
"""
_TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("--tenant", default="default", help="stands in topic names: a-z 0-9 - (default: default)")
    parser.add_argument("--institution", default="default", help="stands in every leaf, for good (default: default)")
    add_data_option(parser)


def run(options: argparse.Namespace) -> int:
    """Make it."""
    from pipelines.datafolder import Identity, init_folder
    from pipelines.errors import FolderError

    if not _TENANT.fullmatch(options.tenant):
        raise UsageError("--tenant takes 1 to 32 of a-z 0-9 -, not beginning or ending with -")
    try:
        folder = init_folder(options.data, Identity(options.tenant, options.institution))
    except FolderError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise InputError(f"can't make {options.data}: {error.strerror}") from error
    print(f"made {options.data}; verification key of its log:")
    print(folder.keystore.signer(folder.state_reader().log().number).vkey)
    return 0
