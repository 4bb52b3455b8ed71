"""The floor under any HL7 v2 conversion: split the text where a delimiter occurs, and do nothing else.

Field, repetition, component and subcomponent, each level only where its separator is there; no escapes, no character
set, no limits, no places. Whoever reads every element of a message in this language does at least this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["split"]

Part: TypeAlias = "str | Sequence[Part]"


def split(text: str) -> list[list[Part]]:
    """Segments as lists of fields, split as deep as their separators go."""
    field = text[3]
    component, repetition, subcomponent = text[4], text[5], text[7]
    message: list[list[Part]] = []
    for segment in text.split("\r"):
        fields: list[Part] = []
        for value in segment.split(field):
            if repetition in value:
                fields.append([_components(each, component, subcomponent) for each in value.split(repetition)])
            elif component in value or subcomponent in value:
                fields.append(_components(value, component, subcomponent))
            else:
                fields.append(value)
        message.append(fields)
    return message


def _components(value: str, component: str, subcomponent: str) -> Part:
    if component not in value:
        return value.split(subcomponent) if subcomponent in value else value
    return [part.split(subcomponent) if subcomponent in part else part for part in value.split(component)]
