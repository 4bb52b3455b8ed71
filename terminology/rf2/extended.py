"""Extended maps (ICD-10 Mapping Technical Guide 6.7-6.8): one decision per group, in the order of groups.

Policy, if a rule of higher priority is unknown and a later one true: `safe` gives no code and lists both (what billing
and clinical output need); `strict-rf2` takes the true row and says that context was missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from terminology.decision import UNKNOWN, Alternative, Decision, Target
from terminology.errors import PlanError
from terminology.packs import Pack
from terminology.rf2.context import Context
from terminology.rf2.rule import Kleene, parse_rule

__all__ = ["CANNOT_BE_CLASSIFIED", "POLICIES", "GroupDecision", "MapRow", "decide", "decide_groups", "rows"]

POLICIES = ("safe", "strict-rf2")
CANNOT_BE_CLASSIFIED = "447638001"
_EQUIVALENCE = {
    "447557004": "equal",
    "447558009": "wider",
    "447559001": "narrower",
    "447560006": "inexact",
    "447556008": "disjoint",
}  # anything else, "not specified" above all: relatedto


@dataclass(frozen=True, slots=True)
class MapRow:
    """One row of the refset."""

    group: int
    priority: int
    id: str
    rule: str
    advice: str
    target: str
    correlation: str
    category: str


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """`status`: 'code', 'no-code' (the row that holds has no target), 'ambiguous' or 'no-target' (no row holds).

    `alternatives`: rows that may hold. `context_missing`: a row before the one taken might hold. `ties`: two rows of
    one priority, which the release should not have.
    """

    group: int
    status: str
    row: MapRow | None = None
    alternatives: tuple[MapRow, ...] = ()
    context_missing: bool = False
    ties: bool = False


def decide_groups(found: Sequence[MapRow], context: Context, policy: str = "safe") -> list[GroupDecision]:
    """One decision per group; groups may have gaps and needn't begin at 1."""
    if policy not in POLICIES:
        raise PlanError(f"no policy {policy!r}; there are {', '.join(POLICIES)}")
    ordered = sorted(found, key=lambda row: (row.group, row.priority, row.id))
    return [_group(number, list(each), context, policy) for number, each in groupby(ordered, lambda row: row.group)]


def _group(number: int, found: list[MapRow], context: Context, policy: str) -> GroupDecision:
    ties = len({row.priority for row in found}) < len(found)
    candidates: list[MapRow] = []
    for row in found:
        value = parse_rule(row.rule).evaluate(context)
        if value is Kleene.FALSE:
            continue
        if value is Kleene.UNKNOWN or (candidates and policy == "safe"):
            candidates.append(row)
            if value is Kleene.TRUE:
                break
            continue
        others, missing = tuple(candidates), bool(candidates)
        return GroupDecision(number, "code" if row.target else "no-code", row, others, missing, ties)
    if candidates:
        return GroupDecision(number, "ambiguous", None, tuple(candidates), True, ties)
    return GroupDecision(number, "no-target", ties=ties)


def rows(pack: Pack, source: str) -> list[MapRow]:
    """All rows of a source concept."""
    found = pack.rows(
        "SELECT grp, priority, id, rule, advice, target, correlation, category FROM extended_map"
        " WHERE source=? ORDER BY grp, priority, id",
        (source,),
    )
    return [MapRow(int(str(group)), int(str(priority)), *map(str, rest)) for group, priority, *rest in found]


def decide(found: Sequence[MapRow], context: Context, policy: str = "safe") -> Decision:
    """All groups as one answer. A group undecided leaves all undecided: half a combination says something else."""
    if not found:
        return UNKNOWN
    groups = decide_groups(found, context, policy)
    notes = tuple(_notes(groups))
    if any(group.status == "ambiguous" for group in groups):
        shown = tuple(
            Alternative((row.target,) if row.target else (), row.rule) for group in groups for row in group.alternatives
        )
        return Decision("ambiguous", alternatives=shown, notes=notes)
    chosen = [group.row for group in groups if group.status == "code" and group.row is not None]
    advice = tuple(dict.fromkeys(duty for row in chosen for duty in duties(row.advice)))
    # group 1 is the primary code: without it the others say nothing by themselves
    if not chosen or groups[0].status != "code":
        return Decision("no-target", advice=advice, notes=notes)
    unfinished = [row.target for row in chosen if "?" in row.target]
    if unfinished:
        waiting = tuple(Alternative((target,), "a character has to be completed") for target in unfinished)
        return Decision("ambiguous", alternatives=waiting, advice=advice, notes=notes)
    targets = tuple(Target(row.target, _EQUIVALENCE.get(row.correlation, "relatedto")) for row in chosen)
    approximate = any(target.equivalence not in ("equal", "relatedto") for target in targets)
    return Decision("translated" if len(targets) == 1 else "combination", targets, (), approximate, advice, notes)


def duties(advice: str) -> list[str]:
    """The single pieces of a map advice, without the one that only repeats the target."""
    return [part for part in advice.split(" | ") if part and not part.startswith(("ALWAYS ", "IF ", "CHOOSE "))]


def _notes(groups: Sequence[GroupDecision]) -> list[str]:
    found = [f"group {group.group}: two rows of one priority" for group in groups if group.ties]
    for group in groups:
        if group.status == "no-code" and group.row is not None:
            why = "the concept can't be classified" if group.row.category == CANNOT_BE_CLASSIFIED else "no code is due"
            found.append(f"group {group.group}: {why}")
        elif group.status == "code" and group.context_missing:
            found.append(f"group {group.group}: context missing, an earlier rule might hold")
    return found


def candidates(pack: Pack, target: str) -> list[tuple[str, MapRow]]:
    """(source concept, row) of every row with this target: the map backwards, which is one to many by design and never
    more than a list to choose from. Rows without condition and of the first group come first."""
    found = pack.rows(
        "SELECT source, grp, priority, id, rule, advice, target, correlation, category FROM extended_map"
        " WHERE replace(target, '.', '')=replace(?, '.', '')",
        (target,),
    )
    listed = [
        (str(source), MapRow(int(str(group)), int(str(priority)), *map(str, rest)))
        for source, group, priority, *rest in found
    ]
    return sorted(listed, key=lambda each: (each[1].group, not _always(each[1]), each[1].priority, each[0]))


def _always(row: MapRow) -> bool:
    rule = parse_rule(row.rule)
    return not rule.fault and not rule.conditions and not rule.otherwise
