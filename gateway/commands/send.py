"""`tabellion send`: HL7 v2 messages from files to an MLLP listener."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gateway.errors import InputError, UsageError

if TYPE_CHECKING:
    from adapters.hl7v2.mllp import Answer, Outgoing

_DESCRIPTION = """\
Send every HL7 v2 message found in files and folders to an MLLP listener and wait for each acknowledgement.
Messages go out byte for byte as they stand in the file; each connection has one message under way.
"""
_EXAMPLES = """\
examples:
  tabellion send 127.0.0.1:2575 sample_data/hl7v2
  tabellion send 127.0.0.1:2575 batch.hl7 --connections 8 --json

exit codes: 0 all answered AA or CA, 1 another answer or none, 2 usage, 3 no connection
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder or - for standard input")
    parser.add_argument("--connections", type=int, default=1, metavar="N", help="connections at once (default 1)")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="seconds per answer (default 30)")
    parser.add_argument("--json", action="store_true", help="NDJSON: source, index, control_id, code, ms")


def run(options: argparse.Namespace) -> int:
    """Send."""
    from gateway.addresses import parse_address

    host, port = parse_address(options.address)
    if options.connections < 1 or options.timeout <= 0:
        raise UsageError("--connections and --timeout take positive numbers")
    try:
        return asyncio.run(_send(host, port, options))
    except OSError as error:  # TimeoutError is one
        reason = error.strerror or type(error).__name__
        raise InputError(f"no connection to {options.address}: {reason}") from error


def messages(paths: Sequence[str]) -> Iterator[Outgoing]:
    """Every HL7 v2 message behind the arguments, as `convert` finds them."""
    from adapters.hl7v2 import units
    from adapters.hl7v2.mllp import Outgoing
    from gateway.conversion.walk import printable, walk

    for source in walk(paths):
        for unit in units(source.read()):
            if unit.kind == "message" and unit.index is not None:
                yield Outgoing(printable(source.name), unit.index, unit.body)


async def _send(host: str, port: int, options: argparse.Namespace) -> int:
    from adapters.hl7v2.mllp import send_all
    from gateway.progress import Progress

    progress = Progress("sent")
    sent = refused = 0
    async for answer in send_all(host, port, messages(options.paths), options.connections, options.timeout):
        sent += 1
        refused += not answer.accepted
        _print(answer, options.json)
        progress.advance()
    progress.finish()
    if not options.json:
        print(f"{sent} sent, {sent - refused} accepted, {refused} not")
    return 1 if refused else 0


def _print(answer: Answer, as_json: bool) -> None:
    if as_json:
        row = {"source": answer.source, "index": answer.index, "control_id": answer.control_id}
        row |= {"code": answer.code, "ms": answer.ms} | ({"error": answer.error} if answer.error else {})
        print(json.dumps(row, ensure_ascii=False), flush=True)
    elif not answer.accepted:
        print(f"{answer.code or 'no answer':<10} {answer.source} [{answer.index}] {answer.error or ''}".rstrip())
