"""Errors of the mappings room.

MappingError
├── MapError       one finding in a map file: file, line, text (our fault, or the integration engineer's)
├── MapErrors      every finding of a load
└── SettingsError  a channel's settings name a zone or an option that there isn't

What is wrong in a message is no error here: it becomes an issue and residue.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MapError", "MapErrors", "MappingError", "SettingsError"]


class MappingError(Exception):
    """Base of this room's errors."""


class MapError(MappingError):
    """A map file says something that can't be: `segments/PID-Patient.yaml:12: no such element in R4`."""

    def __init__(self, file: str, line: int, text: str) -> None:
        super().__init__(f"{file}:{line}: {text}")
        self.file = file
        self.line = line
        self.text = text


class MapErrors(MappingError):
    """All that the load checks found, in file and line order."""

    def __init__(self, errors: Sequence[MapError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


class SettingsError(MappingError):
    """A channel's settings can't be used with these maps."""
