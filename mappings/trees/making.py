"""Makes resources from nodes: guard, key, rows (architecture, "Identity of resources")."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from adapters.cda import Node
from mappings.ids import resource_id
from mappings.trees.dispatch import Dispatch, Way
from mappings.trees.guards import Verdict
from mappings.trees.plan import Plan, copied, excuse
from mappings.trees.run import MAPPED, Resource, Run

__all__ = ["Maker"]

Identify = Callable[[Node], "tuple[str, ...] | None"]
"""An identifier element → the parts of a key, None if it names nothing."""


class Maker:
    """What rows call to make a resource (`emit`) or to follow a statement (`dispatch`)."""

    def __init__(self, identify: Identify, dispatch: Callable[[], Dispatch], elsewhere: Callable[[Node], bool]) -> None:
        self._identify = identify
        self._elsewhere = elsewhere  # whether a statement is about somebody else than the patient
        self._dispatch = dispatch

    def emit(self, plan: Plan, node: Node, run: Run, allowed: frozenset[str] | None) -> Resource | None:
        """The resource that a map makes of a node, made once; None if it makes none or one not allowed there."""
        chosen = plan.choose(node)
        if chosen is None or (allowed is not None and chosen.kind not in allowed):
            return None
        place = (chosen.number, id(node))
        if place in run.done:
            return run.done[place]
        run.done[place] = None
        verdict = chosen.guard.judge(node) if chosen.guard is not None else None
        if verdict is not None:
            refused = verdict.refused or ("it is about somebody else" if self._elsewhere(node) else "")
            if refused:
                run.refuse(node, f"no {chosen.kind} is made: {refused}")
                return None
        resource = self._resource(chosen, node, run)
        run.done[place] = resource
        if chosen.map.label:
            run.labels.setdefault(chosen.map.label, resource)
        if verdict is not None and verdict.sets:
            _judged(chosen, verdict, node, resource)
        wrote = False
        for row in chosen.rows:
            wrote = row(node, resource, resource.body, resource.trace) or wrote
        resource.wrote = resource.wrote or wrote
        for source, reason in chosen.excused:
            excuse(run, source, node, f"{chosen.map.file}: {reason}")
        return resource

    def dispatch(self, node: Node, run: Run) -> list[Resource]:
        """The resources that a statement makes; one that no map knows stays whole as residue."""
        way = self._dispatch().find(node)
        if way is None:
            if node.kids:
                run.unknown(node)
            return []
        if way.plan is not None:
            made = self.emit(way.plan, node, run, None)
            return [made] if made is not None else []
        return self._inside(way, node, run)

    def _inside(self, way: Way, node: Node, run: Run) -> list[Resource]:
        verdict = way.guard.judge(node) if way.guard is not None else None
        if verdict is not None and verdict.refused:
            run.refuse(node, f"nothing is made of the statements inside: {verdict.refused}")
            return []
        for source, reason in way.excused:
            excuse(run, source, node, reason)
        found: list[Resource] = []
        if way.open is not None:
            for place, _ in way.open.fetch(node):
                found += [made for made in self.dispatch(place, run) if made not in found]
        return found

    def _resource(self, plan: Plan, node: Node, run: Run) -> Resource:
        parts = self._key(plan, node, run)
        id_ = resource_id(run.namespace, plan.kind, parts)
        found = run.by_key.get((plan.kind, id_))
        if found is not None and not plan.map.merge and content(found.node) != content(node):
            # the sender uses one id for two statements: neither may disappear in the other
            run.issue("warning", "duplicate", node, f"the id of this {plan.kind} is that of another one")
            id_ = resource_id(run.namespace, plan.kind, (*parts, "content", content(node).hex()))
            found = run.by_key.get((plan.kind, id_))
        if found is None:
            found = run.by_key[plan.kind, id_] = Resource(run, plan.kind, id_, node)
            found.needs = plan.map.needs
            run.resources.append(found)
        return found

    def _key(self, plan: Plan, node: Node, run: Run) -> tuple[str, ...]:
        """The first usable identifier of each key path, else the content within this document."""
        parts: tuple[str, ...] = ()
        for source in plan.key:
            for place, _ in source.fetch(node):
                found = self._identify(place)
                if found is not None:
                    parts += found
                    break
        if parts:
            return parts
        return ("document", run.document.sha256.hex(), plan.map.name, content(node).hex())


def _judged(plan: Plan, verdict: Verdict, node: Node, resource: Resource) -> None:
    """Write what the guard says; what it was judged by is carried by that."""
    for put, value in plan.sets[id(verdict)]:
        put(resource.body, copied(value))
    for name in ("moodCode", "negationInd"):
        if name in node.attrs:
            resource.trace.append((0, MAPPED, node.attribute_leaf(name)))
    status = node.child("statusCode")
    if status is not None and "code" in status.attrs:
        resource.trace.append((0, MAPPED, status.attribute_leaf("code")))


def content(node: Node) -> bytes:
    """A digest of an element and all in it."""
    made: list[Any] = []
    stack = [node]
    while stack:
        each = stack.pop()
        made.append((each.name, sorted(each.attrs.items()), [run[1].strip() for run in each.runs], len(each.kids)))
        stack.extend(each.kids)
    return sha256(repr(made).encode("utf-8", "surrogatepass")).digest()
