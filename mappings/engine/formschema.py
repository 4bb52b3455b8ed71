"""JSON Schema (draft 2020-12) of map files, for completion and checks in editors (mappings.md, "Compile once").

The engine reads every scalar as a text, an editor sees YAML's own types: both are allowed. Descriptions are one line
each; the keys are the grammar's, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = ["KINDS", "form_schema"]

Schema: TypeAlias = dict[str, Any]

_TEXT: Schema = {"type": ["string", "number", "boolean"]}
_TEXTS: Schema = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_ANY: Schema = {"type": ["string", "number", "boolean", "object", "array"]}
_WHEN: Schema = {"$ref": "#/$defs/when"}
_ROWS: Schema = {"$ref": "#/$defs/rows"}
_KEY: Schema = {"$ref": "#/$defs/key"}
_EXCUSED: Schema = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"\S"}}


def _said(schema: Schema, description: str, **more: Any) -> Schema:
    return {**schema, "description": description, **more}


_ROW: Mapping[str, Schema] = {
    "id": _said(_TEXT, "name of the row, by which overlays replace or remove it"),
    "to": _said(_TEXT, "R4 path; choice elements by their concrete name, e.g. valueQuantity.unit"),
    "from": _said(_TEXTS, "source path, e.g. PID-3.4 or CX.1; a list for leaf functions over several texts"),
    "as": _said(_TEXT, "data type map (CX) or leaf function (dateTime)"),
    "table": _said(_TEXT, "code table, the file tables/NAME.csv"),
    "set": _said(_ANY, "a constant, or constants beside what the row makes"),
    "default": _said(_ANY, "written if nothing else fills the element"),
    "when": _said(_WHEN, "conditions, all of which must hold"),
    "use": _said(_TEXT, "the one element to take out of what the data type map made"),
    "emit": _said(_TEXT, "type of an inner resource; its reference stands at `to`"),
    "key": _said(_KEY, "what the inner resource's id is made of"),
    "link": _said(_ANY, "label of the resource that `to` refers to"),
    "slot": _said(_TEXT, "rows of one slot build one object"),
    "rank": _said({"enum": ["event", "weak", "normal"]}, "whether it beats, or yields to, other rows"),
    "together": _said(_TEXT, "rows of one name fall together when one is invalid"),
    "extension": _said(_TEXTS, "URL of the extension; outer and inner as a list"),
    "value": _said(_TEXT, "type of the extension's value, e.g. CodeableConcept"),
    "on": _said(_TEXT, "element that the extension stands on"),
    "label": _said(_TEXT, "label of the inner resource"),
    "each": _said(_TEXT, "runs once per repetition of this field"),
    "absent": _said(_TEXT, "reason of data-absent-reason where nothing fills the element"),
    "first": _said(_ROWS, "the first row that yields a value"),
    "else": _said(_ROWS, "if none of the rows before does"),
    "fallback": _said(_ROWS, "rows instead of those that fell together"),
    "switch": _said(_TEXT, "path whose code chooses among `cases`"),
    "cases": _said({"type": "object", "additionalProperties": _ROWS}, "code, or codes with commas, to rows"),
}
_MAP: Mapping[str, Schema] = {
    "segment": _said({"type": "string", "pattern": "^[^>]+->[^>]+$"}, "e.g. PID -> Patient"),
    "datatype": _said({"type": "string", "pattern": "^[^>]+->[^>]+$"}, "e.g. CX -> Identifier"),
    "description": _said(_TEXT, "for readers"),
    "key": _said(_KEY, "what the resource's id is made of"),
    "rows": _ROWS,
    "excused": _said(_EXCUSED, "source path to the reason why it is left out on purpose"),
    "together": _said(
        {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"fallback": _ROWS},
            },
        },
        "what stands instead of rows that fell together",
    ),
    "replaces": _said(_ANY, "elements that this map's run empties where it does not fill them"),
    "dispatch": _said(
        {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"when": _WHEN, "as": _TEXT},
                "required": ["as"],
            },
        },
        "the first whose condition holds makes the value",
    ),
}
_MESSAGE_ROW: Mapping[str, Schema] = {
    "id": _said(_TEXT, "label of the resource"),
    "for": _said(_TEXT, "path of groups, then a segment or nothing: once per instance"),
    "make": _said(_TEXT, "resource type"),
    "into": _said(_TEXT, "label of the resource that these maps fill, too"),
    "by": _said(_TEXTS, "segment maps, the files segments/NAME.yaml"),
    "when": _WHEN,
    "link": _said({"type": "object", "additionalProperties": _TEXTS}, "element to label"),
    "key": _KEY,
}
_MESSAGE: Mapping[str, Schema] = {
    "message": _said(_TEXTS, "message structures, e.g. ADT_A01; * for every other"),
    "description": _said(_TEXT, "for readers"),
    "rows": _ROWS,
    "excused": _said(_EXCUSED, "segment or field to the reason why it is left out on purpose"),
}
_EVENT_ROW: Mapping[str, Schema] = {
    "id": _said(_TEXT, "name of the row"),
    "event": _said(_TEXTS, "trigger events, MSH-9.2; * for every one"),
    "on": _said(_TEXT, "label or resource type"),
    "when": _WHEN,
    "set": _said({"type": "object"}, "elements that the event sets"),
    "remove": _said(_TEXTS, "elements that the event removes"),
    "merge": _said(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {"retired": _TEXT, "surviving": _TEXT},
            "required": ["retired", "surviving"],
        },
        "labels of the two patients",
    ),
}
_PLACING: Mapping[str, Schema] = {
    "remove": _said({"enum": [True, "true"]}, "overlays: take the row of this id out"),
    "after": _said(_TEXT, "overlays: id of the row to stand behind"),
    "before": _said(_TEXT, "overlays: id of the row to stand before"),
}
_EVENTS: Mapping[str, Schema] = {"rows": _ROWS, "description": _said(_TEXT, "for readers")}

KINDS: Mapping[str, tuple[Mapping[str, Schema], Mapping[str, Schema], str]] = {
    "map": (_MAP, _ROW, "A segment map (segments/*.yaml) or data type map (datatypes/*.yaml)"),
    "message": (_MESSAGE, _MESSAGE_ROW, "A message map (messages/*.yaml)"),
    "events": (_EVENTS, _EVENT_ROW, "The event table (events.yaml)"),
}
"""Kind → keys of the file, keys of its rows, title."""


def form_schema(kind: str) -> Schema:
    """The JSON Schema of one kind of file: `map`, `message` or `events`."""
    top, row, title = KINDS[kind]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "properties": dict(top),
        "$defs": {
            "rows": {"oneOf": [{"$ref": "#/$defs/row"}, {"type": "array", "items": {"$ref": "#/$defs/row"}}]},
            "row": {"type": "object", "additionalProperties": False, "properties": {**_PLACING, **row}},
            "when": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
            "key": {"oneOf": [_TEXT, {"type": "object"}, {"type": "array", "items": {"type": ["string", "object"]}}]},
        },
    }
