"""What went wrong, as a FHIR OperationOutcome (operationoutcome.html); never with a value of what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.web.message import Response

__all__ = ["OUTCOME", "Problem", "outcome", "refused"]

OUTCOME = "application/fhir+json"
# HTTP status → code of value set issue-type, for faults that are not in the content
_CODES = {
    400: "structure",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    408: "timeout",
    411: "required",
    413: "too-long",
    415: "not-supported",
    421: "forbidden",
    422: "business-rule",
    431: "too-long",
    500: "exception",
    501: "not-supported",
    503: "transient",
    505: "not-supported",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One issue. `code`: of issue-type, '' = the status's own; `expression`: FHIRPath; `place`: of another format."""

    text: str
    code: str = ""
    expression: str = ""
    place: str = ""
    severity: str = "error"


def outcome(status: int, problems: Iterable[Problem], headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """An OperationOutcome with these issues."""
    issues = [_issue(problem, _CODES.get(status, "processing")) for problem in problems]
    content = {"resourceType": "OperationOutcome", "issue": issues}
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return Response(status, body, OUTCOME, headers)


def refused(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """An OperationOutcome with one issue, of the status's own code."""
    return outcome(status, [Problem(text)], headers)


def _issue(problem: Problem, code: str) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": problem.severity,
        "code": problem.code or code,
        "details": {"text": problem.text},
    }
    if problem.expression:
        issue["expression"] = [problem.expression]
    if problem.place:
        issue["diagnostics"] = problem.place
    return issue
