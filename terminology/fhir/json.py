"""JSON of a resource to import, and typed looks into it: what isn't of the expected form is a SourceError."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from terminology.errors import SourceError

__all__ = ["Json", "objects", "parse", "text"]

Json = dict[str, Any]
MAX_DEPTH = 64


def parse(data: bytes) -> Json:
    """One resource."""
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise SourceError("not JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise SourceError("not a FHIR resource in JSON")
    return found


def text(value: Json, *names: str) -> str:
    """The first of these elements that is there, '' if none is."""
    for name in names:
        found = value.get(name)
        if found is None:
            continue
        if not isinstance(found, str):
            raise SourceError(f"{name} is not text")
        if not encodable(found):
            raise SourceError(f"{name} holds half a character")
        return found
    return ""


def encodable(found: str) -> bool:
    """JSON can spell lone surrogates, which no text in UTF-8 holds."""
    return not any("\ud800" <= character <= "\udfff" for character in found)


def objects(value: Json, name: str) -> Iterator[Json]:
    """The objects of a list, which may be absent."""
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise SourceError(f"{name} is not a list of objects")
    yield from found
