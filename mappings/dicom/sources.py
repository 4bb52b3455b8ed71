"""Where rows read from: paths of keywords of PS3.6, of eight hexadecimal digits, `.` or VALUE; and conditions on them.

`.` is the item itself, VALUE one value of an element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.dicom import tag_of
from mappings.dicom.run import Node, Run, Source
from mappings.errors import MapError

__all__ = ["Condition", "compile_when", "parse_source", "texts_at"]

Condition = Callable[[Run, Node], bool]


def parse_source(text: str, file: str, line: int) -> Source:
    """A path of keywords. Raises MapError for what PS3.6 doesn't know."""
    if text == ".":
        return Source((), "here")
    if text == "VALUE":
        return Source((), "value")
    tags = []
    for name in text.split("."):
        tag = tag_of(name)
        if not tag:
            raise MapError(file, line, f"{name} is no keyword of PS3.6 and no tag")
        tags.append(tag)
    return Source(tuple(tags))


def compile_when(raw: Any, file: str, line: int) -> Condition | None:
    """`when`: each keyword is `valued`, `empty`, one of a list, or `not` of a list; all of them. Raises MapError."""
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise MapError(file, line, "`when` is a mapping")
    tests = [_test(str(name), wanted, file, line) for name, wanted in raw.items()]
    return lambda run, node: all(test(run, node) for test in tests)


def _test(name: str, wanted: Any, file: str, line: int) -> Condition:
    source = parse_source(name, file, line)

    def texts(node: Node) -> list[str]:
        return [text for place in source.places(node) for text in place.dataset.values(source.tags[-1])]

    if wanted in ("valued", "empty"):
        valued = wanted == "valued"
        return lambda run, node: _there(source, node) == valued
    negated = isinstance(wanted, dict)
    listed = wanted.get("not", []) if isinstance(wanted, dict) else wanted
    among = frozenset([listed] if isinstance(listed, str) else listed)
    if negated:
        return lambda run, node: not among.intersection(texts(node))
    return lambda run, node: bool(among.intersection(texts(node)))


def _there(source: Source, node: Node) -> bool:
    """Whether an element has a value or items, of whatever type."""
    found = [place.dataset.get(source.tags[-1]) for place in source.places(node)]
    return any(element is not None and not element.empty for element in found)


def texts_at(run: Run, node: Node, source: Source) -> list[str]:
    """All values of a source, noted as read by the row at work."""
    if source.kind == "value":
        if node.value and node.path:
            run.trace.append(node.path)
        return [node.value] if node.value else []
    return [text for place in source.places(node) for text in run.texts(place, source.tags[-1])]
