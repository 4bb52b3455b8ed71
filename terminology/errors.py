"""Errors of the terminology room; a reason never holds content of a message.

TerminologyError
├── SourceError     a file to import, a release or a resource is not of its format (its publisher's fault)
├── UnitError       a text is not a UCUM unit, or can't be converted as asked
├── PlanError       a translation plan says what can't be done
└── PackError       a pack or the list of packs can't be used
    ├── PackMissing     no pack for what was asked
    ├── PackNewer       written by a newer release
    └── PackDamaged     not the bytes that were installed
"""

from __future__ import annotations


class TerminologyError(Exception):
    """Base of everything this room raises on purpose."""


class SourceError(TerminologyError):
    """What was given to import is not of its format. `line`: where, 1-based, or None."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {text}" if line is not None else text)
        self.line = line


class UnitError(TerminologyError):
    """Not a unit of UCUM, or not one that can be converted as asked."""


class PlanError(TerminologyError):
    """A translation plan that can't be followed."""


class PackError(TerminologyError):
    """A pack, or the list of packs, that can't be used."""


class PackMissing(PackError):
    """No pack for what was asked."""


class PackNewer(PackError):
    """Written in a newer form than this release knows."""


class PackDamaged(PackError):
    """Not the bytes that were installed, or not a pack at all."""
