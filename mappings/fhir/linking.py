"""References of a message (bundle.html#references): those that lead to one of its resources get our ids; the others
become the identifier of what is meant, for a reference of ours always leads somewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.fhir import definitions
from mappings.fhir.container import Entry, split_url
from mappings.fhir.identity import Namer

__all__ = ["Links", "Rewritten"]

# Reference's members: DetectedIssue, Expression and Immunization.education have a URI of this name
_REFERENCE = frozenset(
    {"reference", "type", "identifier", "display", "id", "extension", "_reference", "_type", "_display"}
)
_URI = "urn:ietf:rfc:3986"  # the system of identifiers that are URIs


@dataclass(slots=True)
class Rewritten:
    """What became of the references of one resource; places as FHIRPath of what was sent."""

    kept: list[str] = field(default_factory=list)  # turned into an identifier
    lost: list[str] = field(default_factory=list)  # said twice: by an identifier of the sender's, too
    patients: dict[str, str] = field(default_factory=dict)  # 'subject' → id of the patient meant


class Links:
    """Where the names of a message's resources lead."""

    def __init__(self, named: Sequence[tuple[Entry, str]], namer: Namer) -> None:
        self._namer = namer
        self._absolute: dict[str, str] = {}
        self._local: dict[str, set[str]] = {}
        self._identifiers: dict[tuple[str, str, str], str] = {}
        for entry, id_ in named:
            target = f"{entry.type}/{id_}"
            if entry.url:
                self._absolute[entry.url] = target
            found = split_url(entry.url)
            for own in {entry.own_id, found[2] if found is not None else ""} - {""}:
                self._local.setdefault(f"{entry.type}/{own}", set()).add(target)
            self._note_identifiers(entry, target)

    def _note_identifiers(self, entry: Entry, target: str) -> None:
        identifiers = entry.resource.get("identifier")
        for each in identifiers if isinstance(identifiers, list) else [identifiers]:
            if isinstance(each, dict) and isinstance(each.get("value"), str):
                self._identifiers[entry.type, str(each.get("system", "")), each["value"]] = target

    def rewrite(self, entry: Entry, resource: dict[str, Any]) -> Rewritten:
        """Every reference in a resource, in place."""
        done = Rewritten()
        base = self._namer.base(entry)
        self._walk(resource, entry.place, "", base, done)
        return done

    def _walk(self, value: Any, place: str, parent: str, base: str, done: Rewritten) -> None:
        if isinstance(value, list):
            for number, item in enumerate(value):
                self._walk(item, f"{place}[{number}]", parent, base, done)
            return
        if not isinstance(value, dict):
            return
        if isinstance(value.get("reference"), str) and value.keys() <= _REFERENCE and parent != "education":
            self._reference(value, place, base, done)
        elif isinstance(value.get("url"), str) and parent not in ("extension", "modifierExtension"):
            leads = self._find(value["url"], base)  # an Attachment whose Binary came along
            value["url"] = leads or value["url"]
        for name, inner in list(value.items()):
            if isinstance(inner, dict | list):
                self._walk(inner, f"{place}.{name}", name, base, done)

    def _reference(self, value: dict[str, Any], place: str, base: str, done: Rewritten) -> None:
        text = value["reference"]
        if text.startswith("#"):
            return  # within its own resource
        leads = self._find(text, base)
        if leads is not None:
            value["reference"] = leads
            return
        del value["reference"]
        type_, identifier = self._named(text, base)
        if type_ == "Patient":
            done.patients[place] = self._patient(value, text, base)
        if "identifier" in value:
            done.lost.append(f"{place}.reference")
            return
        value["identifier"] = identifier
        if type_:
            value.setdefault("type", type_)
        done.kept.append(f"{place}.reference")

    def _patient(self, value: Mapping[str, Any], text: str, base: str) -> str:
        found = split_url(text)
        named = self._namer.patient(value)
        if named is not None or found is None:
            return named or self._namer.foreign("Patient", base, text)
        return self._namer.foreign("Patient", found[0] or base, found[2])

    def _find(self, text: str, base: str) -> str | None:
        """Type/id of ours that a reference leads to."""
        plain = text.partition("/_history/")[0]
        if plain in self._absolute:
            return self._absolute[plain]
        found = split_url(plain)
        if found is not None:
            where, type_, id_ = found
            absolute = self._absolute.get(f"{where or base}/{type_}/{id_}")
            if absolute is not None or where:
                return absolute
            targets = self._local.get(f"{type_}/{id_}", set())
            return next(iter(targets)) if len(targets) == 1 else None
        asked = _conditional(plain)
        return None if asked is None else self._identifiers.get(asked)

    def _named(self, text: str, base: str) -> tuple[str, dict[str, Any]]:
        """(type or '', identifier) of what a reference means."""
        found = split_url(text)
        if found is not None:
            where, type_, id_ = found
            return type_, {"system": f"{where or base}/{type_}", "value": id_}
        asked = _conditional(text)
        if asked is not None:
            type_, system, value = asked
            return type_, {"system": system, "value": value} if system else {"value": value}
        return "", {"system": _URI, "value": text}


def _conditional(text: str) -> tuple[str, str, str] | None:
    """`Type?identifier=system|value` as (type, system, value)."""
    type_, mark, query = text.partition("?")
    if not mark or type_ not in definitions().resources or not query.startswith("identifier="):
        return None
    system, bar, value = query.removeprefix("identifier=").rpartition("|")
    return (type_, system if bar else "", value) if value and "&" not in value else None
