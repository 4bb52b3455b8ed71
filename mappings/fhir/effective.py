"""The map of FHIR as a source: resource or Bundle → `Mapped`. Pure.

decode ─► container (what we don't do is refused) ─► repair (what can't stand goes, and is listed) ─► our ids ─►
references ─► registers. Nothing is translated: what the sender says stays as it was said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from adapters import fhir
from adapters.fhir.narrative import fault as narrative_fault
from adapters.issue import Issue
from mappings.errors import SettingsError
from mappings.fhir.account import leaves, lost
from mappings.fhir.container import Entry, open_container
from mappings.fhir.errors import NothingStands
from mappings.fhir.identity import Namer
from mappings.fhir.linking import Links, Rewritten
from mappings.fhir.statement import identified, statement
from mappings.ids import resource_id
from mappings.values import Change, Element, Mapped, MapSettings

__all__ = ["FhirMap", "load", "load_content"]

Validate = Callable[[Any, Any], list[fhir.Finding]]
"""(resource, level) → findings"""

_SHA256 = "urn:oid:2.16.840.1.101.3.4.2.1"
_ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
_FIRST = {"MessageHeader": 0, "Composition": 0, "Patient": 1}


@dataclass(slots=True)
class _Account:
    """What became of the leaves of one message."""

    residue: list[tuple[str, str]] = field(default_factory=list)
    excused: list[tuple[str, str]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    total: int = 0
    kept: int = 0

    def counts(self) -> tuple[int, int, int, int]:
        """(mapped, kept, excused, residue)."""
        mapped = self.total - self.kept - len(self.excused) - len(self.residue)
        return mapped, self.kept, len(self.excused), len(self.residue)


class FhirMap:
    """`hash`: of `content`, the rules that are data."""

    def __init__(self, content: bytes, validate: Validate | None = None) -> None:
        self.content = content
        self._validate: Validate = validate or fhir.validate
        self.hash = sha256(content).hexdigest()
        rules: dict[str, Any] = json.loads(content)["fhir"]
        self._excused: Mapping[str, str] = rules["excused"]
        self._patient: Sequence[str] = rules["patient"]
        self._slots: Mapping[str, str] = rules["slots"]
        self._not_records = frozenset(rules["not_records"])

    def validating(self, validate: Validate) -> FhirMap:
        """The same map with another validator, which knows more profiles than R4's own."""
        return FhirMap(self.content, validate)

    def check(self) -> None:
        """The rules are of the form that the code reads; nothing is compiled."""

    def map(self, body: bytes, settings: MapSettings) -> Mapped:
        """Read and say what it says. Raises DecodeError, FhirSourceError."""
        value = fhir.decode(body)
        kind, entries = open_container(value)
        digest = sha256(body)
        account = _Account(total=sum(1 for _ in leaves(value, kind)))
        container = value if isinstance(value, dict) and kind == "Bundle" else {}
        self._around(container, account)
        standing = [(entry, made) for entry in entries if (made := self._stand(entry, settings, account)) is not None]
        namer = Namer(settings, digest.hexdigest())
        named = self._named(standing, namer, account)
        if not named:
            first = next((each for each in account.issues if each.severity == "error"), None)
            place = (first.path if first is not None else None) or kind
            raise NothingStands(place, first.text if first is not None else "there is no resource in it")
        links = Links([(entry, id_) for entry, _, id_ in named], namer)
        changes = [self._change(entry, made, id_, links, namer, account) for entry, made, id_ in named]
        changes.sort(key=lambda change: _FIRST.get(change.type, 2))
        when = container.get("timestamp")
        timestamp = when if isinstance(when, str) and fhir.PRIMITIVES["instant"](when) else None
        changes.append(self._provenance(changes, digest.hexdigest(), settings, timestamp))
        partial_ = bool(account.residue) or any(issue.severity == "error" for issue in account.issues)
        return Mapped(
            family="FHIR",
            type=kind,
            event_time=timestamp or _latest(changes),
            timestamp=timestamp,
            control_id=_control_id(container),
            sha256=digest.digest(),
            map_hash=self.hash,
            changes=tuple(changes),
            issues=tuple(account.issues),
            residue=tuple(account.residue),
            excused=tuple(account.excused),
            leaves=account.counts(),
            status="partial" if partial_ else "ok",
        )

    def explain(self, body: bytes, settings: MapSettings) -> tuple[str, ...]:
        """Nothing is computed here: each element stands where it stood."""
        kind, entries = open_container(fhir.decode(body))
        return tuple(f"{place} <- {place} <- as sent ({kind})" for each in entries for place in _tops(each))

    # -- steps ----------------------------------------------------------------------------------------------------

    def _around(self, bundle: Mapping[str, Any], account: _Account) -> None:
        """Leaves of the Bundle itself, and of what can't be a record in it."""
        shell = {name: value for name, value in bundle.items() if name != "entry"}
        found = list(leaves(shell, "Bundle")) if bundle else []
        for number, entry in enumerate(bundle.get("entry", [])):
            rest = {name: value for name, value in entry.items() if name != "resource"}
            found += leaves(rest, f"Bundle.entry[{number}]")
        for place in found:
            rule = self._rule(place)
            if rule is None:
                account.residue.append((place, "no-target"))
            else:
                account.excused.append((place, rule))

    def _rule(self, place: str) -> str | None:
        plain = "".join(part.partition("]")[2] if number else part for number, part in enumerate(place.split("[")))
        if plain in self._excused:
            return f"mappings/fhir/rules.yaml {plain}: {self._excused[plain]}"
        parts = plain.split(".")
        for length in range(len(parts) - 1, 0, -1):
            pattern = ".".join(parts[:length]) + ".*"
            if pattern in self._excused:
                return f"mappings/fhir/rules.yaml {pattern}: {self._excused[pattern]}"
        return None

    def _stand(self, entry: Entry, settings: MapSettings, account: _Account) -> dict[str, Any] | None:
        """The resource without what can't stand; None if it is set aside."""
        if entry.type in self._not_records:
            self._aside(entry, "not-supported", "no record of anybody", account)
            return None
        check = partial(_findings, self._validate, settings.check)
        repaired = fhir.repair(entry.resource, check(entry.resource), check)
        if repaired.resource is None:
            finding = repaired.findings[0]
            self._aside(entry, finding.code, f"set aside: {finding.text}", account, finding.expression)
            return None
        for each in repaired.removed:
            place = _inside(entry, each.expression)
            account.issues.append(Issue("error", "invalid", place, each.expression, f"taken out: {each.cause}"))
        if repaired.removed:
            gone = lost(entry.resource, repaired.resource, entry.place)
            account.residue += [(place, "invalid") for place in gone]
        return dict(repaired.resource)

    def _aside(self, entry: Entry, code: str, text: str, account: _Account, expression: str = "") -> None:
        place = _inside(entry, expression) if expression else entry.place
        account.issues.append(Issue("error", code, place, None, text))
        account.residue += [(each, "set-aside") for each in leaves(entry.resource, entry.place)]

    def _named(
        self, standing: list[tuple[Entry, dict[str, Any]]], namer: Namer, account: _Account
    ) -> list[tuple[Entry, dict[str, Any], str]]:
        """With our ids. Of two that are one resource the first stands: which of them is newer nobody says."""
        seen: set[tuple[str, str]] = set()
        found = []
        for entry, made in standing:
            id_ = namer.id(entry)
            if (entry.type, id_) in seen:
                self._aside(entry, "duplicate", "another entry of the message is the same resource", account)
                continue
            seen.add((entry.type, id_))
            found.append((entry, made, id_))
        return found

    def _change(
        self, entry: Entry, made: dict[str, Any], id_: str, links: Links, namer: Namer, account: _Account
    ) -> Change:
        resource = _copied(made)
        done = links.rewrite(entry, resource)
        account.kept += len(done.kept)
        account.residue += [(place, "no-target") for place in done.lost]
        base = namer.base(entry)
        own = entry.own_id or (resource["id"] if isinstance(resource.get("id"), str) else "")
        resource["id"] = id_
        event_time = self._meta(entry, resource, account)
        if own:
            identified(resource, base, own)
        return statement(resource, self._subject(entry, resource, done), self._slots, event_time)

    def _meta(self, entry: Entry, resource: dict[str, Any], account: _Account) -> str | None:
        """The sender's version and time go out of the bytes; the time orders the resource."""
        meta = resource.get("meta")
        if not isinstance(meta, dict):
            return None
        when = meta.get("lastUpdated")
        for name in ("versionId", "lastUpdated", "_versionId", "_lastUpdated"):
            for place in leaves(meta.pop(name, None), f"{entry.place}.meta.{name}"):
                plain = f"resource.meta.{name.removeprefix('_')}"
                account.excused.append((place, f"mappings/fhir/rules.yaml {plain}: {self._excused[plain]}"))
        if not meta:
            del resource["meta"]
        return when if isinstance(when, str) else None

    def _subject(self, entry: Entry, resource: Mapping[str, Any], done: Rewritten) -> str | None:
        """Our id of the patient whose topic key the resource has."""
        if entry.type == "Patient":
            return str(resource["id"])
        for name in self._patient:
            value = resource.get(name)
            for number, each in enumerate(value if isinstance(value, list) else [value]):
                place = f"{entry.place}.{name}" + (f"[{number}]" if isinstance(value, list) else "")
                text = each.get("reference") if isinstance(each, dict) else None
                if isinstance(text, str) and text.startswith("Patient/"):
                    return text.removeprefix("Patient/")
                if place in done.patients:
                    return done.patients[place]
        return None

    def _provenance(
        self, changes: Sequence[Change], digest: str, settings: MapSettings, timestamp: str | None
    ) -> Change:
        """What made the resources of which bytes; as of every message."""
        id_ = resource_id(settings.namespace.bytes, "Provenance", ("message", digest))
        values: list[tuple[str, Any]] = [
            ("target", [{"reference": f"{change.type}/{change.id}"} for change in changes]),
            ("recorded", timestamp) if timestamp else ("_recorded", dict(_ABSENT)),
            ("agent", [{"who": {"identifier": {"value": settings.sender}}}]),
            ("entity", [_entity("source message", digest), _entity("effective map", self.hash)]),
        ]
        return Change("Provenance", id_, None, tuple(Element(path, "", value) for path, value in values))


def _entity(display: str, digest: str) -> dict[str, Any]:
    return {"role": "source", "what": {"display": display, "identifier": {"system": _SHA256, "value": digest}}}


def _findings(validate: Validate, level: str, resource: dict[str, Any]) -> list[fhir.Finding]:
    """At the channel's level, and at any level no narrative that does something in a browser."""
    found = validate(resource, level)
    if level == "full":
        return found
    text = resource.get("text")
    if isinstance(text, dict) and isinstance(text.get("div"), str):
        fault = narrative_fault(text["div"])
        if fault is not None:
            found.append(fhir.Finding("error", "structure", f"{resource['resourceType']}.text.div", fault))
    return found


def _inside(entry: Entry, expression: str) -> str:
    """A place in a resource as a place in the message."""
    return entry.place + expression.removeprefix(entry.type)


def _tops(entry: Entry) -> list[str]:
    return [f"{entry.place}.{name}" for name in entry.resource if name != "resourceType"]


def _latest(changes: Sequence[Change]) -> str | None:
    """The newest event time of resources: none of a message's words is newer than the message."""
    times = []
    for change in changes:
        if change.event_time is not None:
            with suppress(ValueError):  # a leap second
                times.append((datetime.fromisoformat(change.event_time), change.event_time))
    return max(times)[1] if times else None


def _control_id(bundle: Mapping[str, Any]) -> str:
    identifier = bundle.get("identifier")
    value = identifier.get("value") if isinstance(identifier, dict) else None
    return value if isinstance(value, str) else ""


def _copied(value: Any) -> Any:
    """A copy that may be changed; primitives never are."""
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


@cache
def load(overlays: tuple[str | Path, ...] = ()) -> FhirMap:
    """The built-in rules. Raises SettingsError where overlays are asked for."""
    if overlays:
        raise SettingsError("FHIR as a source has no rows to overlay: leave `overlays` empty")
    text = files("mappings.fhir").joinpath("rules.yaml").read_text(encoding="utf-8")
    rules = yaml.load(text, Loader=yaml.BaseLoader)
    return load_content(json.dumps({"fhir": rules}, sort_keys=True, ensure_ascii=False).encode())


def load_content(content: bytes) -> FhirMap:
    """From `FhirMap.content`."""
    return FhirMap(content)
