"""`POST /$validate` (operation-resource-validate.html): a resource, or Parameters with one, in; OperationOutcome out.

200 says that validation took place, not that the resource is valid: that stands in the outcome.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import Any

from adapters.fhir import DecodeError, Finding, decode, operation_outcome
from gateway.web import OUTCOME, Problem, Request, Response, Route, in_thread, outcome
from pipelines.validation import Validator, validator

__all__ = ["Validating"]

_LIMIT = 16 << 20  # bytes: a person or a test waits for the answer
_LEVELS = ("structure", "full")


class Validating:
    """The surface. The validator is made with the first request; a package added later counts after a restart."""

    def __init__(self, packages: Path, packs: Path) -> None:
        self._places = (packages, packs)
        self._validator: Validator | None = None
        self._one = Lock()  # packs are open databases, used by one thread at a time

    @property
    def routes(self) -> tuple[Route, ...]:
        """Rows of this surface."""
        handler = in_thread(self._handle)
        return (
            Route("POST", "/$validate", handler, limit=_LIMIT),
            Route("POST", "/{type}/$validate", handler, limit=_LIMIT),
        )

    def _handle(self, request: Request) -> Response:
        level = request.query.get("level", "full")
        if level not in _LEVELS:
            return outcome(400, [Problem(f"level is one of {', '.join(_LEVELS)}", "value")])
        try:
            value: Any = decode(request.body)
        except DecodeError as error:
            return outcome(400, [Problem(error.reason, "structure", error.path)])
        profiles = [request.query["profile"]] if "profile" in request.query else []
        if isinstance(value, dict) and value.get("resourceType") == "Parameters":
            value, more = _parameters(value)
            profiles += more
        if not isinstance(value, dict):
            return outcome(400, [Problem("a resource is expected, or Parameters with a `resource`", "required")])
        with self._one:
            return self._answer(value, profiles, level, request.parameters.get("type", ""))

    def _answer(self, resource: dict[str, Any], profiles: list[str], level: str, type_: str) -> Response:
        if self._validator is None:
            self._validator = validator(*self._places)
        found = self._validator
        findings = []
        if type_ and resource.get("resourceType") != type_:
            findings.append(Finding("error", "invalid", "", f"the resource is not of type {type_}"))
        for profile in profiles:
            if found.table.profile(profile) is None:
                findings.append(Finding("error", "not-found", "", "the profile asked for is not known here"))
        if profiles:
            resource = _claiming(resource, profiles)
        findings += found(resource, level)
        body = json.dumps(_told(operation_outcome(findings)), ensure_ascii=False, separators=(",", ":"))
        return Response(200, body.encode(), OUTCOME)


def _parameters(value: dict[str, Any]) -> tuple[Any, list[str]]:
    """(the resource, the profile) of the operation's parameters."""
    resource, profiles = None, []
    parts = value.get("parameter")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and part.get("name") == "resource":
            resource = part.get("resource")
        elif isinstance(part, dict) and part.get("name") == "profile":
            profile = part.get("valueUri") or part.get("valueCanonical")
            profiles += [profile] if isinstance(profile, str) else []
    return resource, profiles


def _claiming(resource: dict[str, Any], profiles: list[str]) -> dict[str, Any]:
    """The resource as if it claimed the profiles."""
    meta = resource.get("meta")
    own = dict(meta) if isinstance(meta, dict) else {}
    claimed = own.get("profile")
    own["profile"] = [*(claimed if isinstance(claimed, list) else ()), *profiles]
    return {**resource, "meta": own}


def _told(found: dict[str, Any]) -> dict[str, Any]:
    """Without empty expressions."""
    for issue in found["issue"]:
        if issue.get("expression") == [""]:
            del issue["expression"]
    return found
