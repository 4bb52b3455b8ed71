"""`tabellion check FILE`: is this configuration good?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gateway.errors import UsageError
from gateway.folder import add_data_option
from gateway.settings import load_settings

_DESCRIPTION = """\
Validate a configuration file with the environment: unknown keys, wrong types and values, and the map overlays and
translation plans of every channel and the TLS files, which are loaded and checked. docs/configuration.md explains every
setting.
"""
_EXAMPLES = """\
examples:
  tabellion check tabellion.toml
  tabellion check --schema > tabellion.schema.json        for completion in editors

exit codes: 0 good, 2 not (every fault is named)
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="configuration; none: the environment only")
    add_data_option(parser, "data folder whose terminology packs a translation plan may use")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of the file instead")
    parser.add_argument("--profile-schema", action="store_true", help="print that of HL7 v2 profiles instead")


def run(options: argparse.Namespace) -> int:
    """Check."""
    from adapters.hl7v2.conformance import profile_schema
    from adapters.hl7v2.mllp import TlsUnusable, server_context
    from mappings import MappingError
    from pipelines.configuration import json_schema
    from pipelines.errors import SettingsError
    from pipelines.formats import maps
    from pipelines.profiles import profile
    from pipelines.translation import translation

    if options.schema:
        print(json.dumps(json_schema(), indent=2, sort_keys=True))
        return 0
    if options.profile_schema:
        print(json.dumps(profile_schema(), indent=2, sort_keys=True))
        return 0
    settings = load_settings(options.file)
    for channel in settings.channels.values():
        try:
            maps(channel.format, channel.overlays).check()
            translation(channel.translation, options.data / "terminology")
            profile(channel.profile)
        except MappingError as error:
            raise UsageError(f"[channels.{channel.name}] overlays: {error}") from error
        except SettingsError as error:
            raise UsageError(f"[channels.{channel.name}] {error}") from error
    try:
        if (files := settings.mllp.tls()) is not None:
            server_context(files)
    except TlsUnusable as error:
        raise UsageError(f"[mllp] {error}") from error
    names = ", ".join(settings.channels)
    print(f"good: {len(settings.channels)} channel{'s' if len(settings.channels) > 1 else ''} ({names})")
    return 0
