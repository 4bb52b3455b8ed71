"""The state of one document being mapped: resources in the making, what became of each leaf, references, issues."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from adapters.cda import Document, Node
from adapters.fhir import is_oid
from adapters.hl7v2 import Issue
from mappings.leaves.base import LeafContext
from mappings.values import MapSettings

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,24}")  # what may stand in a report: a code, never a text

__all__ = ["ASIDE", "CONFLICT", "EXCUSED", "INVALID", "KEPT", "MAPPED", "Resource", "Run", "Trace", "undo"]

MAPPED, KEPT, EXCUSED, INVALID, CONFLICT, ASIDE = range(1, 7)
Trace: TypeAlias = "list[tuple[int, int, int]]"
"""(rule, state, leaf): the lineage of what was written, and what could not be."""


def undo(trace: Trace, start: int, state: int | None = None) -> None:
    """Take back what was marked as carried since `start`; with `state` it counts as that instead."""
    if len(trace) == start:
        return
    if state is None:
        trace[start:] = [item for item in trace[start:] if item[1] > EXCUSED]
    else:
        trace[start:] = [(rule, state if old <= EXCUSED else old, leaf) for rule, old, leaf in trace[start:]]


class Resource:
    """A resource in the making. `body`: its elements. `source`: the leaf where its source begins, for its order."""

    __slots__ = ("aside", "body", "id", "kind", "needs", "node", "run", "source", "trace", "wrote")

    def __init__(self, run: Run, kind: str, id_: str, node: Node) -> None:
        self.run = run
        self.kind = kind
        self.id = id_
        self.node = node
        self.source = node.leaf
        self.body: dict[str, Any] = {}
        self.trace: Trace = []
        self.wrote = False
        self.needs: tuple[str, ...] = ()  # elements of which it must have one
        self.aside = ""


class Run:
    """One document on its way through the maps."""

    __slots__ = (
        "by_key",
        "contents",
        "context",
        "document",
        "done",
        "excused",
        "extra",
        "issues",
        "labels",
        "namespace",
        "references",
        "refused",
        "resources",
        "settings",
        "strict",
    )

    def __init__(self, document: Document, settings: MapSettings, context: LeafContext) -> None:
        self.document = document
        self.settings = settings
        self.context = context
        self.namespace = settings.namespace.bytes
        self.resources: list[Resource] = []
        self.by_key: dict[tuple[str, str], Resource] = {}
        self.contents: dict[tuple[str, str], bytes] = {}
        self.done: dict[tuple[int, int], Resource | None] = {}  # (map, node) → what it has made
        self.labels: dict[str, Resource] = {}
        self.references: list[tuple[dict[str, Any], Resource, Resource]] = []
        self.issues: list[Issue] = []
        self.excused: dict[int, str] = {}
        self.extra: Trace = []  # marks that belong to no resource
        self.strict: list[tuple[int, int]] = []  # ranges of leaves in statements that nothing was made of
        self.refused: list[tuple[int, int]] = []  # those of them that a guard refused

    def issue(self, severity: str, code: str, node: Node | None, text: str, expression: str | None = None) -> None:
        path = self.document.node_path(node) if node is not None else None
        self.issues.append(Issue(severity, code, path, expression, text))

    def refuse(self, node: Node, text: str) -> None:
        """A guard says no: the whole statement is residue, and said."""
        span = (node.leaf, node.end())
        self.strict.append(span)
        self.refused.append(span)
        self.issue("warning", "business-rule", node, text)

    def unknown(self, node: Node) -> None:
        """No map for a statement: residue with its template and code; its narrative stands in the section."""
        self.strict.append((node.leaf, node.end()))
        roots = [kid.attrs.get("root", "") for kid in node.kids if kid.name == "templateId"]
        code = node.child("code")
        named = [f"template {root}" for root in dict.fromkeys(roots) if is_oid(f"urn:oid:{root}")]
        if code is not None and _CODE.fullmatch(code.attrs.get("code", "")):
            named.append(f"code {code.attrs['code']}")
        text = f"there is no map for this {node.name} ({', '.join(named) or 'without template and code'})"
        self.issue("warning", "not-supported", node, text)

    def reference(self, target: Resource, holder: Resource) -> dict[str, Any]:
        """A reference that is looked at again when it is known which resources stand."""
        made: dict[str, Any] = {"reference": f"{target.kind}/{target.id}"}
        self.references.append((made, target, holder))
        return made
