"""Lengths (HL7 v2 chapter 2.5.3.2): the most characters of a field or component, as versions 2.1 to 2.7 state them.

`lengths.csv` is made by `tools/hl7v2_lengths.py`. From v2.7 on few fields have one.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

__all__ = ["length", "longest"]

_LAST = "2.7"
_FILE = Path(__file__).with_name("lengths.csv")


@lru_cache(maxsize=1)
def _lengths() -> dict[tuple[str, str], tuple[int, ...]]:
    with _FILE.open(encoding="ascii", newline="") as file:
        return {
            (version, name): tuple(0 if text == "-" else int(text) for text in texts.split())
            for version, name, texts in csv.reader(file)
        }


def length(version: str, name: str, number: int) -> int:
    """Of field `number` of a segment, or of a component of a data type; 0: no limit is stated."""
    found = _lengths().get((version, name), ())
    return found[number - 1] if number <= len(found) else 0


@lru_cache(maxsize=4096)
def longest(name: str, number: int) -> int:
    """The most that any version allows; 0 where one before v2.7 has the field and states no limit."""
    found = [
        lengths[number - 1]
        for (version, each), lengths in _lengths().items()
        if each == name and number <= len(lengths) and (version != _LAST or lengths[number - 1])
    ]
    return max(found) if found and all(found) else 0
