"""Source paths: `PID-5`, `PID-3.4.2`, `PID-11[2]`, `CX.4`, `CX`; and how text is fetched by them.

A fetched piece is (position, field, repetition, text, level, shift): segment position, 1-based field, 0-based
repetition, text, depth (0: components come next, 1: subcomponents), and the bit of its first leaf in the repetition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["SourcePath", "parse"]

_SEGMENT = re.compile(r"([A-Z][A-Z0-9]{2})(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?)?")
_VALUE = re.compile(r"([A-Z]{2,3})(?:\.(\d+)(?:\.(\d+))?)?")


@dataclass(frozen=True, slots=True)
class SourcePath:
    """A parsed path; 0 = not given. `owner`: segment name or data type name."""

    owner: str
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0


def parse(text: str, datatype: str | None = None) -> SourcePath | None:
    """The path in a segment map, or in the map of a data type; None if it is none."""
    if datatype is not None:
        match = _VALUE.fullmatch(text)
        if match is None or match[1] != datatype:
            return None
        return SourcePath(match[1], component=int(match[2] or 0), subcomponent=int(match[3] or 0))
    match = _SEGMENT.fullmatch(text)
    if match is None:
        return None
    return SourcePath(match[1], *(int(match[index] or 0) for index in (2, 3, 4, 5)))
