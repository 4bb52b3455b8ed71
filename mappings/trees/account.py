"""What became of each leaf: mapped, kept, excused or residue, a partition (mappings.md, "Residue is arithmetic")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mappings.trees.run import ASIDE, EXCUSED, INVALID, KEPT, MAPPED, Run

__all__ = ["Balance", "Excuses", "account"]

_REASONS = {INVALID: "invalid", ASIDE: "set-aside"}
_BETTER = (9, 1, 2, 3, 4, 5, 6)  # by state: what a leaf is if several rules spoke of it


@dataclass(frozen=True, slots=True)
class Excuses:
    """What is left out on purpose wherever it stands. `pairs`: (element, attribute) → reason; '*' for any element;
    an attribute may name a value: `@negationInd=false`, and `@value=#` a reference that resolves.

    `elements`: whole elements, all in them included. Each reason is a row of excused.yaml.
    """

    pairs: Mapping[tuple[str, str], str]
    elements: Mapping[str, str]

    def reason(self, element: str, attribute: str) -> str | None:
        return self.pairs.get((element, attribute)) or self.pairs.get(("*", attribute))


@dataclass(frozen=True, slots=True)
class Balance:
    leaves: tuple[int, int, int, int]
    residue: list[tuple[str, str]]
    excused: list[tuple[str, str]]


def account(run: Run, excuses: Excuses) -> Balance:
    """The balance of a document."""
    document = run.document
    count = document.leaf_count()
    states = bytearray(count)
    for resource in run.resources:
        gone = bool(resource.aside) or not resource.wrote
        for _, state, leaf in resource.trace:
            new = ASIDE if gone and state <= EXCUSED else state
            if _BETTER[new] < _BETTER[states[leaf]] or not states[leaf]:
                states[leaf] = new
    for _, state, leaf in run.extra:
        if not states[leaf] or state < states[leaf]:
            states[leaf] = state
    strict = bytearray(count)
    for start, end in run.strict:
        strict[start:end] = b"\1" * (end - start)
    refused = bytearray(count)
    for start, end in run.refused:
        refused[start:end] = b"\1" * (end - start)
    residue: list[tuple[str, str]] = []
    excused: list[tuple[str, str]] = []
    mapped = states.count(MAPPED)
    kept = states.count(KEPT)
    for leaf in range(count):
        state = states[leaf]
        if state in (MAPPED, KEPT):
            continue
        if not strict[leaf]:
            reason = run.excused.get(leaf) if not state else None
            if reason is None and state in (0, EXCUSED):
                reason = _excuse(run, leaf, excuses)
            if reason is not None:
                excused.append((document.path(leaf), reason))
                continue
        why = "no-rule"
        if refused[leaf] and not state:
            why = "set-aside"
        elif state:
            why = _REASONS.get(state, "no-target")
        residue.append((document.path(leaf), why))
    return Balance((mapped, kept, len(excused), len(residue)), residue, excused)


def _excuse(run: Run, leaf: int, excuses: Excuses) -> str | None:
    document = run.document
    node = document.owners[leaf]
    place = leaf - node.leaf
    names = list(node.attrs)
    name = f"@{names[place]}" if 0 <= place < len(names) else "text()"
    found = excuses.reason(node.name, name)
    if found is None and name in ("@negationInd", "@code", "@value"):
        value = document.value(leaf)
        found = excuses.reason(node.name, f"{name}={value}")
        if found is None and value[0] == "#" and value[1:] in document.ids:
            found = excuses.reason(node.name, f"{name}=#")
    while found is None:
        found = excuses.elements.get(node.name)
        if node.parent is None:
            break
        node = node.parent
    return found
