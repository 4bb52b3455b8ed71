"""Leaves of a message and their paths (commands.md, `leaves` and `residue`).

A leaf is what remains, not empty, after splitting by all of MSH's separators: field, repetition, component,
subcomponent. HL7 null `""` counts; MSH-1, MSH-2 and segment names don't.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapters.hl7v2.delimiters import Delimiters
from adapters.hl7v2.message import Message, Segment

NULL = '""'  # HL7 null: the value is to be removed (chapter 2.5.3)


def path(segment_name: str, number: int, field: int, rep: int = 1, comp: int = 1, sub: int = 1) -> str:
    """`OBX[3]-5[1].2.1`; all indexes 1-based."""
    return f"{segment_name}[{number}]-{field}[{rep}].{comp}.{sub}"


def _parts(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator and separator in text else [text]


def leaf_text(segment: Segment, field: int, rep: int, comp: int, sub: int, delimiters: Delimiters) -> str:
    """Text of one leaf as it stands (not unescaped); '' where there is none."""
    text = segment.field(field)
    if segment.name == "MSH" and field <= 2:
        return text if (rep, comp, sub) == (1, 1, 1) else ""
    for separator, index in (
        (delimiters.repetition, rep),
        (delimiters.component, comp),
        (delimiters.subcomponent, sub),
    ):
        parts = _parts(text, separator)
        if index > len(parts):
            return ""
        text = parts[index - 1]
    return text


def leaves(message: Message) -> Iterator[tuple[int, int, int, int, int]]:
    """(position of the segment, field, repetition, component, subcomponent) of each leaf, in message order."""
    delimiters = message.delimiters
    repetition, component, subcomponent = delimiters.repetition, delimiters.component, delimiters.subcomponent
    marks = "".join({repetition, component, subcomponent})
    separated = re.compile(f"[{re.escape(marks)}]").search if marks else (lambda _: None)
    for segment in message.segments:
        position = segment.position
        for number in range(3 if segment.name == "MSH" else 1, len(segment.fields)):
            text = segment.fields[number]
            if not text:
                continue
            if separated(text) is None:
                yield position, number, 1, 1, 1
                continue
            for rep, part in enumerate(_parts(text, repetition), 1):
                for comp, inner in enumerate(_parts(part, component), 1):
                    for sub, leaf in enumerate(_parts(inner, subcomponent), 1):
                        if leaf:
                            yield position, number, rep, comp, sub
