"""`tabellion channels`: look at, start, stop and reload the channels of a running service."""

from __future__ import annotations

import argparse
import json

from gateway.errors import Failed, InputError, UsageError
from gateway.folder import add_data_option, existing

_DESCRIPTION = """\
Look at the channels of the service that runs on a data folder, stop or start one, or have the service read its
configuration anew: channels, overlays, limits and certificates of [mllp]. Other channels go on meanwhile, and open
connections stay open.

A stopped channel's messages are answered as our failure (AR or CE, condition 207): senders keep them. What it has
received before is settled. It stays stopped over restarts. If all channels of a listener are stopped, it closes.
"""
_EXAMPLES = """\
examples:
  tabellion channels list
  tabellion channels stop lab
  tabellion channels start lab
  tabellion channels reload          the same as SIGHUP; faults are named, and then nothing has changed

exit codes: 0 done, 1 the service could not do it, 2 usage, 3 no service runs on this folder
"""
_SECONDS = 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("do", choices=("list", "start", "stop", "reload"), metavar="list|start|stop|reload")
    parser.add_argument("channel", nargs="?", default="", metavar="CHANNEL", help="which (list: all without it)")
    parser.add_argument("--json", action="store_true", help="NDJSON: name, format, state, listener, received, answers…")
    add_data_option(parser)


def run(options: argparse.Namespace) -> int:
    """Ask the service."""
    from gateway.serving.operations import ask

    if options.do in ("start", "stop") and not options.channel:
        raise UsageError(f"which channel? tabellion channels {options.do} NAME")
    if options.do == "reload" and options.channel:
        raise UsageError("reload reads the whole configuration; it takes no channel")
    folder = existing(options.data)
    try:
        answer = ask(folder.socket_path, options.do, options.channel, _SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(f"no service runs on {options.data}, or it does not answer") from error
    if "error" in answer:
        raise Failed(str(answer["error"]))
    if options.json:
        for row in answer["channels"]:
            print(json.dumps(row, ensure_ascii=False))
    else:
        _table(answer["channels"])
    for note in answer["notes"]:
        print(note)
    return 0


def _table(rows: list[dict[str, object]]) -> None:
    print(f"{'channel':<24} {'format':<8} {'state':<8} {'listener':<22} {'oldest s':>9}  received, answers")
    for row in rows:
        received, answers = row["received"], row["answers"]
        counts = " ".join(
            f"{name} {count}"
            for table in (received, answers)
            if isinstance(table, dict)
            for name, count in sorted(table.items())
        )
        place = row["listener"] or "-"
        head = f"{row['name']:<24} {row['format']:<8} {row['state']:<8} {place:<22}"
        print(f"{head} {row['oldest_seconds']:>9}  {counts}")
