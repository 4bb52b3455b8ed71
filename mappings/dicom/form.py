"""A row as it is written in a map: which keys it may have, and what it says by default."""

from __future__ import annotations

from typing import Any

from adapters.fhir import Element as Definition
from mappings.dicom.run import Source
from mappings.dicom.sources import parse_source
from mappings.engine.yamlfile import Dict, line_of
from mappings.errors import MapError

__all__ = ["Written", "literal"]

_KEYS = frozenset(
    {"to", "extension", "value", "from", "as", "table", "set", "when", "default", "emit", "ids", "link"}
    | {"first", "required", "kept", "slot", "id", "level", "fold"}
)


class Written:
    """One row's `raw` mapping, and where it stands. Raises MapError."""

    def __init__(self, raw: Any, file: str) -> None:
        self.file, self.line = file, line_of(raw)
        if not isinstance(raw, Dict):
            raise self.error("a row is a mapping")
        for key in raw:
            if key not in _KEYS:
                raise self.error(f"a row has no {key}")
        self.raw = raw

    def error(self, text: str) -> MapError:
        """A finding at this row."""
        return MapError(self.file, self.line, text)

    @property
    def usual_slot(self) -> str:
        """The slot of a row that names none."""
        source = self.raw.get("from", self.raw.get("link", self.raw.get("extension", "set")))
        return "+".join(source) if isinstance(source, list) else str(source)

    @property
    def sourced(self) -> bool:
        """Whether its value is from somewhere: what it sets are constants beside."""
        return any(key in self.raw for key in ("from", "link", "default"))

    def says(self, key: str) -> bool:
        """Whether a flag is set."""
        return str(self.raw.get(key, "")) == "true"

    def source(self, name: object) -> Source:
        """A path of keywords that it names."""
        return parse_source(str(name), self.file, self.line)

    def must_allow(self, element: Definition, code: str) -> None:
        """A code that it writes is one of a required binding."""
        allowed = element.binding.allowed if element.binding is not None else None
        if allowed is not None and "code" in element.types and not allowed.rules and code not in allowed.codes:
            raise self.error(f"{code!r} is no code of {element.owner}.{element.path}")


def literal(value: Any) -> Any:
    """A literal of a map as JSON: `true` and `false` are booleans wherever R4 has them, all else is text."""
    if isinstance(value, dict):
        return {str(key): literal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [literal(each) for each in value]
    return {"true": True, "false": False}.get(value, str(value))
