"""A study of many instances: each instance's part, and the fold of all parts into one ImagingStudy (R4 imagingstudy).

A part holds facts of three levels as JSON. The fold is a function of the set of parts, whatever their order: parts are
sorted by series number, series, instance number, instance. It knows nothing of maps: how each fact is folded stands
beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, cast

from adapters.fhir import JsonValue, decode_trusted, encode
from mappings.dicom.rows import Row
from mappings.dicom.run import Run
from mappings.dicom.times import instant_of
from mappings.values import Change, Element

__all__ = ["content", "fold", "study_key"]

_SHA256 = "urn:oid:2.16.840.1.101.3.4.2.1"  # NIST's OID of SHA-256
_ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
_LAST = 1 << 31  # what has no number stands behind what has one


def study_key(uid: str, digest: str) -> tuple[str, ...]:
    """Key of a study: its UID, which is unique in the world; without one the instance is a study of its own."""
    return ("study", uid) if uid else ("sha256", digest)


def content(rows: Sequence[Row], run: Run, map_hash: str) -> bytes:
    """The part of one instance."""
    study: list[list[JsonValue]] = []
    inner: dict[str, dict[str, Any]] = {"series": {}, "instance": {}}
    for row in rows:
        mark = len(run.trace)
        found = row.fire(run, run.root)
        if found is None:
            continue
        one, values = found
        prefix = {"study": "", "series": "series.", "instance": "series.instance."}[row.level]
        run.wrote(f"ImagingStudy/{run.study}", prefix + one.path, mark, one.rule)
        if row.level == "study":
            study.append([one.path, one.slot, row.fold, one.place(values)])
        else:
            one.put(inner[row.level], values)
    series, instance = inner["series"], inner["instance"]
    return encode(
        cast(
            "JsonValue",
            {
                "study": study,
                "series": series,
                "instance": instance,
                "instances": run.settings.options.get("instances", "full"),
                "patient": run.patient,
                "made": [f"{type_}/{id_}" for type_, id_ in run.made],
                "provenance": run.id("Provenance", ("study", *run.scope)),
                "sha256": run.sha256,
                "map": map_hash,
            },
        )
    )


def fold(id_: str, parts: Iterable[bytes]) -> tuple[Change, Change]:
    """The ImagingStudy and its Provenance, of all its parts."""
    facts = sorted((cast("dict[str, Any]", decode_trusted(part)) for part in parts), key=_order)
    registers = _study(facts)
    series = _series(facts)
    counted = facts[0]["instances"] != "none"
    elements = [Element(path, slot, value) for (path, slot), value in registers.items()]
    if counted:
        elements.append(Element("numberOfSeries", "", len(series)))
        elements.append(Element("numberOfInstances", "", len(facts)))
    elements.append(Element("series", "series", cast("JsonValue", series)))
    if ("subject", "") not in registers:
        elements.append(Element("subject", "", cast("JsonValue", _ABSENT)))
    patient = next((part["patient"] for part in facts if part["patient"]), None)
    study = Change("ImagingStudy", id_, patient, tuple(elements))
    return study, _provenance(facts, id_, patient)


def _order(part: dict[str, Any]) -> tuple[Any, ...]:
    series, instance = part["series"], part["instance"]
    return (
        series.get("number", _LAST),
        series.get("uid", ""),
        instance.get("number", _LAST),
        instance.get("uid", ""),
        part["sha256"],
    )


def _study(facts: Sequence[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    for part in facts:
        for path, slot, how, value in part["study"]:
            known = found.get((path, slot))
            if known is None:
                found[path, slot] = list(value) if isinstance(value, list) else value
            elif how == "distinct":
                known.extend(each for each in value if each not in known)
            elif how == "min" and (instant_of(value) or value) < (instant_of(known) or known):
                found[path, slot] = value
    return found


def _series(facts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    count: dict[str, int] = {}
    for part in facts:
        uid = part["series"].get("uid", "")
        made = found.setdefault(uid, {})
        count[uid] = count.get(uid, 0) + 1
        for name, value in part["series"].items():
            known = made.get(name)
            if known is None:
                made[name] = list(value) if isinstance(value, list) else value
            elif isinstance(known, list):
                known.extend(each for each in value if each not in known)
        if part["instances"] == "full":
            made.setdefault("instance", []).append(_instance(part["instance"]))
    for uid, made in found.items():
        if facts[0]["instances"] != "none":
            made["numberOfInstances"] = count[uid]
        if "uid" not in made:
            made["_uid"] = _ABSENT
    return list(found.values())


def _instance(facts: dict[str, Any]) -> dict[str, Any]:
    made = dict(facts)
    if "uid" not in made:
        made["_uid"] = _ABSENT
    if "sopClass" not in made:
        made["sopClass"] = _ABSENT
    return made


def _provenance(facts: Sequence[dict[str, Any]], study: str, patient: str | None) -> Change:
    """One for the study, as it is now. Its source is one digest: of many instances that of their sorted digests."""
    digests = sorted(part["sha256"] for part in facts)
    whole = digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()
    display = "source instance" if len(digests) == 1 else f"SHA-256 over the sorted SHA-256 of {len(digests)} instances"
    maps = sorted({part["map"] for part in facts})
    entities = [_entity(display, whole), *(_entity("effective map", each) for each in maps)]
    made = dict.fromkeys(each for part in facts for each in part["made"])
    targets = [{"reference": each} for each in (f"ImagingStudy/{study}", *made)]
    elements = (
        Element("target", "bundle", cast("JsonValue", targets)),
        Element("_recorded", "", cast("JsonValue", _ABSENT)),
        Element("agent", "sender", [{"who": {"display": "unknown"}}]),
        Element("entity", "source", cast("JsonValue", entities)),
    )
    return Change("Provenance", facts[0]["provenance"], patient, elements)


def _entity(display: str, digest: str) -> dict[str, Any]:
    return {"role": "source", "what": {"display": display, "identifier": {"system": _SHA256, "value": digest}}}
