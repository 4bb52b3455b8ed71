"""`tabellion demo`: the whole journey with the sample messages, and what happens when someone tampers."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.errors import UsageError

_DESCRIPTION = """\
Start the whole service on free loopback ports and send the made-up samples to it: HL7 v2 messages over MLLP, CDA
documents over HTTP and a watched folder, DICOM instances over C-STORE and STOW-RS. Show translated codes and the study
that is held because it contradicts the known patient; read the sealed FHIR records back as a subscriber does, verify
every receipt offline; then damage copies of a record, a receipt and the log on disk, and show that each is found.
Leaves ./demo-data behind to look at. Exit 0 only if all of it held.
"""
_EXAMPLES = """\
examples:
  tabellion demo
  tabellion demo --data /tmp/demo --samples sample_data
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("--samples", type=Path, default=Path("sample_data"), metavar="DIR", help="the samples")
    parser.add_argument("--data", type=Path, default=Path("demo-data"), metavar="DIR", help="default ./demo-data")


def run(options: argparse.Namespace) -> int:
    """Demonstrate."""
    from gateway.demonstration import demonstrate

    if not (options.samples / "manifest.json").is_file():
        raise UsageError(f"{options.samples} has no manifest.json: run in the project's folder, or name --samples")
    return demonstrate(options.samples, options.data)
