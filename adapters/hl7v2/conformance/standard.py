"""What in a message breaks the standard of its version (HL7 v2 chapters 2.5 to 2.12), by segment-field-component.

Structure: segments and groups that are required, too many, out of order, or not of this structure. Fields: required,
repetitions, length, components beyond the data type's, form of primitives, codes of tables, fields that the version
withdrew or doesn't have.

An `error` breaks the standard; a `warning` is what it leaves open, or where its versions disagree: fields past the
version's last, codes of user-defined tables (type IS, and coded types) and of tables that grow, fields that this one
version requires and its neighbours don't, lengths that another version allows, and those of components (which never
added up to those of fields). Texts never hold a value of the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from adapters.hl7v2 import dictionary
from adapters.hl7v2.conformance.lengths import length, longest
from adapters.hl7v2.conformance.lexical import WORDS, fits
from adapters.hl7v2.conformance.profile import Profile
from adapters.hl7v2.dictionary import Child, Component, Dictionary, Field
from adapters.hl7v2.escape import unescape
from adapters.hl7v2.groups import Group, Tree, group
from adapters.hl7v2.issue import Issue
from adapters.hl7v2.leaves import NULL, path
from adapters.hl7v2.message import Message, Segment

__all__ = ["conform"]

_CODED = frozenset({"CE", "CWE", "CNE", "CF"})
_VARIES = "varies"
# Tables of type ID that others keep or sites add to: coding systems, countries, media subtypes.
_GROWING = frozenset({"0396", "0399", "0291", "0834"})
_OPEN_CODE = re.compile(r"\.\.\.|nnnn|xxx|zzz").search  # `HL7nnnn`, `NNxxx`, `21 ... 29`: the table lists a form
_VALUE_TYPES = "0125"
_DEPTH = 3  # component and subcomponent: what stands deeper can't be written


def conform(message: Message, profile: Profile | None = None) -> list[Issue]:
    """All findings: the reader's own, the standard's, the profile's."""
    issues = list(message.issues)
    said = {(issue.code, issue.path) for issue in issues}
    issues += _structure(message)
    for segment in message.segments:
        found = _Fields(message, segment).findings()
        issues += [issue for issue in found if (issue.code, issue.path) not in said]
    if profile is not None:
        issues += profile.findings(message)
    return issues


def _error(code: str, where: str, text: str) -> Issue:
    return Issue("error", code, where, None, text)


def _warning(code: str, where: str, text: str) -> Issue:
    return Issue("warning", code, where, None, text)


# -- segments and groups -----------------------------------------------------------------------------------------------


def _structure(message: Message) -> Iterator[Issue]:
    found = dictionary.structure(message.dictionary_version, message.structure) if message.structure else None
    if found is None:
        yield _warning("not-supported", path("MSH", 1, 9), "no version has this message structure: segments unchecked")
        return
    tree: Tree = group(message)
    yield from _group(tree, found[1], message.segments[0])


def _group(found: Group, children: Sequence[Child], near: Segment) -> Iterator[Issue]:
    """One instance of a group against its definition. `near`: the segment to name where something is missing."""
    places = {name: (index, least, most) for index, name, least, most in _places(children)}
    counts: dict[str, int] = {}
    reached, last = 0, near
    for child in found.children:
        segment = child if isinstance(child, Segment) else _first(child)
        name = child.name
        if segment is not None:
            last = segment
        place = places.get(name)
        counts[name] = counts.get(name, 0) + 1
        where = path(last.name, last.number, 0).partition("-")[0]
        if place is None:
            yield _stray(name, where)
            continue
        index, _, most = place
        if index < reached:
            yield _error("structure", where, f"{name} stands out of order")
        reached = max(reached, index)
        if most > 0 and counts[name] == most + 1:
            yield _error("structure", where, f"{name} stands more than {_times(most)} here")
    for name, (_, least, _) in places.items():
        if counts.get(name, 0) < least:
            yield _error("required", f"{near.name}[{near.number}]", f"{_label(found, name)} is missing")
    inner = {child[0]: child[3] for child in _flat(children) if len(child) == 4}
    for child in found.children:
        if isinstance(child, Group) and child.name in inner:
            yield from _group(child, inner[child.name], _first(child) or near)


def _places(children: Sequence[Child]) -> Iterator[tuple[int, str, int, int]]:
    """(place, name, least, most); the members of a choice share a place, and none of them alone is required."""
    for index, child in enumerate(children):
        if len(child) == 4 and child[0] == "":
            for each in child[3]:
                yield index, each[0], 0, each[2]
        else:
            yield index, child[0], child[1], child[2]


def _flat(children: Sequence[Child]) -> Iterator[Child]:
    for child in children:
        if len(child) == 4 and child[0] == "":
            yield from child[3]
        else:
            yield child


def _first(found: Group) -> Segment | None:
    for child in found.children:
        segment = child if isinstance(child, Segment) else _first(child)
        if segment is not None:
            return segment
    return None


def _label(found: Group, name: str) -> str:
    return f"{name} in {found.path}" if found.path else name


def _stray(name: str, where: str) -> Issue:
    if name.startswith("Z"):
        return Issue("information", "informational", where, None, f"{name} is a local segment")
    if not dictionary.knows(name):
        return _warning("structure", where, f"no version has a segment {name}")
    return _error("structure", where, f"{name} has no place here in this message structure")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


# -- fields ------------------------------------------------------------------------------------------------------------


class _Fields:
    """The fields of one segment."""

    def __init__(self, message: Message, segment: Segment) -> None:
        self._message = message
        self._segment = segment
        self._book: Dictionary = dictionary.load(message.dictionary_version)

    def findings(self) -> Iterator[Issue]:
        segment = self._segment
        fields = self._book.fields(segment.name)
        if fields is None:
            if dictionary.knows(segment.name) and not segment.name.startswith("Z"):
                where = f"{segment.name}[{segment.number}]"
                yield _warning("structure", where, f"version {self._book.version} has no segment {segment.name}")
            return
        for number, definition in enumerate(fields, 1):
            if segment.name == "MSH" and number <= 2:
                continue
            text = segment.field(number)
            if text or definition.least:  # most fields are empty, and may be
                yield from self._field(number, definition, text)
        for number in range(len(fields) + 1, len(segment.fields)):
            if segment.field(number):
                text = f"version {self._book.version} has no {segment.name}-{number}"
                yield _warning("structure", self._at(number), text)

    def _at(self, number: int, *parts: int) -> str:
        return path(self._segment.name, self._segment.number, number, *parts)

    def _field(self, number: int, definition: Field, text: str) -> Iterator[Issue]:
        name = f"{self._segment.name}-{number}"
        if not self._valued(text):
            if definition.least:
                finding = _error if _agreed(self._book.version, self._segment.name, number) else _warning
                yield finding("required", self._at(number), f"{name}{_named(definition.name)} is required")
            return
        if definition.type is None:
            yield _warning("structure", self._at(number), f"{name} is withdrawn in version {self._book.version}")
            return
        repetition = self._message.delimiters.repetition
        parts = text.split(repetition) if repetition and repetition in text else [text]
        if 0 < definition.most < len(parts):
            where = self._at(number, definition.most + 1)
            yield _error("structure", where, f"{name} may stand only {_times(definition.most)}")
        datatype = definition.type
        if datatype == _VARIES:
            datatype = self._value_type()
        for place, part in enumerate(parts, 1):
            if part and part != NULL:
                yield from self._length(part, self._segment.name, number, (number, place))
                yield from self._value(part, datatype, definition.table, (number, place), 1)

    def _length(self, text: str, name: str, number: int, at: tuple[int, ...]) -> Iterator[Issue]:
        """One occurrence of a field, or a component of a data type: its characters, separators included."""
        most = length(self._book.version, name, number)
        if not most or len(text) <= most or len(self._plain(text)) <= most:
            return
        field = len(at) == 2
        finding = _error if field and 0 < longest(name, number) < len(self._plain(text)) else _warning
        label = f"{name}-{number}" if field else f"component {number} of {name}"
        yield finding("too-long", self._at(*at), f"{label} has at most {most} characters in this version")

    def _plain(self, text: str) -> str:
        return unescape(text, self._message.delimiters, self._message.charset)

    def _value_type(self) -> str:
        """OBX-5 is of the type that OBX-2 says, as far as there is one."""
        said = self._segment.field(2) if self._segment.name == "OBX" else ""
        known = said in WORDS or bool(self._book.components(said))
        return said if known else ""

    def _value(self, text: str, datatype: str, table: str | None, at: tuple[int, ...], depth: int) -> Iterator[Issue]:
        """A repetition, component or subcomponent of a data type."""
        delimiters = self._message.delimiters
        separator = (delimiters.component, delimiters.subcomponent, "")[depth - 1]
        components = self._book.components(datatype)
        parts = text.split(separator) if separator and separator in text else [text]
        if not components:
            if len(parts) > 1 and datatype in WORDS:
                yield _error("structure", self._at(*at), f"{datatype} has no parts")
            yield from self._primitive(parts[0], datatype, table, at)
            return
        if depth == _DEPTH:
            return
        for number, component in enumerate(components, 1):
            part = parts[number - 1] if number <= len(parts) else ""
            if not part and not component.least:
                continue
            inner = table if number == 1 and datatype in _CODED and table else component.table
            yield from self._length(part, datatype, number, (*at, number))
            yield from self._component(part, component, inner, (*at, number), depth)
        if any(parts[len(components) :]):
            where = self._at(*at, len(components) + 1)
            yield _warning("structure", where, f"{datatype} has {len(components)} components in this version")

    def _component(
        self, text: str, component: Component, table: str | None, at: tuple[int, ...], depth: int
    ) -> Iterator[Issue]:
        if not self._valued(text):
            if component.least:
                yield _error("required", self._at(*at), f"component {at[-1]}{_named(component.name)} is required")
        elif text != NULL:
            yield from self._value(text, component.type, table, at, depth + 1)

    def _primitive(self, text: str, datatype: str, table: str | None, at: tuple[int, ...]) -> Iterator[Issue]:
        text = self._plain(text)
        if not text or text == NULL:
            return
        if not fits(datatype, text):
            yield _error("value", self._at(*at), f"not {WORDS[datatype]}")
        elif table is not None:
            codes = self._book.codes(table)
            if codes and text not in codes and not (table == _VALUE_TYPES and text in self._book.types):
                # a code of an HL7 table (type ID) must be in it; other tables are the site's own (chapter 2.5.3.6)
                finding = _error if datatype == "ID" and _closed(self._book.version, table) else _warning
                yield finding("code-invalid", self._at(*at), f"no code of table {table}")

    def _valued(self, text: str) -> bool:
        marks = self._message.delimiters
        return bool(text.strip(marks.component + marks.repetition + marks.subcomponent))


@lru_cache(maxsize=4096)
def _closed(version: str, table: str) -> bool:
    """Whether the codes that are listed are all there are."""
    return table not in _GROWING and not any(map(_OPEN_CODE, dictionary.load(version).codes(table)))


@lru_cache(maxsize=4096)
def _agreed(version: str, segment: str, number: int) -> bool:
    """Whether a version next to this one requires the field, too, or none has it: a lone one may be a slip."""
    place = dictionary.VERSIONS.index(version)
    least = []
    for near in dictionary.VERSIONS[max(0, place - 1) : place + 2]:
        fields = dictionary.load(near).fields(segment) or ()
        if near != version and number <= len(fields) and fields[number - 1].type is not None:
            least.append(fields[number - 1].least)
    return not least or any(least)


def _named(name: str | None) -> str:
    return f" ({name.replace('_', ' ').lower()})" if name else ""
