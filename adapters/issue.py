"""An issue found in what was sent, in the terms of FHIR OperationOutcome.issue; it never holds a value of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Issue"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. `severity` error: content was not carried, or the source breaks its own header."""

    severity: str  # error | warning | information
    code: str  # FHIR IssueType: required, structure, value, not-supported, incomplete, ...
    path: str | None  # source path, `MSH[1]-18[1].1.1`; None = the whole message
    expression: str | None  # FHIRPath of what it concerns in the output, if any
    text: str
