"""A message structure compiled for walking (HL7 v2 chapter 2.12): slots in document order, and where each name leads.

From a slot, a segment name leads to a *plan*: moves in order of preference, worked out once and kept. A group is
entered properly through a segment that may open it. Level by level, from the current group outwards, come

1. forward: the same slot again if it repeats, or a later place in this group;
2. again: a new repetition of this group, if the segment opens it;
3. back: a free place that was passed, for segments out of order; the walk then goes on from where it was.

When no level has one, the same for groups whose opener is missing; then a segment that can stand only once and is there
already: if it opens its group, or is required in a repeating one, it begins a new repetition (an OBR without its ORC),
else it stands beside the first. Nothing else ever begins a repetition: a stray segment must not cut a group in two, or
results would hang on nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from adapters.hl7v2 import dictionary
from adapters.hl7v2.dictionary import Child

# A group whose first segments also follow it: ORC or OBR after an order's results is the next order, not its prior
# result, which only a patient segment opens; an OBX after ORC is a result, not the report of a document.
_OPENERS = {
    "PRIOR_RESULT": frozenset({"PID", "PV1"}),
    "ORDER_DOCUMENT": frozenset({"TXA"}),
}
# Several of these under one opener are several prior identifiers, not several repetitions.
_SEVERAL = frozenset({"MRG"})
# What can follow an order or patient segment before the one that decides where it belongs.
UNDECIDED = frozenset({"NTE", "TQ1", "TQ2", "PRT", "ROL", "CTD"})
FORWARD, AGAIN, BACK, DOUBLE = range(4)


@dataclass(slots=True, eq=False)
class Node:
    """A group of the structure; the root has no parent."""

    name: str
    path: str
    repeats: bool
    required: bool
    parent: Node | None
    index: int  # among the parent's children
    depth: int  # of the root: 0
    children: list[Node | Slot] = field(default_factory=list)
    opens: frozenset[str] = frozenset()  # names that may begin the group
    names: frozenset[str] = frozenset()  # all names in it


@dataclass(slots=True, eq=False)
class Slot:
    """The place of a segment in its group."""

    name: str
    repeats: bool
    required: bool
    node: Node
    index: int  # among the group's children
    number: int  # among the structure's slots, in document order
    plans: dict[str, tuple[Move, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """One way to place a segment. Groups down to `depth` stay open; `path` are the groups to enter below it."""

    kind: int
    depth: int
    path: tuple[Node, ...]
    slot: Slot
    contest: Contest | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """An opener whose place in the current repetition may still be free: does it begin a new one?

    Before the group's required member (ORC after its OBR): what follows decides, one of `anchors` first means a new
    repetition, one of `within` that it belongs to this one. The required member itself (OBR after ORC and TQ1): it
    belongs to this one if nothing but `openers` and what may stand between them came before it.
    """

    back: Move
    anchors: frozenset[str]
    within: frozenset[str]
    openers: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """One structure of one version."""

    root: Node
    start: Slot  # MSH

    def plan(self, slot: Slot, name: str) -> tuple[Move, ...]:
        """The moves for `name` after `slot`, best first; none = it has no place here."""
        found = slot.plans.get(name)
        if found is None:
            found = tuple(_moves(slot, name)) if name in self.root.names else ()
            if found or len(slot.plans) < 200:  # names from outside don't fill the memory
                slot.plans[name] = found
        return found


@lru_cache(maxsize=256)
def grammar(version: str, structure: str) -> Grammar | None:
    """The grammar of a message structure; None if no version has it."""
    found = dictionary.structure(version, structure)
    if found is None:
        return None
    root = Node("", "", False, True, None, 0, 0)
    _fill(root, found[1], [0])
    start = root.children[0]
    return Grammar(root, start) if isinstance(start, Slot) and start.name == "MSH" else None


def _fill(node: Node, children: Sequence[Child], counter: list[int]) -> None:
    opens: set[str] = set()
    names: set[str] = set()
    opening = True
    for alternatives in _flat(children):
        for child in alternatives:
            index = len(node.children)
            if len(child) == 3:
                slot = Slot(child[0], child[2] != 1, child[1] > 0, node, index, counter[0])
                counter[0] += 1
                node.children.append(slot)
                first = within = frozenset({slot.name})
            else:
                path = f"{node.path}.{child[0]}" if node.path else child[0]
                inner = Node(child[0], path, child[2] != 1, child[1] > 0, node, index, node.depth + 1)
                node.children.append(inner)
                _fill(inner, child[3], counter)
                first, within = inner.opens, inner.names
            names |= within
            if opening:
                opens |= first
        opening = opening and all(child[1] == 0 for child in alternatives)
    node.names = frozenset(names)
    node.opens = _OPENERS.get(node.name, frozenset(opens))


def _flat(children: Sequence[Child]) -> Iterator[Sequence[Child]]:
    """Children one by one, the members of a choice together."""
    for child in children:
        if len(child) == 4 and child[0] == "":
            yield child[3]
        else:
            yield (child,)


def _moves(slot: Slot, name: str) -> Iterator[Move]:
    for proper in (True, False):
        for node, position in _levels(slot):
            if proper and node is slot.node and slot.name == name and slot.repeats:
                yield Move(FORWARD, node.depth, (), slot)
                return
            ahead = _find(node, range(position + 1, len(node.children)), name, proper)
            if ahead:
                yield Move(FORWARD, node.depth, _path(node, ahead), ahead)
                return
            behind = _find(node, range(position), name, proper)
            if proper and node.repeats and name in node.opens:
                yield _again(node, name, position)
                return
            if behind:
                yield Move(BACK, node.depth, _path(node, behind), behind)
    yield from _doubled(slot, name)


def _doubled(slot: Slot, name: str) -> Iterator[Move]:
    for node, _ in _levels(slot):
        for child in node.children:
            if isinstance(child, Slot) and child.name == name:
                begins = name in node.opens or (child.required and node.repeats)
                if begins and node.parent is not None and name not in _SEVERAL:
                    yield Move(AGAIN, node.depth - 1, (node,), child)
                else:
                    yield Move(DOUBLE, node.depth, (), child)
                return


def _levels(slot: Slot) -> Iterator[tuple[Node, int]]:
    """From the slot's group outwards: group and the place in it that was reached."""
    node = slot.node
    yield node, slot.index
    while node.parent is not None:
        yield node.parent, node.index
        node = node.parent


def _find(node: Node, positions: range, name: str, proper: bool) -> Slot | None:
    """The first slot of this name at these places of the group; properly: entering groups through what opens them."""
    for position in positions:
        child = node.children[position]
        if isinstance(child, Slot):
            if child.name == name:
                return child
        elif name in (child.opens if proper or child.name in _OPENERS else child.names):
            found = _find(child, range(len(child.children)), name, proper)
            if found:
                return found
    return None


def _path(node: Node, slot: Slot) -> tuple[Node, ...]:
    path: list[Node] = []
    inner: Node | None = slot.node
    while inner is not None and inner is not node:
        path.append(inner)
        inner = inner.parent
    return tuple(reversed(path))


def _again(node: Node, name: str, position: int) -> Move:
    slot = _find(node, range(len(node.children)), name, True)
    assert slot is not None  # `name` opens the group
    assert node.parent is not None  # the root doesn't repeat
    reached = slot.node if slot.node is not node else None
    while reached is not None and reached.parent is not node:
        reached = reached.parent
    child = reached.index if reached is not None else slot.index
    required = next((index for index, part in enumerate(node.children) if part.required), None)
    contest = None
    if required is not None and child <= required <= position:
        anchor = node.children[required]
        anchors = frozenset({anchor.name}) if isinstance(anchor, Slot) else anchor.opens
        within: frozenset[str] = frozenset()
        for part in node.children[required:]:
            within |= {part.name} if isinstance(part, Slot) else part.names
        back = Move(BACK, node.depth, _path(node, slot), slot)
        openers = node.opens - {name} if child == required else frozenset[str]()
        if child < required or openers:
            contest = Contest(back, anchors, within - anchors - UNDECIDED - {name}, openers)
    return Move(AGAIN, node.depth - 1, _path(node.parent, slot), slot, contest)
