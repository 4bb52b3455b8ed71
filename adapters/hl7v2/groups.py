"""The group walk (HL7 v2 chapter 2.12): a message's segments put into the groups of its structure.

Tolerant: order, absent groups, missing openers, repeated, misplaced, unknown and Z segments. No segment is lost: one
without a place stays in the group that it was found in. An NTE goes with the segment it follows (a PRT between them,
the participants of that segment, does not part them); `Tree.notes` says whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.hl7v2.grammar import AGAIN, BACK, UNDECIDED, Contest, Grammar, Move, Node, Slot, grammar
from adapters.hl7v2.message import Message, Segment

_LOOK_AHEAD = 64  # segments read ahead or back to see where one out of order belongs


@dataclass(slots=True, eq=False)
class Group:
    """One repetition of a group; immutable after the walk."""

    name: str  # '' for the root
    path: str  # 'PATIENT_RESULT.ORDER_OBSERVATION'; '' for the root
    parent: Group | None
    children: list[Segment | Group] = field(default_factory=list)

    def segments(self, name: str) -> list[Segment]:
        """The segments of this name directly in this group."""
        return [child for child in self.children if isinstance(child, Segment) and child.name == name]

    def groups(self, name: str) -> list[Group]:
        """The repetitions of a group directly in this one."""
        return [child for child in self.children if isinstance(child, Group) and child.name == name]


@dataclass(slots=True, eq=False)
class Tree(Group):
    """The root group, and where everything is, by the segment's position in the message."""

    homes: list[Group] = field(default_factory=list)  # the group that the segment at this position stands in
    notes: dict[int, list[Segment]] = field(default_factory=dict)  # position of a segment -> its NTEs

    def notes_of(self, position: int) -> list[Segment]:
        """The NTEs of the segment at this position."""
        return self.notes.get(position, [])


def group(message: Message) -> Tree:
    """The message's groups, by the structure derived for it; all in the root if its structure is unknown."""
    rules = grammar(message.dictionary_version, message.structure) if message.structure else None
    tree = Tree("", "", None)
    if rules is None:
        tree.children.extend(message.segments)
        tree.homes.extend([tree] * len(message.segments))
        _notes(tree, message.segments)
    else:
        _Walk(tree, rules, message.segments).run()
    return tree


def _notes(tree: Tree, segments: list[Segment]) -> None:
    owner = 0
    for segment in segments:
        name = segment.name
        if name == "NTE":
            tree.notes.setdefault(owner, []).append(segment)
        elif name != "PRT":
            owner = segment.position


class _Walk:
    """State of one walk: the open groups, the slot reached, a side line for what was put back to an earlier place."""

    __slots__ = ("filled", "latest", "rules", "segments", "side", "slot", "stack", "tree")

    def __init__(self, tree: Tree, rules: Grammar, segments: list[Segment]) -> None:
        self.tree = tree
        self.rules = rules
        self.segments = segments
        self.slot: Slot = rules.start
        self.stack: list[Group] = [tree]  # by depth
        self.filled: set[tuple[int, int]] = set()  # (group, slot) of slots that hold a segment
        self.latest: dict[tuple[int, int], Group] = {}  # (parent, node) -> the last repetition in it
        self.side: tuple[Slot, list[Group], int] | None = None  # slot, open groups and lowest depth of the side line

    def run(self) -> None:
        tree = self.tree
        homes = tree.homes
        notes = tree.notes
        plan = self.rules.plan
        home: Group = tree
        owner = 0
        for segment in self.segments:
            name = segment.name
            position = segment.position
            if name == "NTE":
                notes.setdefault(owner, []).append(segment)
                home.children.append(segment)
                homes.append(home)
                continue
            if name != "PRT":
                owner = position
            if position == 0:
                tree.children.append(segment)
                homes.append(tree)
                continue
            moves = self.slot.plans.get(name)
            if moves is None:
                moves = plan(self.slot, name)
            if self.side is not None or (moves and (moves[0].kind == BACK or moves[0].contest is not None)):
                home = self._place(segment, moves) or home
            elif moves:
                move = moves[0]
                home = self._enter(self.stack, move) if move.kind <= AGAIN else self.stack[move.depth]
            home.children.append(segment)
            homes.append(home)

    def _enter(self, stack: list[Group], move: Move) -> Group:
        """Go forward to a slot, closing and opening groups; the group it is in."""
        depth = move.depth + 1
        if len(stack) > depth:
            del stack[depth:]
        home = stack[-1]
        for node in move.path:
            home = self._open(home, node)
            stack.append(home)
        slot = move.slot
        if not slot.repeats:
            self.filled.add((id(home), slot.number))
        if stack is self.stack:
            self.slot = slot
        return home

    def _open(self, parent: Group, node: Node) -> Group:
        made = Group(node.name, node.path, parent)
        parent.children.append(made)
        self.latest[id(parent), id(node)] = made
        return made

    def _place(self, segment: Segment, moves: tuple[Move, ...]) -> Group | None:
        """The slow way, for messages out of order; None if the segment has no place."""
        if self.side is not None:
            slot, stack, depth = self.side
            aside = self.rules.plan(slot, segment.name)
            if aside and aside[0].kind <= AGAIN and aside[0].depth >= depth:
                self.side = (aside[0].slot, stack, depth)
                return self._enter(stack, aside[0])
            self.side = None
        for move in moves:
            if move.kind == BACK:
                home = self._back(move)
                if home is not None:
                    return home
                continue
            if move.contest is not None and self._belongs_here(segment.position, move.contest):
                home = self._back(move.contest.back)
                if home is not None:
                    return home
            return self._enter(self.stack, move) if move.kind <= AGAIN else self.stack[move.depth]
        return None

    def _back(self, move: Move) -> Group | None:
        """Put a segment into a place that was passed; None if the place is taken. The walk stays where it is."""
        slot = move.slot
        stack = self.stack[: move.depth + 1]
        home: Group | None = stack[-1]
        missing = 0
        for node in move.path:
            home = self.latest.get((id(home), id(node))) if home is not None else None
            if home is None:
                missing += 1
            else:
                stack.append(home)
        if not missing and not slot.repeats and (id(stack[-1]), slot.number) in self.filled:
            if not move.path or not move.path[-1].repeats:
                return None
            stack.pop()
            missing = 1
        for node in move.path[len(move.path) - missing :]:
            stack.append(self._open(stack[-1], node))
        if not slot.repeats:
            self.filled.add((id(stack[-1]), slot.number))
        if move.path:
            self.side = (slot, stack, move.path[-1].depth)
        return stack[-1]

    def _belongs_here(self, position: int, contest: Contest) -> bool:
        if contest.openers:
            for segment in reversed(self.segments[max(0, position - _LOOK_AHEAD) : position]):
                if segment.name not in UNDECIDED:
                    return segment.name in contest.openers
            return False
        for segment in self.segments[position + 1 : position + 1 + _LOOK_AHEAD]:
            if segment.name in contest.anchors:
                return False
            if segment.name in contest.within:
                return True
        return True
