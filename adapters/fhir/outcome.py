"""OperationOutcome (operationoutcome.html): findings as a resource that says what is wrong, where, and how badly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapters.fhir.findings import Finding

_FINE = {"severity": "information", "code": "informational", "details": {"text": "no fault found"}}


def operation_outcome(findings: Iterable[Finding]) -> dict[str, Any]:
    """One issue per finding, in their order; one that says so where there is none (an outcome is never empty)."""
    issues = [
        {
            "severity": finding.severity,
            "code": finding.code,
            "details": {"text": finding.text},
            "expression": [finding.expression],
        }
        for finding in findings
    ]
    return {"resourceType": "OperationOutcome", "issue": issues or [dict(_FINE)]}


def is_valid(findings: Iterable[Finding]) -> bool:
    """Whether nothing worse than a warning was found."""
    return not any(finding.severity in {"error", "fatal"} for finding in findings)
