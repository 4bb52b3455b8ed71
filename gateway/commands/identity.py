"""`tabellion identity worklist|release|reject`: studies and documents that contradict the known patient."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from gateway.folder import add_data_option, existing
from gateway.orders import carry_out

_DESCRIPTION = """\
List studies and documents whose sex, birth date or name contradicts the patient they name, and decide about them. A
channel marks their records (header tabellion-identity) or holds them: `identity` in its configuration. `release` says
that they are this patient's, and lets them settle at their own place and time; `reject` makes them dead letters.
"""
_EXAMPLES = """\
examples:
  tabellion identity worklist
  tabellion identity release 17
  tabellion identity reject 17 --config tabellion.toml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="worklist|release|reject", required=True)
    listing = actions.add_parser("worklist", help="all that are open, oldest first")
    subs = [listing]
    for name, text in (("release", "they are this patient's"), ("reject", "they never take effect")):
        sub = actions.add_parser(name, help=text)
        sub.add_argument("ids", nargs="+", type=int, metavar="ID", help="numbers, as worklist shows them")
        sub.add_argument("--config", type=Path, metavar="FILE", help="the configuration of the service")
        subs.append(sub)
    for sub in subs:
        sub.add_argument("--json", action="store_true", help="NDJSON")
        add_data_option(sub)


def run(options: argparse.Namespace) -> int:
    """List, release or reject."""
    from pipelines.worklist import decide, worklist

    if options.action == "worklist":
        for each in worklist(existing(options.data)):
            if options.json:
                print(json.dumps(asdict(each), ensure_ascii=False))
            else:
                state = f"{each.held} held" if each.held else "marked"
                print(f"{each.id:>8}  {each.channel:<16} {state:<10} {', '.join(each.elements):<24} {each.subject}")
        return 0
    shown = "{replayed} released, {rejected} rejected, {failed} failed, {missing} gone"
    ids, kind = options.ids, options.action
    return carry_out(options, lambda folder, settings: decide(folder, settings, ids, kind), shown, "done")
