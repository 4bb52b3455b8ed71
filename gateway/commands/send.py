"""`tabellion send`: HL7 v2 messages from files to an MLLP listener."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gateway.errors import InputError, UsageError

if TYPE_CHECKING:
    from adapters.hl7v2.mllp import Answer, Outgoing, Tls

_DESCRIPTION = """\
Send every HL7 v2 message found in files and folders to an MLLP listener and wait for each acknowledgement.
Messages go out byte for byte as they stand in the file; each connection has one message under way.
"""
_EXAMPLES = """\
examples:
  tabellion send 127.0.0.1:2575 sample_data/hl7v2
  tabellion send 127.0.0.1:2575 batch.hl7 --connections 8 --json
  tabellion send hie.example:2575 batch.hl7 --tls --ca ca.pem --certificate lab.pem --key lab.key

exit codes: 0 all answered AA or CA, 1 another answer or none, 2 usage, 3 no connection
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder or - for standard input")
    parser.add_argument("--connections", type=int, default=1, metavar="N", help="connections at once (default 1)")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="seconds per answer (default 30)")
    parser.add_argument("--release", type=int, choices=(1, 2), default=1, help="MLLP release (default 1)")
    parser.add_argument("--tls", action="store_true", help="TLS; the receiver's certificate and name are verified")
    parser.add_argument("--ca", default="", metavar="FILE", help="CA of its certificate (default: the system's)")
    parser.add_argument("--certificate", default="", metavar="FILE", help="our certificate, for mutual TLS (PEM)")
    parser.add_argument("--key", default="", metavar="FILE", help="its key (default: in the certificate's file)")
    parser.add_argument("--server-name", default="", metavar="NAME", help="name in the certificate (default: HOST)")
    parser.add_argument("--json", action="store_true", help="NDJSON: source, index, control_id, code, ms")


def run(options: argparse.Namespace) -> int:
    """Send."""
    from gateway.addresses import parse_address

    host, port = parse_address(options.address)
    if options.connections < 1 or options.timeout <= 0:
        raise UsageError("--connections and --timeout take positive numbers")
    tls = _tls(options)
    try:
        return asyncio.run(_send(host, port, options, tls))
    except OSError as error:  # TimeoutError is one
        reason = getattr(error, "verify_message", "") or error.strerror or type(error).__name__
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


def _tls(options: argparse.Namespace) -> Tls | None:
    """What the options say of TLS. Raises UsageError."""
    from adapters.hl7v2.mllp import Tls, TlsFiles, TlsUnusable, client_context

    if not options.tls:
        if options.ca or options.certificate or options.key or options.server_name:
            raise UsageError("--ca, --certificate, --key and --server-name need --tls")
        return None
    try:
        context = client_context(TlsFiles(options.certificate, options.key, options.ca))
    except TlsUnusable as error:
        raise UsageError(str(error)) from error
    return Tls(context, options.server_name)


async def _send(host: str, port: int, options: argparse.Namespace, tls: Tls | None) -> int:
    from adapters.hl7v2.mllp import send_all
    from gateway.progress import Progress

    progress = Progress("sent")
    sent = refused = 0
    outgoing = messages(options.paths)
    async for answer in send_all(host, port, outgoing, options.connections, options.timeout, tls, options.release):
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
