"""The command line: one table of commands, each a module of `gateway.commands` that is imported only when called.

Exit codes, the same for every command: 0 done, nothing failed · 1 something failed · 2 usage or configuration ·
3 input or output (no such path, no connection) · 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from gateway.errors import CommandError

__all__ = ["main"]

COMMANDS = (
    ("demo", "send the sample messages through the whole service and verify every receipt"),
    ("init", "make a data folder: keys, namespace, empty stores"),
    ("serve", "run the service: MLLP and DICOM in, sealed FHIR out on topics, HTTP for health and metrics"),
    ("send", "send HL7 v2 messages to an MLLP listener"),
    ("convert", "convert files to FHIR R4 Bundles, with a report of what was carried and what was not"),
    ("validate", "check FHIR resources against R4 and HL7 v2 messages against the standard"),
    ("packages", "add or list FHIR packages: profiles, value sets and code systems to validate against"),
    ("topics", "list the topics, or read one as a subscriber does"),
    ("verify", "check a record against its receipt, offline"),
    ("messages", "find, show or replay messages that were received"),
    ("deadletters", "list or replay messages that failed"),
    ("channels", "list, start, stop or reload the channels of a running service"),
    ("identity", "studies and documents that contradict the known patient: worklist, release, reject"),
    ("status", "what is done and what is waiting"),
    ("doctor", "audit a data folder: journal, state, log, receipts"),
    ("check", "validate a configuration file, or print its JSON Schema"),
    ("map", "explain one conversion, compare or check mapping rules"),
    ("terminology", "import, list and look up code packs; translate codes"),
    ("codes", "codes that no map decided, by code and channel"),
    ("keys", "show the verification key of the log"),
    ("backup", "copy a data folder into one file, while the service runs"),
    ("restore", "bring a backup back into an empty folder"),
)


class Command(Protocol):
    """What a module of `gateway.commands` offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options, description and examples."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it; give the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    wanted = next((word for word in words if not word.startswith("-")), None)
    parser, commands = _parser(wanted)
    options = parser.parse_args(words)
    command = commands.get(options.command)
    if command is None:
        parser.print_help()
        return 2
    try:
        return command.run(options)
    except CommandError as error:
        print(f"tabellion {options.command}: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output went away (`| head`); point stdout elsewhere so that exit does not fail on it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser(wanted: str | None) -> tuple[argparse.ArgumentParser, dict[str, Command]]:
    parser = argparse.ArgumentParser(
        prog="tabellion",
        description="Hospital messages in, sealed FHIR R4 out.",
        epilog="tabellion COMMAND --help explains a command, with examples. Start with: tabellion demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tabellion {_version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands: dict[str, Command] = {}
    for name, summary in COMMANDS:
        sub = subparsers.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == wanted:
            commands[name] = cast(Command, import_module(f"gateway.commands.{name}"))
            commands[name].arguments(sub)
    return parser, commands


def _version() -> str:
    from importlib.metadata import version

    return version("tabellion")


if __name__ == "__main__":
    sys.exit(main())
