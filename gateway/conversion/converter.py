"""One unit → one line of the report and one Bundle: the pure half of the journey, without state."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.hl7v2 import Issue
    from mappings import EffectiveMap, Mapped, MapSettings

__all__ = ["Converter", "Line", "Result"]

Line = dict[str, object]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one unit: its line without place and Bundle path, the Bundle's bytes, the explanation's lines."""

    line: Line
    bundle: bytes | None
    explanation: tuple[str, ...] = ()


def issue_line(issue: Issue) -> Line:
    """An issue as the report writes it."""
    return {
        "severity": issue.severity,
        "code": issue.code,
        "path": issue.path,
        "expression": issue.expression,
        "text": issue.text,
    }


class Converter:
    """Converts HL7 v2 units with one effective map and one channel's settings."""

    def __init__(self, effective: EffectiveMap, settings: MapSettings, explain: bool = False) -> None:
        self._effective = effective
        self._settings = settings
        self._explain = explain

    def message(self, body: bytes, found: tuple[Issue, ...] = ()) -> Result:
        """Convert the bytes of one message; `found` are issues of the walk (what stood before it)."""
        from adapters.hl7v2 import Hl7Error, read
        from mappings import bundle

        begun = time.perf_counter()
        try:
            message = read(body)
        except Hl7Error as error:
            line = failed(body, "hl7v2", str(error), begun)
            line["issues"] = [*map(issue_line, found), *_list(line["issues"])]
            return Result(line, None)
        mapped = self._effective.map(message, self._settings)
        data = bundle(mapped, self._settings.base) + b"\n"
        explanation: tuple[str, ...] = ()
        if self._explain:
            explanation = tuple(str(step) for step in self._effective.explain(message, self._settings))
        return Result(_mapped(body, mapped, found, begun), data, explanation)


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _mapped(body: bytes, mapped: Mapped, found: tuple[Issue, ...], begun: float) -> Line:
    issues = [issue_line(issue) for issue in (*found, *mapped.issues)]
    status = mapped.status
    if any(issue["severity"] == "error" for issue in issues):
        status = "partial"
    resources: dict[str, int] = {}
    for change in mapped.changes:
        resources[change.type] = resources.get(change.type, 0) + 1
    counts = dict(zip(("mapped", "kept", "excused", "residue"), mapped.leaves, strict=True))
    return {
        "sha256": mapped.sha256.hex(),
        "format": "hl7v2",
        "type": mapped.type,
        "status": status,
        "resources": dict(sorted(resources.items())),
        "leaves": counts,
        "residue": [{"path": path, "reason": reason} for path, reason in mapped.residue],
        "excused": [{"path": path, "rule": rule} for path, rule in mapped.excused],
        "issues": issues,
        "ms": _ms(begun),
    }


def failed(body: bytes, format_: str | None, text: str, begun: float, code: str = "structure") -> Line:
    """The line of a unit from which no Bundle could be made."""
    return {
        "sha256": sha256(body).hexdigest(),
        "format": format_,
        "type": None,
        "status": "failed",
        "resources": None,
        "leaves": None,
        "residue": [],
        "excused": [],
        "issues": [{"severity": "error", "code": code, "path": None, "expression": None, "text": text}],
        "ms": _ms(begun),
    }


def _ms(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 3)
