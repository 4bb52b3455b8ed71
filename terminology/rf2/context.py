"""What is known of the patient when a map rule is evaluated: sex, age at onset, other findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from terminology.rf2.age import Age

__all__ = ["AGE_AT_ONSET", "FEMALE", "MALE", "NO_CONTEXT", "Context"]

FEMALE = "248152002"
MALE = "248153007"
AGE_AT_ONSET = "445518008"


def _same(finding: str, wanted: str) -> bool:
    return finding == wanted


@dataclass(frozen=True, slots=True)
class Context:
    """`sex`: 'female', 'male', or anything else and None = not known (administrative gender is not clinical sex: the
    caller decides whether to pass it). `findings`: concepts that the patient has; `complete`: has no others.
    `subsumes(finding, wanted)`: whether a finding is the wanted concept or a kind of it.
    """

    sex: str | None = None
    age: Age | None = None
    findings: frozenset[str] = frozenset()
    complete: bool = False
    subsumes: Callable[[str, str], bool] = _same
    age_observables: frozenset[str] = frozenset({AGE_AT_ONSET})


NO_CONTEXT = Context()
