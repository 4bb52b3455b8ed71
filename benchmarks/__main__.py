"""`python -m benchmarks [NAME...] [--quick] [--json]`: run, print the table; exit 1: a limit is broken."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.measure import flush_times, percentile
from benchmarks.result import Row, broken, table

__all__ = ["BENCHMARKS", "main"]


def _conversion(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.conversion import run

    return run(quick)


def _reading(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.reading import run

    return run(quick)


def _cda(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.cda import run

    return run(quick)


def _dicom(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.dicom import run

    return run(quick, folder)


def _intake(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.acknowledge.intake import run

    return run(quick, folder)


def _stages(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.acknowledge.stages import run

    return run(quick, folder)


def _sealing(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.sealing import run

    return run(quick, folder)


def _flat(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.flat import run

    return run(quick, folder)


def _memory(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.memory import run

    return run(quick, folder)


def _translation(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.translation import run

    return run(quick)


def _validation(quick: bool, folder: Path) -> list[Row]:
    from benchmarks.validation import run

    return run(quick)


BENCHMARKS: Mapping[str, tuple[str, Callable[[bool, Path], list[Row]]]] = {
    "conversion": ("ADT and ORU to FHIR, against python-hl7's bare parse and the split-only floor", _conversion),
    "reading": (
        "HL7 v2 reader over public messages, against python-hl7's parse and the split-only floor",
        _reading,
    ),
    "cda": ("CDA documents to FHIR, against lxml's bare parse", _cda),
    "dicom": ("C-STORE to the durable answer, against dcmtk's storescp", _dicom),
    "translation": ("codes translated after a plan, against a dict of the same answers", _translation),
    "validation": ("FHIR R4 validation, against fhir.resources.R4B and @medplum/core", _validation),
    "intake": ("durable ACK at 1, 8 and 64 connections, intake alone, plain and over TLS", _intake),
    "stages": ("durable ACK with all stages running, plain and over TLS, end to end", _stages),
    "sealing": ("records to the durable leaf, against a bare insert of the same rows", _sealing),
    "memory": ("memory of intake and of the reader after ten times the messages", _memory),
    "flat": ("memory and cost per message at ten times the records", _flat),
}

_LEGEND = (
    "ratio = figure / its figure, measured in the same run · cores = CPU time / wall time of what was measured"
    " (below 1.00 for conversion and sealing: the machine was busy) · load generators share the machine's cores"
)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 limits hold, 1 one is broken, 2 usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure this tree, each figure beside its peer.",
        epilog="\n".join(f"  {name:<12}{text}" for name, (text, _) in BENCHMARKS.items()),
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks (default: all)")
    parser.add_argument("--quick", action="store_true", help="short runs: for a look, not for a figure")
    parser.add_argument("--json", action="store_true", help="NDJSON rows instead of the table")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"), help="on the disk to measure (%(default)s)")
    args = parser.parse_args(arguments)
    unknown = [name for name in args.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)} (there are: {', '.join(BENCHMARKS)})")
    args.folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for name in args.names or BENCHMARKS:
        print(f"{name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="run-", dir=args.folder) as folder:
            rows += BENCHMARKS[name][1](args.quick, Path(folder).absolute())
    if args.json:
        for row in rows:
            print(json.dumps(row.as_dict()))
    else:
        flush = percentile(sorted(flush_times(args.folder)), 0.5) * 1000
        machine = f"CPython {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
        print(f"{machine}; 4 KiB written and flushed in {flush:.2f} ms (median)")
        print(table(rows))
        print(_LEGEND)
    failed = broken(rows)
    for row in failed:
        print(f"limit broken: {row.benchmark} against {row.peer}: {row.ratio:.2f}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
