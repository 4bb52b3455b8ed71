"""Unique markers in the leaves of a message, each of the kind that stood there, and where they went.

Never neither (mappings.md, "Tests that keep it honest"): a marker is found in the Bundle, or its path is in the residue
or among what a map excuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from adapters.hl7v2 import Delimiters, Message, leaves, path
from adapters.hl7v2.leaves import NULL, leaf_text
from mappings import Mapped

_STAMP = re.compile(r"(?:19|20)[0-9]{6}([0-9]{2,6}(?:\.[0-9]+)?(?:[+-][0-9]{4})?)?", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+", re.ASCII)
# how a message is read at all, and values whose kind a marker would change: a value of OBX-5 is marked by its own kind
_HEADER = {7, 9, 10, 11, 12, 18}
_TYPE = "OBX-2"


def kept(segment: str, field: int) -> bool:
    """Leaves that stay as they are."""
    return (segment == "MSH" and field in _HEADER) or f"{segment}-{field}" == _TYPE


def marked(message: Message) -> tuple[bytes, dict[str, str]]:
    """The message with markers, and path -> its marker; a time may stand in the Bundle as FHIR writes it."""
    delimiters = message.delimiters
    places: dict[str, str] = {}
    changed: dict[tuple[int, int], dict[tuple[int, int, int], str]] = {}
    for position, field, rep, comp, sub in leaves(message):
        segment = message.segments[position]
        text = leaf_text(segment, field, rep, comp, sub, delimiters)
        if kept(segment.name, field) or text == NULL or (segment.fields[2:3] == ["ED"] and field == 5):
            continue
        marker = _marker(text, len(places) + 1)
        changed.setdefault((position, field), {})[rep, comp, sub] = marker
        places[path(segment.name, segment.number, field, rep, comp, sub)] = marker
    lines = []
    for segment in message.segments:
        texts = list(segment.fields)
        for field in range(3 if segment.name == "MSH" else 1, len(texts)):
            markers = changed.get((segment.position, field))
            if markers:
                texts[field] = _rewritten(texts[field], markers, delimiters)
        if segment.name == "MSH":
            lines.append(texts[0] + texts[1] + delimiters.field.join(texts[2:]))
        else:
            lines.append(delimiters.field.join(texts))
    return "\r".join(lines).encode("utf-8"), places


def _marker(text: str, number: int) -> str:
    """What stands in the message: times, numbers and texts of their own."""
    stamp = _STAMP.fullmatch(text)
    if stamp is not None:
        year, month, day = 1900 + number // 336 % 120, number // 28 % 12 + 1, number % 28 + 1
        return f"{year:04d}{month:02d}{day:02d}{stamp[1] or ''}"
    if _DECIMAL.fullmatch(text):
        return f"{number}.{number:05d}"
    if _NUMBER.fullmatch(text):
        return f"7{number:06d}"
    return f"Zq{number}x"


def _rewritten(text: str, markers: dict[tuple[int, int, int], str], delimiters: Delimiters) -> str:
    """A field with markers in the place of its leaves."""
    repetition, component, subcomponent = delimiters.repetition, delimiters.component, delimiters.subcomponent
    repetitions = _parts(text, repetition)
    for rep, each in enumerate(repetitions, 1):
        components = _parts(each, component)
        for comp, part in enumerate(components, 1):
            found = [markers.get((rep, comp, sub), leaf) for sub, leaf in enumerate(_parts(part, subcomponent), 1)]
            components[comp - 1] = subcomponent.join(found)
        repetitions[rep - 1] = component.join(components)
    return repetition.join(repetitions)


def _parts(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator and separator in text else [text]


def lost(mapped: Mapped, content: str, places: dict[str, str], known: Callable[[str], bool]) -> Iterator[str]:
    """Paths whose marker is neither in the Bundle nor said. `known`: leaves that are written by what they mean."""
    said = {where for where, _ in mapped.residue} | {where for where, _ in mapped.excused}
    for where, text in places.items():
        stamp = _STAMP.fullmatch(text)
        day = f"{text[:4]}-{text[4:6]}-{text[6:8]}" if stamp else text
        if text not in content and day not in content and where not in said and not known(where):
            yield where
