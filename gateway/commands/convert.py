"""`tabellion convert`: files to FHIR R4 Bundles, with a report of every source leaf."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.errors import UsageError
from gateway.folder import add_data_option

_DESCRIPTION = """\
Convert files and folders to FHIR R4 transaction Bundles: one per HL7 v2 message, CDA document or FHIR unit, one per
study for DICOM.
Nothing is stored, merged or sealed: this is the output of the mapping rules alone. Every non-empty leaf of
the source is counted as mapped, kept, excused or residue; what was not carried over is listed by its path.
"""
_EXAMPLES = """\
examples:
  tabellion convert sample_data/hl7v2                       a table of what would be made
  tabellion convert inbox --out bundles --report report.ndjson --jobs 4
  tabellion convert one.hl7 --explain                       which rule made which element
  cat one.hl7 | tabellion convert - --report -

exit codes: 0 nothing failed (partial and skipped are not failures), 1 something failed,
            2 usage or configuration, 3 input or output, 130 interrupted
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder or - for standard input")
    parser.add_argument("--format", choices=("auto", "hl7v2", "cda", "dicom", "fhir"), default="auto")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the Bundles below this folder")
    parser.add_argument("--report", metavar="FILE", help="write the report as NDJSON; - for standard output")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (default 1); output is the same")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file, with --channel")
    parser.add_argument("--channel", metavar="NAME", help="convert as this channel of the configuration does")
    parser.add_argument("--zone", metavar="ZONE", help="time zone of times without offset, e.g. Europe/Zurich")
    parser.add_argument("--base", metavar="URL", help="base of fullUrl (default https://tabellion.invalid/fhir)")
    add_data_option(parser, "data folder whose terminology packs a translation plan may use")
    parser.add_argument("--force", action="store_true", help="write into a folder that is not empty")
    parser.add_argument("--explain", action="store_true", help="print element <- source path <- rule")


def run(options: argparse.Namespace) -> int:
    """Convert."""
    from gateway.conversion.run import Options, convert, refuse_full
    from gateway.settings import converter
    from pipelines.formats import FORMATS

    if options.format not in ("auto", *FORMATS):
        raise UsageError(f"--format {options.format}: not yet; this version converts {', '.join(FORMATS)}")
    if options.explain and options.report == "-":
        raise UsageError("--explain and --report - both write to standard output: name a report file")
    if options.jobs < 1:
        raise UsageError("--jobs takes a number from 1")
    if bool(options.config) != bool(options.channel):
        raise UsageError("--config and --channel go together")
    if options.base is not None and not options.base.startswith(("http://", "https://")):
        raise UsageError("--base takes an http or https URL")
    refuse_full(options.out, options.force)
    chosen = converter(
        options.config, options.channel, options.zone, options.base, explain=options.explain, data=options.data
    )
    return convert(
        Options(
            paths=options.paths,
            format=options.format,
            out=options.out,
            report=options.report,
            jobs=options.jobs,
            converter=chosen,
        )
    )
