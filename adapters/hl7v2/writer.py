"""The writer (HL7 v2 chapters 2.6 and 2.7): values to bytes.

`write` gives back the unit that was read, byte for byte, as long as nothing was changed. After `with_field` the changed
segment is written anew and every other line stays as it was received: its line end, its blanks, its wrong bytes.
`build` writes a message from texts, which it escapes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

from adapters.hl7v2.delimiters import STANDARD, Delimiters
from adapters.hl7v2.errors import Hl7Error
from adapters.hl7v2.message import Message, Segment

__all__ = ["Value", "WriteError", "build", "escape", "with_field", "write"]

Value: TypeAlias = "str | Sequence[str | Sequence[str | Sequence[str]]]"
"""A field: its text, or its repetitions; each a text or its components; each a text or its subcomponents."""

_LINES = re.compile(rb"([\r\n]+)")
_BLANK = b" \t\x00\x0b\x1a\x1c"  # a line of these is none of the reader's segments
_WIDE = ("utf-16", "utf-32")
_STATEFUL = ("iso2022",)  # a line's bytes depend on the lines before it


class WriteError(Hl7Error):
    """A value can't be written: too deep, no separator for it, or a character that the character set lacks."""


@lru_cache(maxsize=64)
def _escapes(delimiters: Delimiters) -> dict[int, str]:
    mark = delimiters.escape
    letters = {
        delimiters.truncation: "P",
        delimiters.subcomponent: "T",
        delimiters.repetition: "R",
        delimiters.component: "S",
        delimiters.field: "F",
        mark: "E",
        "\n": ".br",
        "\r": ".br",
    }
    return str.maketrans({char: f"{mark}{letter}{mark}" for char, letter in letters.items() if char and mark})


def escape(text: str, delimiters: Delimiters = STANDARD) -> str:
    """Text of one leaf with separators and line breaks escaped (chapter 2.7). Raises WriteError without an escape
    character for what needs one."""
    if not delimiters.escape and any(char in text for char in (*delimiters.encoding, delimiters.field, "\r", "\n")):
        raise WriteError("MSH-2 has no escape character, and the text holds a separator")
    return text.replace("\r\n", "\n").translate(_escapes(delimiters))


def build(
    segments: Sequence[tuple[str, Sequence[Value]]], delimiters: Delimiters = STANDARD, charset: str = "utf-8"
) -> bytes:
    """A message from (name, fields), field 1 first; MSH without MSH-1 and MSH-2. `charset`: Python's codec name.

    `build([("MSH", ["LAB", ...]), ("PID", ["1", "", [["4711", "", "", "NORTH"]]])])`. Raises WriteError.
    """
    lines = []
    for name, fields in segments:
        texts = [_field(value, delimiters) for value in fields]
        head = [name, delimiters.encoding] if name == "MSH" else [name]
        lines.append(delimiters.field.join([*head, *texts]))
    return _encode("\r".join(lines) + "\r", charset)


def _field(value: Value, delimiters: Delimiters) -> str:
    return _joined(value, (delimiters.repetition, delimiters.component, delimiters.subcomponent), delimiters)


def _joined(value: object, separators: tuple[str, ...], delimiters: Delimiters) -> str:
    if isinstance(value, str):
        return escape(value, delimiters)
    if not isinstance(value, Sequence) or not separators:
        raise WriteError("a field holds texts in repetitions, components and subcomponents, no deeper")
    parts = [_joined(part, separators[1:], delimiters) for part in value]
    if len(parts) > 1 and not separators[0]:
        raise WriteError("MSH-2 has no separator for this level")
    return separators[0].join(parts)


def with_field(message: Message, position: int, number: int, value: Value) -> Message:
    """The message with one field set; `position` of its segment in the message. MSH-1 and MSH-2 stay what they are."""
    segment = message.segments[position]
    if number < 1 or (segment.name == "MSH" and number <= 2):
        raise WriteError("there is no such field to set")
    text = _field(value, message.delimiters)
    fields = [*segment.fields, *[""] * (number + 1 - len(segment.fields))]
    fields[number] = text
    changed = Segment(segment.name, fields, segment.number, segment.position)
    segments = [*message.segments[:position], changed, *message.segments[position + 1 :]]
    by_name: dict[str, list[Segment]] = {}
    for each in segments:
        by_name.setdefault(each.name, []).append(each)
    source = _spliced(message, changed)
    return replace(message, segments=segments, source=source, _by_name=by_name)


def write(message: Message) -> bytes:
    """The message's bytes: those received, with what `with_field` changed."""
    return message.source


def _spliced(message: Message, changed: Segment) -> bytes:
    """The source with one segment's line written anew; all of it anew where lines and segments don't pair."""
    if not message.charset.startswith((*_WIDE, *_STATEFUL)):
        parts = _LINES.split(message.source)
        lines = [place for place in range(0, len(parts), 2) if parts[place].strip(_BLANK)]
        if len(lines) == len(message.segments):
            parts[lines[changed.position]] = _encode(_line(changed, message), message.charset)
            return b"".join(parts)
    texts = [_line(changed if each.position == changed.position else each, message) for each in message.segments]
    return _encode("\r".join(texts), message.charset)


def _line(segment: Segment, message: Message) -> str:
    fields = segment.fields
    return message.delimiters.field.join([fields[0], *fields[2:]] if segment.name == "MSH" else fields)


def _encode(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except UnicodeEncodeError as error:
        raise WriteError(f"a character that {charset} lacks") from error
