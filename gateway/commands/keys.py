"""`tabellion keys show`: the log's verification key."""

from __future__ import annotations

import argparse

from gateway.folder import add_data_option, existing

_DESCRIPTION = """\
Show the verification key of the log as one vkey line (C2SP signed-note): name, key id, public key.
Hand it to subscribers over a channel that they trust; with it they check receipts offline.
"""
_EXAMPLES = """\
examples:
  tabellion keys show > log.vkey
  tabellion keys show --all          older logs too, one line each, oldest first
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="show", required=True)
    show = actions.add_parser("show", help="print the vkey line")
    show.add_argument("--all", action="store_true", help="every log of this folder, oldest first")
    add_data_option(show)


def run(options: argparse.Namespace) -> int:
    """Show."""
    folder = existing(options.data)
    logs = folder.state_reader().logs()
    for log in logs if options.all else logs[-1:]:
        print(folder.keystore.signer(log.number).vkey)
    return 0
