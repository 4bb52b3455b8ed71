"""`tabellion map explain|diff|check|schema`: the mapping rules, seen from outside."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import Failed, UsageError
from gateway.folder import DEFAULT
from gateway.settings import converter

if TYPE_CHECKING:
    from mappings import EffectiveMap

_DESCRIPTION = """\
Explain how messages are converted (element <- source <- rule with file and line), show how a channel's effective map
differs from the built-in one, load and check every rule, or print the JSON Schema of map files for an editor.
"""
_EXAMPLES = """\
examples:
  tabellion map explain sample_data/hl7v2/01-adt-a01-admit.hl7
  tabellion map diff --config tabellion.toml --channel adt-north
  tabellion map diff --overlay my-overlay
  tabellion map check --overlay my-overlay
  tabellion map schema map > map.schema.json               segments/*.yaml and datatypes/*.yaml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="explain|diff|check|schema", required=True)
    explain = actions.add_parser("explain", help="which rule made which element of which source")
    explain.add_argument("paths", nargs="+", metavar="PATH", help="file, folder or - for standard input")
    diff = actions.add_parser("diff", help="rows that overlays add, replace or remove")
    check = actions.add_parser("check", help="load everything; name every fault with file and line")
    schema = actions.add_parser("schema", help="JSON Schema of map files, for completion in editors")
    schema.add_argument("kind", choices=("map", "message", "events"), help="segment and data type maps, ...")
    for sub in (explain, diff, check):
        sub.add_argument("--config", type=Path, metavar="FILE", help="configuration, with --channel")
        sub.add_argument("--channel", metavar="NAME", help="the overlays and settings of this channel")
        sub.add_argument(
            "--overlay", action="append", default=[], metavar="DIR", help="a folder of overlays; repeatable"
        )


def run(options: argparse.Namespace) -> int:
    """Explain, diff or check."""
    if options.action == "schema":
        return _schema(options.kind)
    from mappings import MappingError, load

    if bool(options.config) != bool(options.channel):
        raise UsageError("--config and --channel go together")
    chosen = converter(options.config, options.channel, overlays=tuple(options.overlay), explain=True, data=DEFAULT)
    try:
        effective = load(chosen.overlays.get("hl7v2", ()))
        if options.action == "check":
            return _check(effective, chosen.overlays)
        if options.action == "diff":
            return _diff(effective)
    except MappingError as error:
        raise Failed(str(error)) from error
    from gateway.conversion.run import Options, convert

    return convert(Options(options.paths, "auto", None, None, 1, chosen))


def _check(effective: EffectiveMap, overlays: Mapping[str, tuple[str, ...]]) -> int:
    """HL7 v2, and every other format that the channel is not about: built in, or under the channel's overlays."""
    from pipelines.formats import FORMATS, maps

    effective.check()
    print(f"good: maps for {len(effective.structures)} message structures, hash {effective.hash}")
    for format_ in FORMATS:
        if format_ != "hl7v2":
            found = maps(format_, overlays.get(format_, ()))
            found.check()
            print(f"good: maps of {format_}, hash {found.hash}")
    return 0


def _schema(kind: str) -> int:
    from mappings.engine.formschema import form_schema

    print(json.dumps(form_schema(kind), indent=2))
    return 0


def _diff(effective: EffectiveMap) -> int:
    from mappings import load
    from mappings.engine.difference import difference

    base = load()
    print(f"built-in  {base.hash}")
    print(f"effective {effective.hash}")
    for line in difference(base, effective):
        print(line)
    return 0
