"""What a row gives: literals, links, leaf functions, code tables, datatype maps, resources of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from adapters.fhir import Element as Definition
from mappings.dicom.form import Written, literal
from mappings.dicom.leaves import ITEM_LEAVES, LEAVES, Leaf, Partly
from mappings.dicom.rows import Plan, Values
from mappings.dicom.run import NO_TARGET, Node, Run, Source, items
from mappings.dicom.sources import texts_at

__all__ = ["Library", "compile_values"]

# leaf type → element types it may stand in, beside its own
_FITS = {
    "string": {"markdown", "code", "id"},
    "uri": {"url", "canonical", "string", "code"},
    "unsignedInt": {"integer", "positiveInt", "decimal"},
    "code": {"string", "uri"},
    "id": {"string", "code"},
    "date": {"dateTime"},
    "instant": {"dateTime"},
}


class Library(Protocol):
    """What rows refer to by name."""

    def datatype(self, name: str) -> Plan:
        """A datatype map. Raises KeyError."""

    def table(self, name: str) -> Mapping[str, str]:
        """A code table. Raises KeyError."""

    def emitter(self, type_: str) -> Callable[[Run, Node, str, Source | None, str], dict[str, Any] | None]:
        """Makes an inner resource of a value and its ids, and gives the reference. Raises KeyError."""


def compile_values(row: Written, target: Definition, library: Library) -> Values:
    """What is written into an element, in a given place of the source. Raises MapError."""
    raw = row.raw
    if "link" in raw:
        label = str(raw["link"])
        return lambda run, node: [run.labels[label].reference] if label in run.labels else []
    if "from" not in raw:
        value = raw.get("default", raw.get("set"))
        if value is None:
            raise row.error("a row says where its value is from: `from`, `link`, `set` or `default`")
        if isinstance(value, str):
            row.must_allow(target, value)
        constant = literal(value)
        return lambda run, node: [constant]
    names = raw["from"] if isinstance(raw["from"], list) else [raw["from"]]
    sources = [row.source(name) for name in names]
    if "emit" in raw:
        return _emit(row, library, sources[0])
    if "table" in raw:
        return _tabled(row, library, sources[0], target)
    name = str(raw.get("as", ""))
    if name in LEAVES:
        return _leaf(row, LEAVES[name], sources, target)
    if not name:
        kind = next((each for each in target.types if each in ("string", "code", "markdown")), "")
        if not kind:
            raise row.error(f"{target.name} is a {'/'.join(target.types)}: say `as`")
        return _leaf(row, LEAVES["code" if kind == "code" else "string"], sources, target)
    return _datatype(row, library, name, sources[0], target)


def _leaf(row: Written, leaf: Leaf, sources: Sequence[Source], target: Definition) -> Values:
    if len(sources) != leaf.sources:
        raise row.error(f"{row.raw.get('as')} takes {leaf.sources} sources")
    fitting = {leaf.type, *_FITS.get(leaf.type, ())}
    if not fitting.intersection(target.types):
        raise row.error(f"{target.name} is a {'/'.join(target.types)}, and {row.raw.get('as')} gives {leaf.type}")
    call = leaf.call
    if leaf.sources > 1:

        def several(run: Run, node: Node) -> list[Any]:
            texts, marks = [], []
            for source in sources:
                marks.append(len(run.trace))
                texts.append(next(iter(texts_at(run, node, source)), ""))
            value = call(run, *texts) if texts[0] else None
            if isinstance(value, Partly):
                for path in run.trace[marks[value.carried] :]:
                    run.missed.setdefault(path, NO_TARGET)
                del run.trace[marks[value.carried] :]
                value = value.value
            return [] if value is None else [value]

        return several
    source, flat = sources[0], leaf.type == "HumanName"
    if leaf.whole:

        def whole(run: Run, node: Node) -> list[Any]:
            texts = texts_at(run, node, source)
            value = call(run, *texts) if texts else None
            return [] if value is None else [value]

        return whole

    def single(run: Run, node: Node) -> list[Any]:
        found: list[Any] = []
        for text in texts_at(run, node, source):
            value = call(run, text) if text else None
            if value is not None:
                found += value if flat else [value]
        return found

    return single


def _tabled(row: Written, library: Library, source: Source, target: Definition) -> Values:
    try:
        table = library.table(str(row.raw["table"]))
    except KeyError as error:
        raise row.error(f"there is no table {row.raw['table']}") from error
    for code in table.values():
        row.must_allow(target, code)

    def look_up(run: Run, node: Node) -> list[Any]:
        found = [table.get(text.strip().upper(), table.get("*", "")) for text in texts_at(run, node, source)]
        return [each for each in found if each]

    return look_up


def _datatype(row: Written, library: Library, name: str, source: Source, target: Definition) -> Values:
    build, type_ = ITEM_LEAVES.get(name, (None, ""))
    if build is None:
        try:
            plan = library.datatype(name)
        except KeyError as error:
            raise row.error(f"there is no leaf function and no datatype map {name}") from error
        build, type_ = plan.build, plan.type
    if type_ not in target.types:
        raise row.error(f"{target.name} is a {'/'.join(target.types)}, and {name} gives {type_}")

    def each_item(run: Run, node: Node) -> list[Any]:
        if source.kind == "here":
            places = [node]
        else:
            places = [inner for each in source.places(node) for inner in items(each, source.tags[-1])]
        return [made for place in places if (made := build(run, place)) is not None]

    return each_item


def _emit(row: Written, library: Library, source: Source) -> Values:
    try:
        emitter = library.emitter(str(row.raw["emit"]))
    except KeyError as error:
        raise row.error(f"there is no map of {row.raw['emit']} to emit") from error
    ids = row.source(row.raw["ids"]) if "ids" in row.raw else None
    role = row.usual_slot

    def emit(run: Run, node: Node) -> list[Any]:
        found = []
        for place in source.places(node) if source.tags else [node]:
            texts = texts_at(run, place, Source(source.tags[-1:], source.kind))
            known = items(place, ids.tags[-1]) if ids is not None else []
            for number in range(max(len(texts), len(known))):
                text = texts[number] if number < len(texts) else ""
                one = known[number] if number < len(known) else Node(place.dataset, place.prefix)
                path = f"{place.prefix}{source.tags[-1]:08X}" if source.tags else node.path
                inner = Source((), "here") if number < len(known) else None
                made = emitter(run, Node(one.dataset, one.prefix, text, path), role, inner, text)
                if made is not None:
                    found.append(made)
        return found

    return emit
