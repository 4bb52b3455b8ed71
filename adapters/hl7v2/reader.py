"""The reader (HL7 v2 chapter 2.6): a unit's bytes to a Message; only an unusable MSH-1/MSH-2 and limits raise."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import NamedTuple

from adapters.hl7v2 import charset as charsets
from adapters.hl7v2 import charset_names, dictionary, wide
from adapters.hl7v2 import delimiters as delimiter_rules
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
# framing, and what C programs (NUL) and DOS editors (SUB) leave at the end of lines and files
_PADDING = "\x00\x0b\x1a\x1c"
# begins where padding begins: a run of it that no line end follows is looked at once, not once a byte
_LINE_ENDS = re.compile(f"(?<![{_PADDING}])[{_PADDING}]*+[\r\n][{_PADDING}\r\n]*")
_UNKNOWN = re.compile("[A-Z][A-Z0-9]{1,5}").fullmatch  # the name of a segment that no version and no site can have
_NO_PADDING = dict.fromkeys(map(ord, _PADDING))
_IGNORED = " \t\ufeff"
_NAME = re.compile("[A-Za-z][A-Za-z0-9]{2}").fullmatch
_HEADER = 12  # a header has its version, MSH-12, at least
_HEADER_TEXT = 200  # of MSH-9 and MSH-12: more than any value of theirs


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
    segments, by_name = _segments(text, delimiters, limits, issues)
    if text.count(delimiters.field) > limits.fields or text.count(delimiters.repetition or "\r") > limits.repetitions:
        _check(segments, delimiters.repetition, limits)
    msh = segments[0]
    kind = _kind(msh.field(9)[:_HEADER_TEXT], msh.field(12)[:_HEADER_TEXT], delimiters, charset)
    issues.extend(kind.issues)
    control_id = msh.field(10)
    if not control_id.strip(_blank(delimiters)):
        issues.append(_missing(10, "message control id"))
    return Message(
        delimiters=delimiters,
        charset=charset,
        segments=segments,
        issues=issues,
        sha256=hashlib.sha256(body).digest(),
        size=len(body),
        version=kind.version,
        dictionary_version=kind.dictionary_version,
        code=kind.code,
        event=kind.event,
        structure=kind.structure,
        control_id=unescape(control_id, delimiters, charset),
        source=body,
        _by_name=by_name,
    )


class _Kind(NamedTuple):
    code: str
    event: str
    structure: str
    version: str
    dictionary_version: str
    issues: tuple[Issue, ...]


@lru_cache(maxsize=1024)
def _kind(msh9: str, msh12: str, delimiters: Delimiters, charset: str) -> _Kind:
    """What MSH-9 and MSH-12 say; few pairs occur, so each is worked out once."""
    issues: list[Issue] = []
    code, event, given = (unescape(part, delimiters, charset) for part in _components(msh9, delimiters, 3))
    version = _components(msh12, delimiters, 1)[0]
    known = dictionary.nearest(version)
    if not msh9.strip(_blank(delimiters)):
        issues.append(_missing(9, "message type"))
    if not msh12.strip(_blank(delimiters)):
        issues.append(_missing(12, "version"))
    elif version not in dictionary.VERSIONS:
        text = f"the version in MSH-12 has no dictionary; read as {known}"
        issues.append(Issue("warning", "not-supported", path("MSH", 1, 12), None, text))
    structure, fits = derive(known, code, event, given) if code else (given, True)
    if not fits:
        text = "MSH-9.3 doesn't fit message code and trigger event"
        issues.append(Issue("warning", "value", path("MSH", 1, 9, 1, 3), None, text))
    return _Kind(code, event, structure, version, known, tuple(issues))


def _missing(number: int, what: str) -> Issue:
    return Issue("error", "required", path("MSH", 1, number), None, f"MSH-{number} ({what}) is missing")


def _text(body: bytes, issues: list[Issue]) -> tuple[str, str, bytes]:
    """Text from MSH on with lines ended by CR, its codec, and the bytes of the unit."""
    codec = None if body[:3] == b"MSH" else wide.codec(body)
    if codec:
        text, charset = body.decode(codec, "replace").lstrip("\ufeff\x0b\r\n"), codec
        if "\ufffd" in text:
            issues.append(Issue("error", "value", None, None, "code units that are not UTF-16 or UTF-32 text"))
    else:
        body = first_unit(body, issues)
        if not body.startswith(b"MSH"):
            raise HeaderError("no MSH segment")
        text, charset = charsets.decode(body, *_declared(body), issues)
    if codec or len(body.translate(None, _CONTROLS)) != len(body):
        text = _without_controls(text, issues)
    if "\n" in text:
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    if not text.startswith("MSH"):
        raise HeaderError("no MSH segment")
    return text, charset, body


def _declared(body: bytes) -> tuple[str, str]:
    """MSH-18 from the bytes, with `~` between repetitions, and MSH-17."""
    header = re.split(rb"[\r\n]", body[:65536], maxsplit=1)[0]
    separator = header[3:4]
    fields = header.split(separator) if separator else []
    if len(fields) < 18:
        return "", ""
    declared, country = fields[17], fields[16].decode("latin-1")
    if not header.isascii():
        # a second byte of a character before MSH-18 may look like the separator, which moves the fields
        for field in fields[17:24]:
            codec = charset_names.codecs(field.decode("latin-1"))[0]
            if codec in charset_names.MULTIBYTE:
                text = header.decode(codec, charsets.LOSSLESS).split(separator.decode("latin-1"))
                if len(text) > 17 and text[17] == field.decode("latin-1"):
                    declared, country = field, text[16]
                    break
    repetition, component = header[5:6].decode("latin-1"), header[4:5]
    names = declared.split(component, 1)[0] if component and not component.isalnum() else declared
    text17 = country[:9].strip()
    text18 = names.decode("latin-1").strip()
    return (text18.replace(repetition, "~") if repetition and not repetition.isalnum() else text18), text17


def _without_controls(text: str, issues: list[Issue]) -> str:
    """Framing and padding at line ends go; other control characters can't stand in a FHIR string."""
    text = _LINE_ENDS.sub(lambda found: found[0].translate(_NO_PADDING), text).strip(_PADDING + "\r\n")
    cleaned = text.translate(ILLEGAL | {11: "\ufffd", 12: "\ufffd"})
    if cleaned != text:
        issues.append(Issue("warning", "value", None, None, "control characters in the text were replaced"))
    return cleaned


def _blank(delimiters: Delimiters) -> str:
    return ' "' + delimiters.component + delimiters.repetition + delimiters.subcomponent


def _components(text: str, delimiters: Delimiters, count: int) -> list[str]:
    if delimiters.repetition:
        text = text.partition(delimiters.repetition)[0]
    parts = text.split(delimiters.component) if delimiters.component else [text]
    return [part.strip() for part in parts[:count]] + [""] * (count - len(parts))


def _segments(
    text: str, delimiters: Delimiters, limits: Limits, issues: list[Issue]
) -> tuple[list[Segment], dict[str, list[Segment]]]:
    """In their order, and by name."""
    separator = delimiters.field
    lines = text.split("\r")
    if len(lines) > limits.segments:
        raise LimitError("lines", limits.segments)
    segments: list[Segment] = []
    by_name: dict[str, list[Segment]] = {}
    tail: list[str] = []  # pieces that continue the last field of the last segment, joined once
    for line in lines:
        if not line:
            continue
        fields = line.split(separator)
        name = fields[0]
        if len(name) != 3 or len(fields) == 1 or not _NAME(name):
            fields = _segment_fields(line, separator)
            if not fields and len(segments) == 1 and len(segments[0].fields) > _HEADER and _UNKNOWN(name):
                fields = line.split(separator)  # a header that is whole takes no more text
            if not fields:
                _continue(segments[-1], ["\n", *line.split(separator)] if line.strip(_IGNORED) else [], tail, issues)
                continue
            name = fields[0]
        if name == "ADD" and len(segments) > 1:
            # chapter 2.10.2: the continuation of the segment before it, broken anywhere
            _continue(segments[-1], ["", *fields[1:]], tail, None)
            continue
        if tail:
            _flush(segments[-1], tail)
        if name == "MSH":
            fields.insert(1, separator)
            if segments:
                issues.append(Issue("error", "structure", None, None, "a second MSH inside the message"))
        same = by_name.get(name)
        if same is None:
            same = by_name[name] = []
        segment = Segment(name, fields, len(same) + 1, len(segments))
        same.append(segment)
        segments.append(segment)
    if tail:
        _flush(segments[-1], tail)
    return segments, by_name


def _segment_fields(line: str, separator: str) -> list[str]:
    """Fields of a line that isn't `NAME|...`; none if it is no segment.

    A name with blanks around it, or a name alone, is a segment where a version knows the name. Anything else is text
    that a line break inside a field cut off, and goes back where it was.
    """
    fields = line.strip(_IGNORED).split(separator)
    name = fields[0].strip()
    if not _NAME(name) or not name.isupper() or not (name[0] == "Z" or dictionary.knows(name)):
        return []
    return [name, *fields[1:]]


def _continue(segment: Segment, parts: list[str], tail: list[str], issues: list[Issue] | None) -> None:
    """Take `parts[0] + parts[1]` as more text of the segment's last field, the rest as further fields."""
    if not parts:
        return
    if issues is not None and not tail:
        text = "a line that is no segment was joined to the segment before it"
        issues.append(Issue("warning", "structure", path(segment.name, segment.number, 1), None, text))
    tail.extend(parts[:2])
    if len(parts) > 2:
        _flush(segment, tail)
        segment.fields.extend(parts[2:])


def _flush(segment: Segment, tail: list[str]) -> None:
    segment.fields[-1] += "".join(tail)
    tail.clear()


def _check(segments: list[Segment], repetition: str, limits: Limits) -> None:
    for segment in segments:
        if len(segment.fields) > limits.fields:
            raise LimitError("fields in a segment", limits.fields)
        if not repetition:
            continue
        for field in segment.fields[3:] if segment.name == "MSH" else segment.fields:
            if field.count(repetition) >= limits.repetitions:
                raise LimitError("repetitions in a field", limits.repetitions)
