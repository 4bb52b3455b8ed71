"""One instance on its way through the maps: where rows read, what they wrote, what is to be said.

A leaf of the source is carried when a row *writes* it; being read is not being carried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.dicom import Dataset, tag_text
from adapters.fhir import JsonValue
from adapters.issue import Issue
from mappings.ids import resource_id
from mappings.values import Change, Element, MapSettings

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from mappings.dicom.vocabulary import Schemes

__all__ = ["Made", "Node", "Run", "Source"]

INVALID, NO_TARGET, NO_RULE = "invalid", "no-target", "no-rule"


@dataclass(frozen=True, slots=True)
class Node:
    """A place that rows read from: a data set (or item), or one value of an element beside the item it belongs to."""

    dataset: Dataset
    prefix: str = ""
    value: str = ""
    path: str = ""  # of the element that `value` is from


@dataclass(frozen=True, slots=True)
class Source:
    """`Modality`, `RequestAttributesSequence.AccessionNumber`, `.` (the place itself) or VALUE."""

    tags: tuple[int, ...]
    kind: str = "element"  # element | here | value

    def places(self, node: Node) -> Iterator[Node]:
        """The data sets that hold the last tag of the path."""
        found = [node]
        for tag in self.tags[:-1]:
            found = [inner for each in found for inner in items(each, tag)]
        yield from found


def items(node: Node, tag: int) -> list[Node]:
    """The items of a sequence as places."""
    path = f"{node.prefix}{tag_text(tag)}"
    return [Node(item, f"{path}[{number}].") for number, item in enumerate(node.dataset.items(tag), 1)]


@dataclass(slots=True)
class Made:
    """A resource as it is made."""

    type: str
    id: str
    elements: list[Element] = field(default_factory=list)

    @property
    def reference(self) -> dict[str, JsonValue]:
        return {"reference": f"{self.type}/{self.id}"}


@dataclass(slots=True)
class Run:
    """State of mapping one instance. `scope`: key of the study, for what has no identity of its own beyond it."""

    root: Node
    settings: MapSettings
    zone: ZoneInfo | None
    schemes: Schemes
    sha256: str
    scope: tuple[str, ...]
    faults: frozenset[str]
    taken: dict[str, str] = field(default_factory=dict)  # path → mapped | kept
    missed: dict[str, str] = field(default_factory=dict)  # path → why a row that read it wrote nothing
    issues: list[Issue] = field(default_factory=list)
    made: dict[tuple[str, str], Made] = field(default_factory=dict)
    labels: dict[str, Made] = field(default_factory=dict)
    patient: str | None = None
    trace: list[str] = field(default_factory=list)  # leaves that the row at work has read
    decoded: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lineage: list[str] = field(default_factory=list)

    # -- reading -----------------------------------------------------------------------------------------------

    def texts(self, node: Node, tag: int) -> tuple[str, ...]:
        """The values of an element, noted as read by the row at work."""
        element = node.dataset.get(tag)
        if element is None or element.items is not None or element.empty:
            return ()
        path = f"{node.prefix}{tag_text(tag)}"
        self.trace.append(path)
        found = self.decoded.get(path)
        if found is None:
            found, said = node.dataset.texts(element)
            self.decoded[path] = found
            if said:
                self.say("warning" if found else "error", "value", path, f"the value {said}")
                if not found:
                    self.missed[path] = INVALID
        return found

    def text(self, node: Node, tag: int) -> str:
        """The first value."""
        found = self.texts(node, tag)
        return found[0] if found else ""

    def say(self, severity: str, code: str, path: str | None, text: str, expression: str | None = None) -> None:
        """An issue, once."""
        issue = Issue(severity, code, path, expression, text)
        if issue not in self.issues and len(self.issues) < 1000:
            self.issues.append(issue)

    # -- what became of what was read --------------------------------------------------------------------------

    def begin(self) -> list[str]:
        """A row begins: its own list of leaves; the one before comes back with `end`."""
        before, self.trace = self.trace, []
        return before

    def end(self, before: list[str], wrote: bool, how: str = "mapped", why: str = NO_TARGET) -> None:
        """A row ended: what it read is carried if it wrote, else remembered."""
        for path in self.trace:
            if wrote:
                self.taken.setdefault(path, how)
            else:
                self.missed.setdefault(path, why)
        before.extend(self.trace if wrote else ())
        self.trace = before

    # -- resources ---------------------------------------------------------------------------------------------

    def id(self, type_: str, parts: tuple[str, ...]) -> str:
        """The id of a resource with this business key."""
        return resource_id(self.settings.namespace.bytes, type_, parts)

    @property
    def study(self) -> str:
        """The id of the instance's study."""
        return self.id("ImagingStudy", self.scope)

    def wrote(self, resource: str, path: str, mark: int, rule: str) -> None:
        """Lineage of a row: what it read since `mark`."""
        read = ", ".join(dict.fromkeys(self.trace[mark:])) or "-"
        self.lineage.append(f"{resource} {path} <- {read} <- {rule}")

    def resource(self, type_: str, id_: str) -> tuple[Made, bool]:
        """The resource of this id in this instance; True: it is new."""
        known = self.made.get((type_, id_))
        if known is not None:
            return known, False
        made = self.made[type_, id_] = Made(type_, id_)
        return made, True

    def changes(self) -> tuple[Change, ...]:
        """All that was made; the patient first."""
        ranked = sorted(self.made.values(), key=lambda made: made.type != "Patient")
        keyed = ("Practitioner", "Device", "Endpoint", "Organization")
        return tuple(
            Change(made.type, made.id, None if made.type in keyed else self.patient, tuple(made.elements))
            for made in ranked
        )
