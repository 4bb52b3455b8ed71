"""`tabellion verify`: a record against its receipt and the log's key, with no network and no data folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gateway.errors import InputError, UsageError

_DESCRIPTION = """\
Check offline that a record is byte for byte the one that was sealed. Needs three files and nothing else:
the record (the value of a topic message), its receipt (the message's header `tabellion-receipt`), and the
log's verification key (one line, from `tabellion keys show`, over a channel that you trust).
"""
_EXAMPLES = """\
examples:
  tabellion verify --record record.json --receipt receipt.json --key log.vkey

exit codes: 0 valid, 1 not valid (what differs is said), 2 usage, 3 a file can't be read
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    for name, what in (("record", "the record's bytes"), ("receipt", "its receipt"), ("key", "the log's vkey line")):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=what)
    parser.add_argument("--json", action="store_true", help="one JSON object: valid, reason, text, unsealed")


def run(options: argparse.Namespace) -> int:
    """Verify."""
    from ledger import verify_record
    from ledger.verify import Reason

    record, receipt, key = (_read(path) for path in (options.record, options.receipt, options.key))
    try:
        line = key.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"{options.key} is no vkey line") from error
    verdict = verify_record(record, receipt, line)
    if verdict.reason is Reason.KEY_FORM:
        raise UsageError(f"{options.key}: {verdict.text}")
    if options.json:
        reason = verdict.reason.value if verdict.reason else None
        row = {"valid": verdict.valid, "reason": reason, "text": verdict.text, "unsealed": list(verdict.unsealed)}
        print(json.dumps(row, ensure_ascii=False))
    else:
        print(("valid: " if verdict.valid else "NOT VALID: ") + verdict.text)
    return 0 if verdict.valid else 1


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
