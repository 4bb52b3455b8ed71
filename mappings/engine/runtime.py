"""The state of one message being mapped: scopes (groups), resources in the making, seats (a map on its source).

Everything here lives for one message only.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from adapters.hl7v2 import Issue, Message, Segment
from mappings.composition import Register, Shape
from mappings.engine.codec import Codec, Marks
from mappings.engine.datatypes import Value
from mappings.engine.fetching import Fetch, fetcher, leaf_of
from mappings.engine.layout import Layout, Site
from mappings.engine.sources import parse
from mappings.values import MapSettings

__all__ = ["NOWHERE", "Register", "Resource", "Run", "Scope", "Seat", "Trace", "scopes_of"]

Trace: TypeAlias = tuple[int, int, int, int, int, Marks]
"""(rule, segment position, field, 0-based repetition, bit of the first leaf, marks): the lineage of one write."""


class Scope:
    """A group of the message: its place in the layout, and the resources made in and below it by label."""

    __slots__ = ("labels", "parent", "segments", "site")

    def __init__(self, site: Site, parent: Scope | None, segments: list[Segment]) -> None:
        self.site = site
        self.parent = parent
        self.segments = segments  # all of the message
        self.labels: defaultdict[str, list[Resource]] = defaultdict(list)

    def find(self, name: str) -> list[Segment]:
        """The segments of this name that belong here (`Site.find`)."""
        segments = self.segments
        return [segments[position] for position in self.site.find(name)]

    def name(self, label: str, resource: Resource) -> None:
        """Make a resource known here and in all groups around."""
        scope: Scope | None = self
        while scope is not None:
            scope.labels[label].append(resource)
            scope = scope.parent

    def nearest(self, label: str) -> list[Resource]:
        """The resources of this label in the nearest group that has any.

        Never those of another repetition of a group that we are in: what belongs to one patient or order is not
        another's (as in `Site.find`).
        """
        came, barred = self, False
        scope: Scope | None = self
        while scope is not None:
            found = scope.labels.get(label)
            if found and (barred or (came.site.several and scope is not self)):
                found = [each for each in found if each.scope is scope or each.scope._open(scope, came)]
                barred = True
            if found:
                return found
            came, scope = scope, scope.parent
        return []

    def _open(self, around: Scope, came: Scope) -> bool:
        """Whether this group may be looked into by one that stands in `around` through `came`."""
        scope = self
        while scope.parent is not None and scope.parent is not around:
            scope = scope.parent
        # what is below `came` was looked at before
        return scope is not came and (scope.site.path != came.site.path or not came.site.several)


NOWHERE = Scope(Site("", None), None, [])
"""The scope of a resource that stands in no message, or whose message is done with."""


def scopes_of(layout: Layout, segments: list[Segment]) -> list[Scope]:
    """The groups of a message, the root first."""
    made: list[Scope] = []
    for site, around in zip(layout.sites, layout.around, strict=True):
        made.append(Scope(site, made[around] if around >= 0 else None, segments))
    return made


class Resource:
    """A resource in the making."""

    __slots__ = (
        "aside",
        "copy",
        "deferred",
        "id",
        "items",
        "kind",
        "label",
        "number",
        "position",
        "ranks",
        "registers",
        "scope",
        "shape",
        "trace",
        "undo",
        "wrote",
    )

    def __init__(self, kind: str, id_: str, number: int, position: int, scope: Scope, label: str) -> None:
        self.kind = kind
        self.id = id_
        self.number = number
        self.position = position  # of the first segment that it comes from
        self.scope = scope
        self.label = label
        self.registers: dict[Register, Any] = {}
        self.ranks: dict[Register, int] = {}
        self.items: dict[tuple[str, str, int, int], dict[str, Any]] = {}  # path, slot, seat, repetition (-1: any)
        self.trace: list[Trace] = []
        self.deferred: tuple[tuple[Any, Seat], ...] = ()
        self.undo: list[Any] | None = None
        self.copy: Any = None  # what it was made from if it was kept (kept.Copy)
        self.shape: Shape | None = None  # of its registers, once they are there; None again when one goes
        self.wrote = False  # whether anything of the message stands in it, or in what it emits
        self.aside = ""  # why it is set aside; '' = it is not


class Run:
    """One message on its way through a plan."""

    __slots__ = (
        "backs",
        "by_key",
        "codec",
        "counts",
        "emitted",
        "event",
        "excuses",
        "issues",
        "links",
        "merges",
        "message",
        "namespace",
        "options",
        "references",
        "resources",
        "root",
        "scoped",
        "seats",
        "settings",
        "sha256",
        "source_authority",
    )

    def __init__(
        self, message: Message, settings: MapSettings, codec: Codec, options: Mapping[str, str], authority: str
    ) -> None:
        self.message = message
        self.settings = settings
        self.codec = codec
        self.options = options
        self.event = message.event
        self.namespace = settings.namespace.bytes
        self.sha256 = message.sha256.hex()
        self.source_authority = authority  # the channel's default, else MSH-4
        self.root = NOWHERE
        self.resources: list[Resource] = []
        self.by_key: dict[tuple[str, str], Resource] = {}
        self.counts: dict[str, int] = {}  # of rows without a key, and of equal keys
        self.references: list[
            tuple[dict[str, Any], Resource, Resource]
        ] = []  # object, where it points, where it stands
        self.excuses: list[tuple[Mapping[int, Any], Segment]] = []
        self.links: list[
            tuple[tuple[Any, ...], Resource, int, Scope, int, Resource | None]
        ] = []  # links, resource, seat, place, self
        self.backs: list[tuple[str, Any, Resource, int, Scope, int]] = []  # label, link, resource, seat, place
        self.issues: list[Issue] = []
        self.merges: list[tuple[str, str]] = []
        self.seats = 0
        # what was emitted from a text already: the first resource; rule, bit and marks of its trace
        self.emitted: dict[tuple[object, ...], tuple[Resource, int, int, Marks]] = {}
        self.scoped = False  # an id was made from the message for want of a key

    def resource(self, kind: str, id_: str, position: int, scope: Scope, label: str) -> Resource:
        """The resource of this id: a new one, or the one that this message has made already."""
        key = (kind, id_)
        found = self.by_key.get(key)
        if found is None:
            found = self.by_key[key] = Resource(kind, id_, len(self.resources), position, scope, label)
            self.resources.append(found)
        return found

    def close(self) -> None:
        """Undo what refers back and forth, so that the message's objects go at once and not with the collector."""
        for resource in self.resources:
            resource.deferred = ()
            resource.scope = NOWHERE
        self.emitted.clear()

    def reference(self, target: Resource, holder: Resource) -> dict[str, Any]:
        """A reference that is looked at again when it is known which resources stand."""
        made: dict[str, Any] = {"reference": f"{target.kind}/{target.id}"}
        self.references.append((made, target, holder))
        return made


class Seat:
    """A segment map on its segment, or the map of an emitted resource on its text (`piece`)."""

    __slots__ = (
        "codec",
        "field",
        "fields",
        "number",
        "piece",
        "position",
        "repetition",
        "resource",
        "run",
        "scope",
        "segment",
        "shift",
    )

    def __init__(self, run: Run, resource: Resource, segment: Segment, scope: Scope) -> None:
        self.run = run
        self.codec = run.codec
        self.resource = resource
        self.segment = segment
        self.fields = segment.fields
        self.position = segment.position
        self.scope = scope
        self.number = run.seats
        run.seats += 1
        self.piece: Value | None = None
        self.field = self.repetition = self.shift = 0

    # what predicates see (mappings.predicates.Place)

    @property
    def event(self) -> str:
        return self.run.event

    def texts(self, path: str) -> tuple[str, ...]:
        return tuple(_texts(self, path))

    def text(self, path: str) -> str:
        return _text(path, None if self.piece is not None else self.segment.name)(self)

    def has(self, segment: str) -> bool:
        return bool(self.scope.find(segment))

    def option(self, name: str) -> str:
        return self.run.options[name]


def _texts(seat: Seat, path: str) -> list[str]:
    """First leaves at a path, by repetition; a predicate's path is parsed once."""
    codec = seat.codec
    found = []
    for _, _, _, text, level, _ in _fetch(path, None if seat.piece is not None else seat.segment.name)(seat):
        if level == 0:
            text = text.partition(codec.component)[0]
        found.append(codec.plain(text.partition(codec.subcomponent)[0]))
    return found


@functools.lru_cache(maxsize=512)
def _text(path: str, own: str | None) -> Callable[[Seat], str]:
    """The first of the texts at a path, '' without."""
    parsed = parse(path, None if own is not None else path.partition(".")[0])
    if parsed is None or own is None or not parsed.component or parsed.repetition:
        return lambda seat: next(iter(_texts(seat, path)), "")
    leaf, owner = leaf_of(parsed), parsed.owner

    def text(seat: Seat) -> str:
        fields = seat.fields
        if owner != own:
            there = seat.scope.find(owner)
            if not there:
                return ""
            fields = there[0].fields
        codec = seat.codec
        found = leaf(fields, codec)
        return found if found.isalnum() else codec.plain(found.partition(codec.subcomponent)[0])

    return text


@functools.lru_cache(maxsize=512)
def _fetch(path: str, own: str | None) -> Fetch:
    parsed = parse(path, None if own is not None else path.partition(".")[0])
    if parsed is None:
        raise ValueError(f"a predicate asks for {path}, which is no path")
    return fetcher(parsed, own)
