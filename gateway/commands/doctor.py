"""`tabellion doctor`: audit a data folder."""

from __future__ import annotations

import argparse
import json

from gateway.folder import add_data_option, existing

_DESCRIPTION = """\
Audit a data folder, from what others rest on upwards: folder, keys, journal, state, settings of live connections,
the tree derived anew from the stored leaves, checkpoints, commitments of every record whose bytes are held, and
receipts as subscribers get them. Ends at the first thing that isn't sound and names it. Works while the service runs.
"""
_EXAMPLES = """\
examples:
  tabellion doctor --data /srv/tabellion

exit codes: 0 sound, 1 something is not, 3 no such folder
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("--json", action="store_true", help="one JSON object: sound, checks")
    add_data_option(parser)


def run(options: argparse.Namespace) -> int:
    """Audit."""
    from pipelines.doctor import examine

    checks: list[dict[str, object]] = []
    sound = True
    for finding in examine(existing(options.data)):
        checks.append({"check": finding.check, "checked": finding.checked, "fault": finding.fault})
        sound = finding.fault is None
        if not options.json:
            state = "sound" if finding.fault is None else f"NOT SOUND: {finding.fault}"
            print(f"{finding.check:<12} {finding.checked:>8}  {state}", flush=True)
    if options.json:
        print(json.dumps({"sound": sound, "checks": checks}, ensure_ascii=False))
    return 0 if sound else 1
