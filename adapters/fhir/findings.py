"""What a check says: one Finding per fault, in the terms of OperationOutcome.issue (operationoutcome.html)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from adapters.fhir.definitions import Definitions

Path: TypeAlias = tuple[Any, "str | int"]
"""A place as a chain (parent or None, step); a step is a root name, '.element' or an array index.

A chain costs one small tuple a step while all is well; the text is made only for a finding.
"""

Units: TypeAlias = Callable[[str], bool]
"""Whether a text is a unit of UCUM."""

CodeLookup: TypeAlias = Callable[[str, str], "frozenset[str] | None"]
"""(system, code) -> the code's displays in every language; empty: the system is held whole and has no such code; None:
nothing can be said. A code that has no display gives frozenset({''})."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}").fullmatch


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: severity ('error', 'warning', 'information'), code of issue-type, FHIRPath, text without any value."""

    severity: str
    code: str
    expression: str
    text: str
    profile: str = ""
    """The URL of the claimed profile that demands it; '' for R4 itself."""


def expression(path: Path) -> str:
    """(((None, 'Patient'), '.name'), 0) -> 'Patient.name[0]'."""
    steps: list[str] = []
    place: Path | None = path
    while place is not None:
        place, step = place
        steps.append(step if isinstance(step, str) else f"[{step}]")
    return "".join(reversed(steps))


def shown(name: str) -> str:
    """A member's name if it looks like one, else '?': an unknown member may be made of patient data."""
    return name if _NAME(name) else "?"


class Run:
    """What one validation is given and what it gathers. Lives for one call."""

    __slots__ = ("codes", "findings", "local", "references", "resource", "table", "units")

    def __init__(self, table: Definitions, units: Units | None = None, codes: CodeLookup | None = None) -> None:
        self.table = table
        self.units = units
        self.codes = codes
        self.findings: list[Finding] = []
        self.references: list[tuple[str, Path]] = []
        """Every literal reference to something outside its resource."""
        self.local: list[tuple[str, Path]] = []
        """References into the resource under check: '#id'."""
        self.resource: Any = None
        """The resource under check: FHIRPath's %resource."""

    def error(self, code: str, path: Path, text: str) -> None:
        self.findings.append(Finding("error", code, expression(path), text))

    def say(self, severity: str, code: str, path: Path, text: str) -> None:
        self.findings.append(Finding(severity, code, expression(path), text))
