"""`tabellion serve`: the service."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import InputError, UsageError
from gateway.folder import add_data_option

if TYPE_CHECKING:
    from pipelines.settings import Settings

_DESCRIPTION = """\
Run the service: HL7 v2 over MLLP, DICOM over C-STORE and every format over HTTP in, sealed FHIR on topics out, health
and metrics over HTTP. Runs without any configuration on loopback, with one channel per format. Prints one line of JSON
on standard output when ready, logs as JSON lines on standard error. SIGTERM drains: what was kept is settled, then
exit 0.
"""
_EXAMPLES = """\
examples:
  tabellion serve
  tabellion serve --config tabellion.toml --data /srv/tabellion
  tabellion serve --mllp 127.0.0.1:0 --dicom 127.0.0.1:0 --http 127.0.0.1:0
                                                           free ports, named in the line that says ready
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration (docs/configuration.md)")
    parser.add_argument("--mllp", metavar="HOST:PORT", help="MLLP listener (default 127.0.0.1:2575)")
    parser.add_argument("--dicom", metavar="HOST:PORT", help="DICOM listener (default 127.0.0.1:11112)")
    parser.add_argument("--http", metavar="HOST:PORT", help="ingest, health and metrics (default 127.0.0.1:8080)")
    add_data_option(parser)


def run(options: argparse.Namespace) -> int:
    """Serve."""
    from adapters.hl7v2.mllp import TlsUnusable
    from gateway.serving import Addresses, serve
    from gateway.settings import load_settings
    from mappings import MappingError
    from pipelines.errors import PipelineError
    from pipelines.settingfaults import across

    settings = load_settings(options.config)
    addresses = Addresses(
        options.mllp or settings.mllp.listen,
        options.http or settings.http.listen,
        options.dicom or settings.dicom.listen,
    )

    def read() -> Settings:
        """As the files say now, listening where the command line says."""
        found = load_settings(options.config)
        found = replace(
            found,
            mllp=replace(found.mllp, listen=addresses.mllp),
            dicom=replace(found.dicom, listen=addresses.dicom),
            http=replace(found.http, listen=addresses.http),
        )
        for fault in across(found):
            raise UsageError(fault)
        return found

    settings = read()

    def ready(row: dict[str, object]) -> None:
        print(json.dumps(row, ensure_ascii=False), flush=True)

    try:
        return serve(options.data, settings, addresses, ready, read)
    except (PipelineError, MappingError, TlsUnusable) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise InputError(f"can't serve: {os.strerror(error.errno) if error.errno else error}") from error
