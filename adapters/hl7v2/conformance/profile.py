"""A channel's conformance profile as data (after HL7 v2 chapter 2B): what a sender agreed to, beyond the standard.

A mapping as YAML or TOML holds it; whoever reads the file hands in its content. `segments` says how often each stands,
`fields` has rules by path: required, values, length, pattern, table, each under a condition and with its severity. A
rule's own `text` is what its breach says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.hl7v2 import dictionary
from adapters.hl7v2.errors import Hl7Error
from adapters.hl7v2.escape import unescape
from adapters.hl7v2.issue import Issue
from adapters.hl7v2.leaves import NULL, path
from adapters.hl7v2.message import Message, Segment

__all__ = ["Breach", "Profile", "ProfileError", "profile_schema", "read_profile"]

_PATH = re.compile(r"([A-Z][A-Z0-9]{2})-(\d{1,3})(?:\.(\d{1,3})(?:\.(\d{1,3}))?)?")
_PATTERN_LENGTH = 200
_SEVERITIES = ("error", "warning", "information")
_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "HL7 v2 conformance profile of a channel",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "profile": {"type": "string", "description": "its name, as findings call it"},
        "description": {"type": "string", "description": "for readers"},
        "segments": {
            "type": "object",
            "description": "segment name to how often it must and may stand in a message",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "min": {"type": "integer", "minimum": 0, "description": "at least"},
                    "max": {"type": "integer", "minimum": 0, "description": "at most"},
                    "severity": {"enum": list(_SEVERITIES), "description": "of a breach; error without"},
                },
            },
        },
        "fields": {
            "type": "array",
            "description": "rules, each for one place",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path"],
                "properties": {
                    "path": {"type": "string", "description": "PID-3, PID-3.4 or PID-3.4.1: every repetition"},
                    "when": {
                        "type": "object",
                        "description": "paths of the same segment to the code or codes that they must hold",
                    },
                    "required": {
                        "type": "boolean",
                        "description": "valued in each repetition (HL7 null is no value)",
                    },
                    "values": {"type": "array", "items": {"type": "string"}, "description": "codes allowed"},
                    "length": {"type": "integer", "minimum": 1, "description": "characters at most, unescaped"},
                    "pattern": {"type": "string", "description": "regular expression for the whole text"},
                    "table": {"type": "string", "description": "HL7 table of the message's version, e.g. '0001'"},
                    "units": {"type": "array", "items": {"type": "string"}, "description": "unit codes allowed"},
                    "severity": {"enum": list(_SEVERITIES), "description": "of a breach; error without"},
                    "text": {"type": "string", "description": "what a breach says instead of our words"},
                },
            },
        },
    },
}


class ProfileError(Hl7Error):
    """A profile says what can't be; the text names its rule."""


@dataclass(frozen=True, slots=True)
class _Place:
    segment: str
    field: int
    component: int = 0
    subcomponent: int = 0


@dataclass(frozen=True, slots=True)
class _Rule:
    place: _Place
    when: tuple[tuple[_Place, frozenset[str]], ...]
    required: bool
    values: frozenset[str] | None
    length: int | None
    pattern: re.Pattern[str] | None
    table: str | None
    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Breach:
    """One finding. `place`: no deeper than its rule, as ERR-2 says it (`PID[1]-8[1]`, where the issue's path is that of
    a leaf)."""

    issue: Issue
    place: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile ready to be asked."""

    name: str
    segments: tuple[tuple[str, int, int | None, str], ...]
    rules: tuple[_Rule, ...]

    def findings(self, message: Message) -> Iterator[Issue]:
        """Where a message breaks the profile."""
        for breach in self.breaches(message):
            yield breach.issue

    def breaches(self, message: Message) -> Iterator[Breach]:
        """The same, with the places at which a sender is told of it."""
        for name, least, most, severity in self.segments:
            found = message.all(name)
            if len(found) < least:
                yield self._times(severity, "required", f"{name}[1]", f"{name} must stand {least} times")
            if most is not None and len(found) > most:
                yield self._times(severity, "structure", f"{name}[{most + 1}]", f"{name} may stand {most} times")
        for rule in self.rules:
            for segment in message.all(rule.place.segment):
                if all(_first(message, segment, place) in codes for place, codes in rule.when):
                    yield from self._breaches(message, segment, rule)

    def _times(self, severity: str, code: str, place: str, text: str) -> Breach:
        return Breach(Issue(severity, code, place, None, self._said(text)), place)

    def _breaches(self, message: Message, segment: Segment, rule: _Rule) -> Iterator[Breach]:
        texts = list(_texts(message, segment, rule.place))
        if rule.required:
            for repetition in _lacking(message, segment, rule.place, texts):
                yield self._issue(rule, "required", segment, repetition, "is required")
        for repetition, text in texts:
            if text in ("", NULL):
                continue
            if rule.values is not None and text not in rule.values:
                yield self._issue(rule, "code-invalid", segment, repetition, "holds no value of the agreed list")
            if rule.length is not None and len(text) > rule.length:
                yield self._issue(rule, "too-long", segment, repetition, f"is longer than {rule.length} characters")
            if rule.pattern is not None and not rule.pattern.fullmatch(text):
                yield self._issue(rule, "value", segment, repetition, "has not the agreed form")
            if rule.table is not None:
                codes = dictionary.load(message.dictionary_version).codes(rule.table)
                if codes and text not in codes:
                    yield self._issue(rule, "code-invalid", segment, repetition, f"holds no code of table {rule.table}")

    def _issue(self, rule: _Rule, code: str, segment: Segment, repetition: int, text: str) -> Breach:
        place = rule.place
        where = path(
            segment.name, segment.number, place.field, repetition, place.component or 1, place.subcomponent or 1
        )
        deeper = "".join(f".{number}" for number in (place.component, place.subcomponent) if number)
        said = self._said(rule.text or f"{place.segment}-{place.field}{deeper} {text}")
        told = f"{segment.name}[{segment.number}]-{place.field}[{repetition}]{deeper}"
        return Breach(Issue(rule.severity, code, where, None, said), told)

    def _said(self, text: str) -> str:
        return f"profile {self.name}: {text}"


def profile_schema() -> dict[str, Any]:
    """The JSON Schema of a profile, for editors."""
    return _SCHEMA


def read_profile(content: object) -> Profile:
    """A profile from its parsed file. Raises ProfileError naming the rule."""
    top = _mapping(content, "a profile")
    _known(top, _SCHEMA["properties"], "a profile")
    segments = []
    for name, rule in _mapping(top.get("segments", {}), "segments").items():
        found = _mapping(rule, f"segments {name}")
        _known(found, ("min", "max", "severity"), f"segments {name}")
        most = _number(found, "max", f"segments {name}")
        least = _number(found, "min", f"segments {name}") or 0
        segments.append((str(name), least, most, _severity(found, f"segments {name}")))
    rules = top.get("fields", [])
    if not isinstance(rules, list):
        raise ProfileError("fields must be a list")
    return Profile(
        str(top.get("profile", "")), tuple(segments), tuple(_rule(rule, n) for n, rule in enumerate(rules, 1))
    )


def _rule(value: object, number: int) -> _Rule:
    label = f"rule {number}"
    found = _mapping(value, label)
    _known(found, _SCHEMA["properties"]["fields"]["items"]["properties"], label)
    place = _place(found.get("path"), label)
    label = f"{label} ({found['path']})"
    when = []
    for text, codes in _mapping(found.get("when", {}), f"{label} when").items():
        asked = _place(text, f"{label} when")
        if asked.segment != place.segment:
            raise ProfileError(f"{label}: a condition asks the same segment")
        when.append((asked, _codes(codes, f"{label} when")))
    if "values" in found and "units" in found:
        raise ProfileError(f"{label}: units are values: a rule has one of them")
    values = found.get("values", found.get("units"))
    return _Rule(
        place,
        tuple(when),
        str(found.get("required", "false")).lower() == "true",
        None if values is None else _codes(values, f"{label} values"),
        _number(found, "length", label),
        _pattern(found.get("pattern"), label),
        None if found.get("table") is None else str(found["table"]),
        _severity(found, label),
        str(found.get("text", "")),
    )


def _mapping(value: object, label: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ProfileError(f"{label} must be a mapping")
    return value


def _known(found: Mapping[str, Any], keys: object, label: str) -> None:
    for key in found:
        if key not in keys:  # type: ignore[operator]  # a mapping or a tuple
            raise ProfileError(f"{label} has no key {key}")


def _place(value: object, label: str) -> _Place:
    found = _PATH.fullmatch(str(value))
    if found is None:
        raise ProfileError(f"{label}: a path is PID-3, PID-3.4 or PID-3.4.1")
    return _Place(found[1], int(found[2]), int(found[3] or 0), int(found[4] or 0))


def _codes(value: object, label: str) -> frozenset[str]:
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, (str, int)) for item in items):
        raise ProfileError(f"{label} must be a code or a list of codes")
    return frozenset(str(item) for item in items)


def _number(found: Mapping[str, Any], key: str, label: str) -> int | None:
    value = found.get(key)
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,9}", str(value)):
        raise ProfileError(f"{label}: {key} must be a whole number")
    return int(value)


def _severity(found: Mapping[str, Any], label: str) -> str:
    severity = str(found.get("severity", "error"))
    if severity not in _SEVERITIES:
        raise ProfileError(f"{label}: severity is one of {', '.join(_SEVERITIES)}")
    return severity


def _pattern(value: object, label: str) -> re.Pattern[str] | None:
    if value is None:
        return None
    text = str(value)
    if len(text) > _PATTERN_LENGTH:
        raise ProfileError(f"{label}: a pattern has at most {_PATTERN_LENGTH} characters")
    try:
        return re.compile(text)
    except re.error as error:
        raise ProfileError(f"{label}: the pattern is no regular expression: {error.msg}") from error


def _texts(message: Message, segment: Segment, place: _Place) -> Iterator[tuple[int, str]]:
    """(repetition, text): the leaf, or the whole part with its separators where the path ends above one."""
    marks = message.delimiters
    text = segment.field(place.field)
    for repetition, part in enumerate(_split(text, marks.repetition), 1):
        found = part
        for index, separator in ((place.component, marks.component), (place.subcomponent, marks.subcomponent)):
            if index:
                parts = _split(found, separator)
                found = parts[index - 1] if index <= len(parts) else ""
        yield repetition, unescape(found, marks, message.charset)


def _lacking(message: Message, segment: Segment, place: _Place, texts: list[tuple[int, str]]) -> list[int]:
    """Repetitions that say something, but not this; the first, where none says anything."""
    marks = message.delimiters
    parts = _split(segment.field(place.field), marks.repetition)
    empty = marks.component + marks.subcomponent
    found = [repetition for repetition, text in texts if text in ("", NULL) and parts[repetition - 1].strip(empty)]
    return found or ([] if any(text not in ("", NULL) for _, text in texts) else [1])


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else [text]


def _first(message: Message, segment: Segment, place: _Place) -> str:
    text = next(_texts(message, segment, place))[1]
    return text if place.component else text.partition(message.delimiters.component)[0]
