"""What a check says: one Finding per fault, in the terms of OperationOutcome.issue (operationoutcome.html)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = tuple[Any, "str | int"]
"""A place as a chain (parent or None, step); a step is a root name, '.element' or an array index.

A chain costs one small tuple a step while all is well; the text is made only for a finding.
"""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}").fullmatch


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: severity 'error' or 'warning', code from issue-type, FHIRPath, and text without any value."""

    severity: str
    code: str
    expression: str
    text: str


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
    """What one validation gathers. Lives for one call."""

    __slots__ = ("findings", "local", "references")

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.references: list[tuple[str, Path]] = []
        """Every literal reference to something outside its resource."""
        self.local: list[tuple[str, Path]] = []
        """References into the resource under check: '#id'."""

    def error(self, code: str, path: Path, text: str) -> None:
        self.findings.append(Finding("error", code, expression(path), text))
