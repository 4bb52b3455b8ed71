"""Load checks (mappings.md, "Compile once"): everything that can be known without a message, all findings at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from adapters.fhir import definitions
from mappings.engine.events import compile_events
from mappings.engine.grammar import Row
from mappings.engine.library import Library, row_ids
from mappings.engine.messages import compile_message
from mappings.engine.provenance import PROVENANCE
from mappings.engine.workshop import Workshop
from mappings.engine.yamlfile import Dict, List, line_of
from mappings.errors import MapError, MapErrors

__all__ = ["check"]


class _Nowhere:
    """Stands for the row that names a map when all maps are compiled for themselves."""

    def __init__(self, file: str) -> None:
        self.file = file

    def error(self, text: str) -> MapError:
        return MapError(self.file, 1, text)


def check(library: Library, shop: Workshop) -> None:
    """Compile every map, table and event row. Raises MapErrors with each finding once."""
    found: dict[str, MapError] = {}
    for attempt in _attempts(library, shop):
        try:
            attempt()
        except MapError as error:
            found.setdefault(str(error), error)
    if found:
        raise MapErrors(sorted(found.values(), key=lambda error: (error.file, error.line, error.text)))


def _attempts(library: Library, shop: Workshop) -> Iterator[Callable[[], Any]]:
    for name in library.names("tables"):
        yield partial(library.table, name)
    for name in library.names("datatypes"):
        yield partial(_datatype, name, library, shop)
    for name in library.names("segments"):
        yield partial(shop.segment_plan, name, _Nowhere(f"segments/{name}.yaml"))
    yield lambda: library.messages
    try:
        messages = {message.file: message for message in library.messages.values()}
    except MapError:
        return
    kinds = {PROVENANCE: "Provenance"}
    for message in messages.values():
        kinds |= {row.label: row.make for row in message.rows if row.label and row.make}
        yield partial(compile_message, message, shop)
    yield lambda: compile_events(shop, kinds)
    yield lambda: _events_named(library, kinds)
    yield lambda: library.options
    yield from _deviations(library)


def _datatype(name: str, library: Library, shop: Workshop) -> None:
    found = library.datatype_map(name)
    row = Row(file=found.file, line=found.line, id=name)
    if found.target in definitions().resources:
        shop.resource_plan(name, found.target, row)
    else:
        shop.datatype(name, found.target, row)


def _events_named(library: Library, kinds: dict[str, str]) -> None:
    for row in library.events:
        if row.on is not None and row.on not in kinds and row.on not in definitions().resources:
            raise row.error(f"{row.on} is neither a label nor a resource type")
        for label in row.merge or ():
            if kinds.get(label) != "Patient":
                raise row.error(f"merge joins labelled Patients; {label} is none")


def _deviations(library: Library) -> Iterator[Callable[[], Any]]:
    content = library.files.get("safety.yaml")
    if content is None:
        return
    for deviation in content.get("deviations", ()):
        yield partial(_deviation, deviation, library)


def _deviation(deviation: Any, library: Library) -> None:
    """Each deviation has a reason, and names rows that exist."""
    file, line = "safety.yaml", line_of(deviation)
    if not isinstance(deviation, Dict) or not {"id", "guide", "rows", "reason"} <= deviation.keys():
        raise MapError(file, line, "a deviation has id, guide, rows and reason")
    for place in deviation["rows"]:
        name, _, row = str(place).partition("#")
        content = library.files.get(name)
        if content is None:
            raise MapError(file, line_of(place), f"there is no file {name}")
        if row and row not in row_ids(content["rows"], name) and not _inner(content["rows"], name, row):
            raise MapError(file, line_of(place), f"{name} has no row {row}")


def _inner(rows: Any, name: str, wanted: str) -> bool:
    """Rows inside `first`, `switch` and `fallback`, by their ids."""
    for row in rows:
        if not isinstance(row, Dict):
            continue
        lists = [row.get("first"), row.get("else"), row.get("fallback"), *(row.get("cases") or {}).values()]
        for inner in lists:
            if isinstance(inner, List) and (wanted in row_ids(inner, name) or _inner(inner, name, wanted)):
                return True
            if isinstance(inner, Dict) and _inner([inner], name, wanted):
                return True
    return False
