"""What two sets of resources say, taken apart into facts and compared element by element: for pairs made by others.

Numbers compare by value, times as instants; an element differs if its sets of values differ.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from adapters.fhir import JsonValue

Facts = dict[tuple[str, str], set[str]]
"""(resource type, element path without indexes) → values."""


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One element of one pair. `right`: ours, theirs, both."""

    pair: str
    element: str
    theirs: str
    ours: str
    right: str = ""
    reason: str = ""

    @property
    def fact(self) -> tuple[str, str, str, str]:
        """What differs, whoever is right."""
        return self.pair, self.element, self.theirs, self.ours


def text_of(value: JsonValue) -> str:
    """A leaf as comparable text: numbers by value, times with an offset as UTC."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return f"{Decimal(str(value)).normalize():f}"
    text = str(value)
    if len(text) > 19 and text[4:5] == "-" and text[10:11] == "T":
        try:
            return datetime.fromisoformat(text).astimezone(UTC).isoformat()
        except ValueError:
            return text
    return text


def elements(theirs: Facts, ours: Facts) -> Iterator[tuple[str, set[str], set[str]]]:
    """Every element that one side has: its name, their values, ours."""
    for key in sorted(theirs.keys() | ours.keys()):
        yield ".".join(key), theirs.get(key, set()), ours.get(key, set())


def read_differences(path: Path) -> list[Difference]:
    """A committed list."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Difference(**row) for row in csv.DictReader(file)]
