"""`tabellion packages add|list`: FHIR packages to validate against."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gateway.errors import Failed, InputError
from gateway.folder import add_data_option

_DESCRIPTION = """\
Add the profiles, value sets and code systems of a FHIR package (the .tgz of an implementation guide for R4) to the data
folder. They count for `tabellion validate`, `POST /$validate`, and for channels that check in full, from the next
start of the service on. Nothing in a package changes what R4 itself demands.
"""
_EXAMPLES = """\
examples:
  tabellion packages add package.tgz
  tabellion packages list
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="add|list", required=True)
    add = actions.add_parser("add", help="compile a package into the data folder")
    add.add_argument("file", type=Path, metavar="FILE", help="the package's archive")
    for sub in (add, actions.add_parser("list", help="packages there are")):
        sub.add_argument("--json", action="store_true", help="NDJSON")
        add_data_option(sub)


def run(options: argparse.Namespace) -> int:
    """Add or list."""
    from adapters.fhir import Package, PackageRefused
    from pipelines.datafolder import open_folder
    from pipelines.errors import FolderError
    from pipelines.packages import add, listed

    folder = options.data / "packages"
    try:
        if options.action == "add":
            open_folder(options.data, create=True)
            found: list[Package] = [add(folder, options.file)]
        else:
            found = listed(folder)
    except PackageRefused as error:
        raise Failed(f"{options.file}: {error}") from error
    except FolderError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{options.file}: {error.strerror or error}") from error
    for package in found:
        row = {"name": package.name, "version": package.version, "sha256": package.sha256,
               "profiles": len(package.profiles), "skipped": len(package.skipped)}  # fmt: skip
        text = f"{row['name']} {row['version']}: {row['profiles']} profiles, {row['skipped']} parts not checked"
        print(json.dumps(row) if options.json else text)
        if options.action == "add" and not options.json:
            for each in package.skipped:
                print(f"  not checked: {each.what}: {each.reason}")
    return 0
