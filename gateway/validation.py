"""Validation of files: walk and units as for `convert`, a line per unit (commands.md, "validate")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.conversion import detect, walk
from gateway.conversion.converter import Line, issue_line
from gateway.conversion.walk import printable

if TYPE_CHECKING:
    from adapters.hl7v2.conformance import Profile
    from adapters.issue import Issue
    from pipelines.validation import Validator

__all__ = ["VALIDATED", "Asked", "fhir_issues", "validate"]

VALIDATED = ("hl7v2", "fhir")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to validate and how far."""

    paths: Sequence[str]
    format: str
    level: str
    validator: Validator
    profile: Profile | None = None


def validate(asked: Asked) -> Iterator[Line]:
    """A line per unit; files of other formats have none, but for those named on the command line."""
    from pipelines.formats import source as row

    for source in walk(asked.paths):
        data = source.read()
        found = detect(data)
        if found is None and asked.format != "auto" and source.named:
            found = asked.format
        place: Line = {"source": printable(source.name)}
        if found not in VALIDATED or asked.format not in ("auto", found):
            if source.named:
                text = f"not validated: {found or 'no message or resource that we know'}"
                yield place | _line(None, found, None, [_error("not-supported", text)])
            continue
        count = 0
        for unit in row(found).units(data):
            count += 1
            if unit.envelope:  # a batch file's own line, as in `convert`: its trailers
                yield place | _line(None, found, unit.envelope, [issue_line(issue) for issue in unit.issues])
                continue
            yield place | _VALIDATORS[found](unit.index, unit.body, unit.issues, asked)
        if not count:
            yield place | _line(None, found, None, [_error("structure", f"no {row(found).noun}")])


def _hl7v2(index: int | None, body: bytes, before: tuple[Issue, ...], asked: Asked) -> Line:
    from adapters.hl7v2 import Hl7Error, read
    from adapters.hl7v2.conformance import conform

    try:
        message = read(body)
    except Hl7Error as error:
        return _line(index, "hl7v2", None, [*map(issue_line, before), _error("structure", str(error))])
    return _line(
        index, "hl7v2", message.type, [issue_line(issue) for issue in (*before, *conform(message, asked.profile))]
    )


def _fhir(index: int | None, body: bytes, before: tuple[Issue, ...], asked: Asked) -> Line:
    from adapters.fhir import DecodeError, decode

    try:
        value: Any = decode(body)
    except DecodeError as error:
        return _line(index, "fhir", None, [_error("structure", error.reason, error.path or None)])
    type_ = value.get("resourceType") if isinstance(value, dict) else None
    issues = fhir_issues(value, asked.level, asked.validator)
    return _line(index, "fhir", type_ if isinstance(type_, str) else None, issues)


_VALIDATORS = {"hl7v2": _hl7v2, "fhir": _fhir}


def fhir_issues(value: Any, level: str, validator: Validator) -> list[Line]:
    """The findings of a resource as issues of the report."""
    return [
        {
            "severity": each.severity,
            "code": each.code,
            "path": each.expression,
            "expression": each.expression,
            "text": each.text,
        }
        for each in validator(value, level)
    ]


def _line(index: int | None, format_: str | None, type_: str | None, issues: list[Line]) -> Line:
    valid = not any(issue["severity"] in ("error", "fatal") for issue in issues)
    return {"index": index, "format": format_, "type": type_, "valid": valid, "issues": issues}


def _error(code: str, text: str, path: str | None = None) -> Line:
    return {"severity": "error", "code": code, "path": path, "expression": path, "text": text}
