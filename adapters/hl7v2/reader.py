"""The reader (HL7 v2 chapter 2.6): a unit's bytes to a Message; only an unusable MSH-1/MSH-2 and limits raise."""

from __future__ import annotations

import hashlib
import re

from adapters.hl7v2 import charset as charsets
from adapters.hl7v2 import delimiters as delimiter_rules
from adapters.hl7v2 import dictionary
from adapters.hl7v2.delimiters import Delimiters
from adapters.hl7v2.errors import HeaderError, LimitError
from adapters.hl7v2.escape import ILLEGAL, unescape
from adapters.hl7v2.issue import Issue
from adapters.hl7v2.leaves import path
from adapters.hl7v2.limits import DEFAULT_LIMITS, Limits
from adapters.hl7v2.message import Message, Segment
from adapters.hl7v2.structure import derive
from adapters.hl7v2.units import first_unit

_CONTROLS = bytes(code for code in range(32) if code not in (9, 10, 13))
_LINE_ENDS = re.compile("[\x0b\x1c]*[\r\n][\x0b\x1c\r\n]*")
_NAME = re.compile("[A-Za-z][A-Za-z0-9]{2}").fullmatch
_HEADER_FIELDS = ((9, "message type"), (10, "message control id"), (12, "version"))


def read(body: bytes, limits: Limits = DEFAULT_LIMITS) -> Message:
    """One message. Raises HeaderError where MSH-1 or MSH-2 is unusable, LimitError where it exceeds `limits`.

    `body` is a unit as `units` cuts it; framing around it and what stands before MSH is tolerated. Speed: 20 us/KB.
    """
    if len(body) > limits.size:
        raise LimitError("bytes", limits.size)
    issues: list[Issue] = []
    text, charset, body = _text(body, issues)
    header = text.partition("\r")[0]
    delimiters = delimiter_rules.parse(header, issues)
    segments = _segments(text, delimiters, limits, issues)
    by_name: dict[str, list[Segment]] = {}
    for segment in segments:
        by_name.setdefault(segment.name, []).append(segment)
    msh = segments[0]
    kind = _components(msh, 9, delimiters, 3)
    code, event, given = (unescape(part, delimiters, charset) for part in kind)
    version = _components(msh, 12, delimiters, 1)[0]
    known = dictionary.nearest(version)
    for number, what in _HEADER_FIELDS:
        if not msh.field(number).strip(_blank(delimiters)):
            text_ = f"MSH-{number} ({what}) is missing"
            issues.append(Issue("error", "required", path("MSH", 1, number), None, text_))
    if version and version not in dictionary.VERSIONS:
        text_ = f"the version in MSH-12 has no dictionary; read as {known}"
        issues.append(Issue("warning", "not-supported", path("MSH", 1, 12), None, text_))
    structure, fits = derive(known, code, event, given) if code else (given, True)
    if not fits:
        text_ = "MSH-9.3 doesn't fit message code and trigger event"
        issues.append(Issue("warning", "value", path("MSH", 1, 9, 1, 3), None, text_))
    return Message(
        delimiters=delimiters,
        charset=charset,
        segments=segments,
        issues=issues,
        sha256=hashlib.sha256(body).digest(),
        size=len(body),
        version=version,
        dictionary_version=known,
        code=code,
        event=event,
        structure=structure,
        control_id=unescape(msh.field(10), delimiters, charset),
        _by_name=by_name,
    )


def _text(body: bytes, issues: list[Issue]) -> tuple[str, str, bytes]:
    """Text from MSH on with lines ended by CR, its codec, and the bytes of the unit."""
    wide = None if body[:3] == b"MSH" and body[3:4] != b"\0" else charsets.wide(body)
    if wide:
        text, charset = body.decode(wide, "replace").lstrip("\ufeff"), wide
        if "\ufffd" in text:
            issues.append(Issue("error", "value", None, None, "code units that are not UTF-16 or UTF-32 text"))
    else:
        body = first_unit(body, issues)
        text, charset = charsets.decode(body, _declared(body), issues)
    if len(body.translate(None, _CONTROLS)) != len(body):
        text = _without_controls(text, issues)
    if "\n" in text:
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    return text, charset, body


def _declared(body: bytes) -> str:
    """MSH-18 from the bytes, with `~` between repetitions."""
    header = re.split(rb"[\r\n]", body[:65536], maxsplit=1)[0]
    fields = header.split(header[3:4], 18) if header[3:4] else []
    if len(fields) < 18:
        return ""
    declared = fields[17].split(header[3:4], 1)[0].decode("latin-1").strip()
    repetition = header[5:6].decode("latin-1")
    return declared.replace(repetition, "~") if repetition and not repetition.isalnum() else declared


def _without_controls(text: str, issues: list[Issue]) -> str:
    """VT and FS at line ends are framing and go; other control characters can't stand in a FHIR string."""
    text = _LINE_ENDS.sub(lambda found: found[0].translate({11: None, 28: None}), text).strip("\x0b\x1c\r\n")
    cleaned = text.translate(ILLEGAL | {11: "\ufffd", 12: "\ufffd"})
    if cleaned != text:
        issues.append(Issue("warning", "value", None, None, "control characters in the text were replaced"))
    return cleaned


def _blank(delimiters: Delimiters) -> str:
    return " " + delimiters.component + delimiters.repetition + delimiters.subcomponent


def _components(segment: Segment, number: int, delimiters: Delimiters, count: int) -> list[str]:
    text = segment.field(number)
    if delimiters.repetition:
        text = text.partition(delimiters.repetition)[0]
    parts = text.split(delimiters.component) if delimiters.component else [text]
    return [part.strip() for part in parts[:count]] + [""] * (count - len(parts))


def _segments(text: str, delimiters: Delimiters, limits: Limits, issues: list[Issue]) -> list[Segment]:
    separator = delimiters.field
    lines = text.split("\r")
    if len(lines) > limits.segments:
        raise LimitError("lines", limits.segments)
    many = bool(delimiters.repetition) and text.count(delimiters.repetition) > limits.repetitions
    segments: list[Segment] = []
    numbers: dict[str, int] = {}
    for line in lines:
        if not line:
            continue
        fields = line.split(separator)
        name = fields[0]
        if not _NAME(name) or len(fields) == 1:
            fields = _repair(line, separator, segments, issues)
            if not fields:
                continue
            name = fields[0]
        if name == "MSH":
            fields.insert(1, separator)
            if segments:
                issues.append(Issue("error", "structure", None, None, "a second MSH inside the message"))
        elif name == "ADD" and len(segments) > 1:
            # chapter 2.10.2: the continuation of the segment before it, broken anywhere
            _join(segments[-1], fields[1:])
            continue
        if len(fields) > limits.fields:
            raise LimitError("fields in a segment", limits.fields)
        number = numbers.get(name, 0) + 1
        numbers[name] = number
        segments.append(Segment(name, fields, number, len(segments)))
    if not segments:
        raise HeaderError("no MSH segment")
    if many:
        _check_repetitions(segments, delimiters.repetition, limits)
    return segments


def _join(segment: Segment, rest: list[str]) -> None:
    if rest:
        segment.fields[-1] += rest[0]
        segment.fields.extend(rest[1:])


def _repair(line: str, separator: str, segments: list[Segment], issues: list[Issue]) -> list[str]:
    """Fields of a line that isn't `NAME|...`; empty if it was joined to the segment before it or is blank.

    A name alone is a segment without fields where a version knows the name; anything else is text that a line break
    inside a field cut off, and goes back where it was.
    """
    stripped = line.strip(" \t\ufeff")
    if not stripped:
        return []
    fields = stripped.split(separator)
    name = fields[0]
    if _NAME(name) and (len(fields) > 1 or (name.isupper() and (name[0] == "Z" or dictionary.knows(name)))):
        return fields
    if not segments:
        raise HeaderError("no MSH segment")
    rest = line.split(separator)
    _join(segments[-1], ["\n" + rest[0], *rest[1:]])
    text = "a line that is no segment was joined to the segment before it"
    issues.append(Issue("warning", "structure", path(segments[-1].name, segments[-1].number, 1), None, text))
    return []


def _check_repetitions(segments: list[Segment], repetition: str, limits: Limits) -> None:
    for segment in segments:
        for field in segment.fields[3:] if segment.name == "MSH" else segment.fields:
            if field.count(repetition) >= limits.repetitions:
                raise LimitError("repetitions in a field", limits.repetitions)
