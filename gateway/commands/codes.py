"""`tabellion codes worklist`: codes that no map decided, for who looks after the maps."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from gateway.folder import add_data_option, existing

_DESCRIPTION = """\
List the codes that a translation plan names and that no map decided: ambiguous, without a target, retired, unknown, or
a combination. Counted in messages, by code and channel, the most frequent first. Codes only: no text and no patient.
A message that is replayed after a new map was imported leaves the list.
"""
_EXAMPLES = """\
examples:
  tabellion codes worklist
  tabellion codes worklist --channel lab --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="worklist", required=True)
    listing = actions.add_parser("worklist", help="codes to be decided")
    listing.add_argument("--channel", metavar="NAME", help="of this channel only")
    listing.add_argument("--json", action="store_true", help="NDJSON")
    add_data_option(listing)


def run(options: argparse.Namespace) -> int:
    """List."""
    from contextlib import closing

    with closing(existing(options.data).state_reader()) as state:
        rows = [row for row in state.worklist() if options.channel in (None, row.channel)]
    for row in rows:
        if options.json:
            print(json.dumps(asdict(row), ensure_ascii=False))
        else:
            print(f"{row.messages:>8}  {row.code:<18} {row.status:<12} {row.channel}  {row.system} -> {row.target}")
    if not rows and not options.json:
        print("nothing to decide")
    return 0
