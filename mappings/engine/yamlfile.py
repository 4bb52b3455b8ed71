"""YAML without resolvers (YAML 1.2 section 10.1, failsafe schema): texts, lists and dicts that know their line.

`ON`, `NO` and `010` stay what they are, and no tag can build an object.
"""

from __future__ import annotations

from typing import Any

import yaml

from mappings.errors import MapError

__all__ = ["Dict", "List", "Text", "line_of", "read"]

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the C parser is six times as fast; same events
_DEPTH = 20


class Text(str):
    """A scalar."""

    __slots__ = ("line",)
    line: int


class List(list[Any]):
    """A sequence."""

    __slots__ = ("line",)
    line: int


class Dict(dict[str, Any]):
    """A mapping with text keys; `lines` holds the line of each key, `file` the overlay's file ('': the map's own)."""

    __slots__ = ("file", "line", "lines")
    file: str
    line: int
    lines: dict[str, int]

    def __init__(self, *content: Any, file: str = "") -> None:
        super().__init__(*content)
        self.file = file


def line_of(value: object) -> int:
    """1-based line of what `read` made; 0 for anything else."""
    return getattr(value, "line", 0)


def read(data: bytes, file: str, origin: str = "") -> Any:
    """The one document in a file; None if it is empty. `origin`: how findings call it. Raises MapError."""
    file = origin or file
    try:
        node = yaml.compose(data, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise MapError(file, mark.line + 1 if mark else 1, str(error.problem)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MapError(file, 1, "is not YAML in UTF-8") from error
    return None if node is None else _convert(node, file, 0, origin)


def _convert(node: yaml.Node, file: str, depth: int, origin: str) -> Any:
    line = node.start_mark.line + 1
    if depth > _DEPTH:
        raise MapError(file, line, "is nested too deep")
    if isinstance(node, yaml.ScalarNode):
        text = Text(node.value)
        text.line = line
        return text
    if isinstance(node, yaml.SequenceNode):
        items = List([_convert(item, file, depth + 1, origin) for item in node.value])
        items.line = line
        return items
    found = Dict(file=origin)
    found.line = line
    found.lines = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise MapError(file, key.start_mark.line + 1, "a key must be a text")
        if key.value in found:
            raise MapError(file, key.start_mark.line + 1, f"the key {key.value} stands twice")
        found[key.value] = _convert(value, file, depth + 1, origin)
        found.lines[key.value] = key.start_mark.line + 1
    return found
