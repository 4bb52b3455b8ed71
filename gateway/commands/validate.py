"""`tabellion validate`: FHIR against R4 and added packages, HL7 v2 against the standard of its version."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import InputError, UsageError
from gateway.folder import add_data_option

if TYPE_CHECKING:
    from gateway.conversion.converter import Line

_DESCRIPTION = """\
Validate FHIR resources and Bundles (also NDJSON) and HL7 v2 messages in files and folders; a report, which changes
nothing. FHIR: R4 (4.0.1) and the packages of the data folder (`tabellion packages add`). `structure` looks at names,
types, cardinality, primitives, required codes, references and Bundle rules; `full` also at constraints of severity
error, claimed profiles, narratives, units and codes of terminology packs. HL7 v2: segments, groups, fields, lengths,
data types and tables of the message's version, by segment-field-component, the counts of batch trailers, and the
profile of the channel that --channel names.
"""
_EXAMPLES = """\
examples:
  tabellion validate bundle.json
  tabellion validate inbox --format fhir --level structure --json
  tabellion validate sample_data/hl7v2/01-adt-a01-admit.hl7
  tabellion validate inbox --config tabellion.toml --channel lab

exit codes: 0 all valid (warnings are no faults), 1 some not, 2 usage or configuration, 3 input or output
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder or - for standard input")
    parser.add_argument("--format", choices=("auto", "hl7v2", "fhir"), default="auto")
    parser.add_argument("--level", choices=("structure", "full"), default="full", help="of FHIR (default full)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file, with --channel")
    parser.add_argument("--channel", metavar="NAME", help="validate what this channel takes, as far as it asks")
    parser.add_argument("--json", action="store_true", help="NDJSON: one object per unit")
    add_data_option(parser)


def run(options: argparse.Namespace) -> int:
    """Validate."""
    from gateway.settings import load_settings
    from gateway.validation import Asked, validate
    from pipelines.errors import FolderError, SettingsError
    from pipelines.profiles import profile
    from pipelines.validation import validator

    if bool(options.config) != bool(options.channel):
        raise UsageError("--config and --channel go together")
    format_, level, agreed = options.format, options.level, None
    if options.channel:
        channels = load_settings(options.config).channels
        if options.channel not in channels:
            raise UsageError(f"{options.config} has no channel {options.channel!r}; it has {', '.join(channels)}")
        format_ = channels[options.channel].format
        if format_ not in ("hl7v2", "fhir"):
            raise UsageError(f"the channel takes {format_}, which is not validated")
        try:
            agreed = profile(channels[options.channel].profile)
        except SettingsError as error:
            raise UsageError(str(error)) from error
    packs = options.data / "terminology" if options.data.exists() else None
    try:
        known = validator(options.data / "packages", packs)
    except FolderError as error:
        raise InputError(str(error)) from error
    worst = count = 0
    for line in validate(Asked(options.paths, format_, level, known, agreed)):
        count += 1
        worst = max(worst, not line["valid"])
        print(json.dumps(line, ensure_ascii=False, separators=(",", ":")) if options.json else _text(line))
    if not count:
        print("nothing to validate was found")
    return worst


def _text(line: Line) -> str:
    issues = line["issues"]
    assert isinstance(issues, list)
    word = "valid" if line["valid"] else "not valid"
    head = f"{line['source']} [{line['index']}] {line['type'] or line['format'] or ''}: {word}"
    rows = [f"  {each['severity']:<11} {each['path'] or ''}: {each['text']} ({each['code']})" for each in issues]
    return "\n".join([head, *rows])
