"""`tabellion deadletters list|replay`: messages that failed."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from gateway.errors import UsageError
from gateway.folder import add_data_option, existing
from gateway.orders import carry_out

_DESCRIPTION = """\
List messages that could not be mapped, with cause and place, or replay them after a fix. A replayed message settles at
its original place and time, so it never overwrites anything newer. Works while the service runs.
"""
_EXAMPLES = """\
examples:
  tabellion deadletters list
  tabellion deadletters replay 17 23
  tabellion deadletters replay --all --config tabellion.toml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="list|replay", required=True)
    listing = actions.add_parser("list", help="all that are unsolved, oldest first")
    again = actions.add_parser("replay", help="map and settle them again")
    again.add_argument("ids", nargs="*", type=int, metavar="ID", help="numbers, as list shows them")
    again.add_argument("--all", action="store_true", help="every one that is unsolved")
    again.add_argument("--config", type=Path, metavar="FILE", help="the configuration of the service")
    for sub in (listing, again):
        sub.add_argument("--json", action="store_true", help="NDJSON")
        add_data_option(sub)


def run(options: argparse.Namespace) -> int:
    """List or replay."""
    from pipelines.deadletters import letters

    if options.action == "replay":
        return replay_entries(options, [letter.id for letter in letters(existing(options.data))])
    for letter in letters(existing(options.data)):
        if options.json:
            print(json.dumps(asdict(letter), ensure_ascii=False))
        else:
            place = letter.place or "message"
            print(f"{letter.id:>8}  {letter.received}  {letter.channel:<16} {letter.cause}: {place}: {letter.text}")
    return 0


def replay_entries(options: argparse.Namespace, unsolved: list[int]) -> int:
    """Replay what was asked for; also `messages replay`."""
    from pipelines.deadletters import replay

    ids = unsolved if getattr(options, "all", False) else options.ids
    if not ids:
        if getattr(options, "all", False):
            print("nothing to replay")
            return 0
        raise UsageError("name the numbers to replay, or --all")
    shown = "{replayed} replayed, {freed} freed, {failed} failed again, {missing} gone"
    return carry_out(options, lambda folder, settings: replay(folder, settings, ids), shown, "replayed")
