"""Errors that end a command, each with its exit code.

CommandError
├── UsageError   2  usage or configuration: what to change is in the text
├── InputError   3  no such path, no connection, unreadable or unwritable
└── Failed       1  the work was done, and something in it failed
"""

from __future__ import annotations

__all__ = ["CommandError", "Failed", "InputError", "UsageError"]


class CommandError(Exception):
    """Ends a command; the text goes to stderr in plain words."""

    code = 1


class UsageError(CommandError):
    """The command line or the configuration is wrong."""

    code = 2


class InputError(CommandError):
    """A path, file or connection can't be used."""

    code = 3


class Failed(CommandError):
    """Something that was asked for did not succeed."""

    code = 1
