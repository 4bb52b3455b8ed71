"""What translating one code comes to, whatever the kind of map. "Ambiguous" and "no target" are answers, not errors."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STATUSES", "UNKNOWN", "Alternative", "Decision", "Target"]

STATUSES = {
    "translated": "one code",
    "combination": "several codes that only together say what the source code says",
    "ambiguous": "several codes, and nothing that decides between them",
    "no-target": "the map knows the code and has nothing for it",
    "retired": "the map's target is not a usable code in the edition at hand",
    "unknown": "the map doesn't know the code",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One code of the target system. `equivalence`: FHIR R4 ConceptMapEquivalence."""

    code: str
    equivalence: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Codes that could be meant, together; and when."""

    codes: tuple[str, ...]
    when: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """`targets`: one if translated, several in their order if a combination, else none.

    `approximate`: the target doesn't mean exactly the same. `advice`: what the map asks of who uses the code.
    `notes`: what else was met on the way (a retired source, ties, missing context).
    """

    status: str
    targets: tuple[Target, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    approximate: bool = False
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


UNKNOWN = Decision("unknown")
