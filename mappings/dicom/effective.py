"""The effective map of DICOM: one instance → changes, and its part of the study. Pure.

Patient, Device, Endpoint, Practitioner and ServiceRequest are changes like those of any message. The ImagingStudy is
made by many instances: each adds a part, `mappings.dicom.study.fold` makes the resource of all parts.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files as resource_files
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.dicom import Instance, read, tag_of
from mappings.dicom.content import make_content
from mappings.dicom.library import Files, Maps, load_maps, vendors_of
from mappings.dicom.resources import emit_resource
from mappings.dicom.run import INVALID, NO_RULE, Made, Node, Run
from mappings.dicom.study import content, study_key
from mappings.dicom.times import instant_of, moment
from mappings.dicom.vocabulary import Schemes
from mappings.errors import SettingsError
from mappings.values import Mapped, MapSettings, Part

__all__ = ["DicomMap", "load", "load_content"]

_SOP_CLASS, _SOP_INSTANCE = tag_of("SOPClassUID"), tag_of("SOPInstanceUID")
_MODALITY, _STUDY = tag_of("Modality"), tag_of("StudyInstanceUID")
_MANUFACTURER, _MODEL = tag_of("Manufacturer"), tag_of("ManufacturerModelName")
_OFFSET = tag_of("TimezoneOffsetFromUTC")
_TIMES = tuple(
    (tag_of(f"{name}Date"), tag_of(f"{name}Time")) for name in ("InstanceCreation", "Content", "Series", "Study")
)
_SCHEMES = tag_of("CodingSchemeIdentificationSequence")
_DESIGNATOR, _SCHEME_UID = tag_of("CodingSchemeDesignator"), tag_of("CodingSchemeUID")
_REQUIRED = tuple(
    (tag_of(name), name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
)


class DicomMap:
    """Maps instances. `hash`: of all map files; `content`: them, from which `load_content` makes the same again."""

    format = "dicom"

    def __init__(self, files: Files, hash_: str) -> None:
        self.hash = hash_
        self._files = files
        self._vendors = vendors_of(files)
        self._maps: dict[str, Maps] = {"": Maps(files)}
        base = self._maps[""]
        self._systems = base.table("Schemes")
        self._parts = base.table("BodyParts")

    @property
    def content(self) -> bytes:
        """Every file, as kept by hash."""
        texts = {name: self._files[name].decode() for name in sorted(self._files)}
        return json.dumps({"dicom": texts}, sort_keys=True).encode()

    def check(self) -> None:
        """Compile all of it now, vendors too. Raises MapError."""
        for vendor in self._vendors:
            self._of(vendor.name)
        for name in self._files:
            if name.startswith("datatypes/"):
                self._maps[""].datatype(Path(name).stem)

    def map(self, body: bytes, settings: MapSettings) -> Mapped:
        """Read a header and say what the instance says. Raises DicomError."""
        return self.map_instance(self.read(body), settings)

    def read(self, body: bytes) -> Instance:
        """Read as these maps want it: a vendor's overlay may say what character set is meant. Raises DicomError."""
        found = read(body)
        assumed = self._vendor(found)[1]
        return read(body, assumed=assumed) if assumed and not found.dataset.charset.declared else found

    def explain(self, body: bytes, settings: MapSettings) -> tuple[str, ...]:
        """`element <- source <- rule`, a line for each element written."""
        instance = self.read(body)
        run = self._run(instance, settings)
        self._make(run, self._maps_for(instance))
        return tuple(run.lineage)

    def map_instance(self, instance: Instance, settings: MapSettings) -> Mapped:
        """What one instance says."""
        run = self._run(instance, settings)
        maps = self._maps_for(instance)
        part = self._make(run, maps)
        dataset = instance.dataset
        leaves, residue, excused = _leaves(instance, run, maps.excused)
        partial = bool(residue) or any(issue.severity == "error" for issue in run.issues)
        member = dataset.text(_SOP_INSTANCE)
        return Mapped(
            family="DICOM",
            type=_type(dataset.text(_MODALITY), dataset.text(_SOP_CLASS)),
            event_time=_event_time(run),
            timestamp=None,
            control_id=member,
            sha256=instance.sha256,
            map_hash=self.hash,
            changes=run.changes(),
            issues=tuple(run.issues),
            residue=residue,
            excused=excused,
            leaves=leaves,
            status="partial" if partial else "ok",
            parts=(Part("ImagingStudy", run.study, run.patient, member or run.sha256, part),),
        )

    def _run(self, instance: Instance, settings: MapSettings) -> Run:
        dataset = instance.dataset
        uids = {
            item.text(_DESIGNATOR): item.text(_SCHEME_UID) for item in dataset.items(_SCHEMES) if item.text(_SCHEME_UID)
        }
        sha256 = instance.sha256.hex()
        run = Run(
            root=Node(dataset),
            settings=settings,
            zone=zone(settings.zone),
            schemes=Schemes(self._systems, uids, settings.base, self._parts),
            sha256=sha256,
            scope=study_key(dataset.text(_STUDY), sha256),
            faults=frozenset(fault.path for fault in instance.faults),
        )
        for fault in instance.faults:
            run.say("error", "structure", fault.path, f"the element {fault.text}")
        for tag, name in _REQUIRED:
            if not dataset.text(tag):
                run.say("error", "required", None, f"{name} is missing")
        return run

    def _make(self, run: Run, maps: Maps) -> bytes:
        """Fire every map; the instance's part of its study."""
        run.labels["study"] = Made("ImagingStudy", run.study)
        for label in maps.instance:
            wanted = maps.resources[str(label)]
            before = run.begin()
            emit_resource(wanted, run, run.root, wanted.label, "")
            run.end(before, True)
            made = next((each for each in run.made.values() if each.type == wanted.type), None)
            if made is not None:
                run.labels[wanted.label] = made
            if made is not None and made.type == "DiagnosticReport":
                make_content(run, made, maps.content)
        return content(maps.study, run, self.hash)

    def _vendor(self, instance: Instance) -> tuple[str, str]:
        manufacturer = instance.dataset.text(_MANUFACTURER).upper()
        model = instance.dataset.text(_MODEL).upper()
        for vendor in self._vendors:
            if manufacturer.startswith(vendor.manufacturers) and (not vendor.models or model.startswith(vendor.models)):
                return vendor.name, vendor.charset
        return "", ""

    def _maps_for(self, instance: Instance) -> Maps:
        return self._of(self._vendor(instance)[0])

    def _of(self, vendor: str) -> Maps:
        if vendor not in self._maps:
            self._maps[vendor] = Maps(self._files, vendor)
        return self._maps[vendor]


def _event_time(run: Run) -> str | None:
    """When the instance came to be, as UTC text that compares as time."""
    dataset = run.root.dataset
    for day, clock in _TIMES:
        found = instant_of(moment(run, dataset.text(day), dataset.text(clock), dataset.text(_OFFSET)))
        if found is not None:
            return found
    return None


def _type(modality: str, sop_class: str) -> str:
    """`CT/CT Image Storage`."""
    from pydicom.uid import UID

    return f"{modality or '-'}/{UID(sop_class).name or '-'}"


def _leaves(
    instance: Instance, run: Run, patterns: tuple[tuple[str, str], ...]
) -> tuple[tuple[int, int, int, int], tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Every non-empty leaf in exactly one of mapped, kept, excused, residue."""
    mapped = kept = 0
    residue: list[tuple[str, str]] = []
    excused: list[tuple[str, str]] = []
    for path, _, _ in instance.dataset.leaves():
        how = run.taken.get(path)
        if how == "mapped":
            mapped += 1
        elif how == "kept":
            kept += 1
        elif path in run.faults:
            residue.append((path, INVALID))
        elif path in run.missed:
            residue.append((path, run.missed[path]))
        else:
            reason = _excuse(path.rpartition(".")[2], patterns)
            if reason:
                excused.append((path, reason))
            else:
                residue.append((path, NO_RULE))
    return (mapped, kept, len(excused), len(residue)), tuple(residue), tuple(excused)


@lru_cache(maxsize=16384)
def _excuse(tag: str, patterns: tuple[tuple[str, str], ...]) -> str:
    """The reason why a tag is left out, '' if none is given."""
    number = int(tag, 16)
    if number >> 16 & 1 and 0x10 <= number & 0xFFFF <= 0xFF:
        return next((reason for pattern, reason in patterns if pattern == "private-creator"), "")
    low = tag.lower()
    for pattern, reason in patterns:
        if fnmatch.fnmatchcase(low, pattern.replace("x", "?")):
            return reason
    return ""


@lru_cache(maxsize=64)
def zone(name: str | None) -> ZoneInfo | None:
    """A zone of the pinned tzdata package, never of the machine. Raises SettingsError."""
    if not name:
        return None
    try:
        with resource_files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name!r} is not a time zone name of the tz database") from error


def load(overlays: Sequence[str | Path] = ()) -> DicomMap:
    """The built-in maps under overlay folders. Raises MapError, MapErrors."""
    files, hash_ = load_maps(overlays)
    return DicomMap(files, hash_)


def load_content(content_: bytes) -> DicomMap:
    """From `DicomMap.content`."""
    import hashlib

    texts = json.loads(content_)["dicom"]
    files = {name: text.encode() for name, text in texts.items()}
    return DicomMap(files, hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest())
