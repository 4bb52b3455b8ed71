"""`tabellion status`: what is done and what is waiting."""

from __future__ import annotations

import argparse
import json

from gateway.folder import add_data_option, existing

_DESCRIPTION = """\
Show what is done and what is waiting: messages kept and not yet settled (backlog) and the age of the oldest, settled
messages, dead letters, held messages, record versions, the log's size, what is released, lag of consumer groups.
Works while the service runs.
"""
_EXAMPLES = """\
examples:
  tabellion status
  tabellion status --json | jq .backlog
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_data_option(parser)


def run(options: argparse.Namespace) -> int:
    """Show."""
    from pipelines.messages import status

    now = status(existing(options.data))
    if options.json:
        print(json.dumps(now))
        return 0
    for name, value in now.items():
        if name != "lag":
            print(f"{name.replace('_', ' '):<16} {value:>12}")
    for topic, groups in now["lag"].items():
        for group, count in groups.items():
            print(f"lag of {group} on {topic}: {count}")
    return 0
