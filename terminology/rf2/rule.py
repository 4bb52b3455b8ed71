"""Map rules (ICD-10 Mapping Technical Guide 6.6) in Kleene logic: true, false, or unknown; AND is the least of them.

    rule := "" | "TRUE" | "OTHERWISE TRUE" | cond (" AND " cond)*
    cond := "IFA" SP sctid [SP? "|" term "|"] [SP op SP number SP unit]

A rule that can't be parsed is unknown, never true.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache

from terminology.rf2.age import UNITS, Interval
from terminology.rf2.context import FEMALE, MALE, Context

__all__ = ["Condition", "Kleene", "Rule", "parse_rule"]


class Kleene(IntEnum):
    """Ordered so that AND is min."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2


_TERM = re.compile(r"\|[^|]*\|")
_CONDITION = re.compile(
    r"IFA\s+(?P<id>[0-9]{6,18})(?:\s+(?P<op><=|>=|<|>|=)\s*(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)\s+(?P<unit>[a-z]+))?"
)
_COMPARE: dict[str, Callable[[int, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_SEX = {FEMALE: "female", MALE: "male"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One conjunct. `op` '': the patient has the finding, or is of the sex."""

    id: str
    op: str = ""
    number: Decimal = Decimal(0)
    unit: str = ""

    def evaluate(self, context: Context) -> Kleene:
        """In the light of what is known."""
        if self.op:
            if self.id not in context.age_observables or context.age is None:
                return Kleene.UNKNOWN
            return self._compare(context.age.within(self.unit))
        wanted = _SEX.get(self.id)
        if wanted is not None:
            if context.sex not in ("female", "male"):
                return Kleene.UNKNOWN
            return Kleene.TRUE if context.sex == wanted else Kleene.FALSE
        if any(context.subsumes(finding, self.id) for finding in context.findings):
            return Kleene.TRUE
        return Kleene.FALSE if context.complete else Kleene.UNKNOWN

    def _compare(self, age: Interval) -> Kleene:
        low, high = age
        if self.op == "=":
            if low == high == self.number:
                return Kleene.TRUE
            return Kleene.UNKNOWN if low <= self.number <= high else Kleene.FALSE
        holds = _COMPARE[self.op]
        ends = {holds(low, self.number), holds(high, self.number)}  # the comparison is monotone in between
        return Kleene.UNKNOWN if len(ends) == 2 else Kleene.TRUE if ends == {True} else Kleene.FALSE


@dataclass(frozen=True, slots=True)
class Rule:
    """`conditions`: ANDed; none = always true. `otherwise`: what is left when no rule before it held.

    `fault`: why the text is no rule, '' if it is one.
    """

    conditions: tuple[Condition, ...] = ()
    otherwise: bool = False
    fault: str = ""

    def evaluate(self, context: Context) -> Kleene:
        """In the light of what is known."""
        if self.fault:
            return Kleene.UNKNOWN
        return min((condition.evaluate(context) for condition in self.conditions), default=Kleene.TRUE)


@lru_cache(maxsize=16384)
def parse_rule(text: str) -> Rule:
    """Never fails: what is no rule has a fault."""
    plain = " ".join(_TERM.sub(" ", text).split())
    if plain in ("", "TRUE"):
        return Rule()
    if plain == "OTHERWISE TRUE":
        return Rule(otherwise=True)
    found = []
    for part in plain.split(" AND "):
        match = _CONDITION.fullmatch(part.strip())
        if match is None:
            return Rule(fault="not a map rule")
        unit = match["unit"] or ""
        unit = unit if not unit or unit.endswith("s") else unit + "s"
        if unit and unit not in UNITS:
            return Rule(fault="not a unit of age")
        found.append(Condition(match["id"], match["op"] or "", Decimal(match["number"] or 0), unit))
    return Rule(tuple(found))
