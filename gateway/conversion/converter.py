"""One unit → one line of the report and one Bundle: the pure half of the journey, without state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.issue import Issue
    from mappings import Mapped, MapSettings
    from pipelines.translation import Translation

__all__ = ["Converter", "Line", "Result"]

Line = dict[str, object]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one unit: its line without place and Bundle path, the Bundle's bytes, the explanation's lines.

    `place`: where the Bundle goes that this unit shares with others; `bundle` is then its `Mapped` as bytes.
    """

    line: Line
    bundle: bytes | None
    explanation: tuple[str, ...] = ()
    place: str = ""


def issue_line(issue: Issue) -> Line:
    """An issue as the report writes it."""
    return {
        "severity": issue.severity,
        "code": issue.code,
        "path": issue.path,
        "expression": issue.expression,
        "text": issue.text,
    }


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts units of any format as one channel does. Maps are loaded when their format first comes.

    `overlays`: format → folders of map overlays. `plans`: format → translation plan. `packs`: folder of imported packs.
    `level`: the channel's check.
    """

    settings: MapSettings
    overlays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    level: str = "values"
    explain: bool = False
    plans: Mapping[str, str] = field(default_factory=dict)
    packs: Path | None = None

    def prepare(self) -> None:
        """Load maps with overlays, and plans, now: a fault is one plain error. Raises MappingError, SettingsError."""
        from pipelines.formats import maps

        for format_, overlays in self.overlays.items():
            maps(format_, overlays)
        for plan in self.plans.values():
            _translation(plan, self.packs)

    def unit(self, format_: str, body: bytes, found: tuple[Issue, ...] = ()) -> Result:
        """Convert the bytes of one unit; `found` are issues of the walk (what stood before it)."""
        from mappings import bundle
        from pipelines import journey
        from pipelines.errors import CheckFailed
        from pipelines.formats import maps, source
        from terminology import TerminologyError

        row = source(format_)
        effective = maps(format_, self.overlays.get(format_, ()))
        plan = _translation(self.plans[format_], self.packs) if format_ in self.plans else None
        errors: tuple[type[Exception], ...] = (CheckFailed, TerminologyError, *row.errors)
        begun = time.perf_counter()
        try:
            mapped = journey.pure(body, effective, self.settings, row.level(self.level), plan)
        except errors as error:
            line = failed(body, format_, str(error), begun)
            line["issues"] = [*map(issue_line, found), *_list(line["issues"])]
            return Result(line, None)
        explanation: tuple[str, ...] = ()
        if self.explain:
            translated = () if plan is None else plan.explain(effective.map(body, self.settings))
            explanation = (*effective.explain(body, self.settings), *translated)
        if row.together is not None:
            place = row.together.place(mapped)
            return Result(_mapped(body, format_, mapped, found, begun), mapped.to_bytes(), explanation, place)
        data = bundle(mapped, self.settings.base) + b"\n"
        return Result(_mapped(body, format_, mapped, found, begun), data, explanation)


@cache
def _translation(plan: str, packs: Path | None) -> Translation | None:
    """A plan, as it is when it is first asked for."""
    from pipelines.translation import translation

    return translation(plan, packs)


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _mapped(body: bytes, format_: str, mapped: Mapped, found: tuple[Issue, ...], begun: float) -> Line:
    issues = [issue_line(issue) for issue in (*found, *mapped.issues)]
    status = mapped.status
    if any(issue["severity"] == "error" for issue in issues):
        status = "partial"
    resources: dict[str, int] = {}
    for type_ in (*(change.type for change in mapped.changes), *(part.type for part in mapped.parts)):
        resources[type_] = resources.get(type_, 0) + 1
    counts = dict(zip(("mapped", "kept", "excused", "residue"), mapped.leaves, strict=True))
    return {
        "sha256": mapped.sha256.hex(),
        "format": format_,
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
