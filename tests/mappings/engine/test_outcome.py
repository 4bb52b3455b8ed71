"""The outcome of a message: leaves as a partition, lineage, bytes that depend on nothing else, events, values."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7v2 import Hl7Error, leaves, read, units
from mappings import PUBLISHED_NAMESPACE, EffectiveMap, Mapped, MapSettings, bundle, compose, load
from tests.mappings.engine.small import mapped, message, patient_map, resources

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "sample_data" / "hl7v2").glob("*.hl7"))
SETTINGS = MapSettings(PUBLISHED_NAMESPACE)


@pytest.fixture(scope="module")
def effective() -> EffectiveMap:
    return load()


def _check(outcome: Mapped, body: bytes) -> None:
    expected = sum(1 for _ in leaves(read(body)))
    assert sum(outcome.leaves) == expected
    assert outcome.leaves[2:] == (len(outcome.excused), len(outcome.residue))
    assert len({path for path, _ in (*outcome.residue, *outcome.excused)}) == outcome.leaves[2] + outcome.leaves[3]
    assert {reason for _, reason in outcome.residue} <= {"no-rule", "no-target", "invalid", "set-aside"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_leaf_is_in_exactly_one_place(sample: Path, effective: EffectiveMap) -> None:
    for unit in units(sample.read_bytes()):
        if unit.kind == "message":
            _check(effective.map(read(unit.body), SETTINGS), unit.body)


_TEXT = st.text(alphabet='AB1.9^~&|\\"-', max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["PID", "PV1", "OBX", "ORC", "OBR", "NK1", "AL1", "ZZZ", "NTE"]), _TEXT), max_size=6
    )
)
def test_any_text_is_mapped_or_accounted_for(lines: list[tuple[str, str]]) -> None:
    head = r"MSH|^~\&|APP|FAC|||20260302101112+0100||ORU^R01^ORU_R01|M-1|P|2.5.1"
    body = "\r".join([head, *(f"{name}|{text}" for name, text in lines)]).encode()
    try:
        found = read(body)
    except Hl7Error:
        return
    outcome = load_once().map(found, SETTINGS)
    _check(outcome, body)
    bundle(outcome, SETTINGS.base)


_LOADED: list[EffectiveMap] = []


def load_once() -> EffectiveMap:
    if not _LOADED:
        _LOADED.append(load())
    return _LOADED[0]


def test_the_second_time_is_as_the_first(effective: EffectiveMap) -> None:
    """What is remembered between messages changes nothing."""
    bodies = [unit.body for path in SAMPLES for unit in units(path.read_bytes()) if unit.kind == "message"]
    fresh = [bundle(EffectiveMap(effective.library).map(read(body), SETTINGS), "b") for body in bodies]
    once = [bundle(effective.map(read(body), SETTINGS), "b") for body in bodies]
    backwards = [bundle(effective.map(read(body), SETTINGS), "b") for body in reversed(bodies)]
    assert fresh == once == backwards[::-1]


_PROGRAM = """
import hashlib, sys
from adapters.hl7v2 import read, units
from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle, load
effective, total = load(), hashlib.sha256()
for path in sys.argv[1:]:
    for unit in units(open(path, "rb").read()):
        if unit.kind == "message":
            outcome = effective.map(read(unit.body), MapSettings(PUBLISHED_NAMESPACE, zone="Europe/Berlin"))
            total.update(bundle(outcome, "b") + outcome.to_bytes())
print(total.hexdigest())
"""


def test_bytes_depend_on_nothing_else(tmp_path: Path) -> None:
    found = set()
    for seed, zone, language in (
        ("0", "UTC", "C"),
        ("1", "Asia/Tokyo", "de_DE.UTF-8"),
        ("77", "America/New_York", "C.UTF-8"),
    ):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LANG": language, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", _PROGRAM, *map(str, SAMPLES)]
        run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        found.add(run.stdout)
    assert len(found) == 1


@pytest.mark.parametrize("sample", SAMPLES[:8], ids=lambda path: path.stem)
def test_crosses_processes_as_bytes(sample: Path, effective: EffectiveMap) -> None:
    for unit in units(sample.read_bytes()):
        if unit.kind == "message":
            outcome = effective.map(read(unit.body), SETTINGS)
            assert Mapped.from_bytes(outcome.to_bytes()) == outcome
            assert bundle(Mapped.from_bytes(outcome.to_bytes()), "b") == bundle(outcome, "b")


def test_explain_names_element_source_and_rule() -> None:
    rows = "- {to: identifier, from: PID-3, as: CX}\n- {to: birthDate, from: PID-7, as: date}"
    from tests.mappings.engine.small import SETTINGS
    from tests.mappings.engine.small import effective as small_map

    lines = small_map(patient_map(rows)).explain(read(message("PID|||A||||1970").encode()), SETTINGS)
    assert [line.partition(" ")[2] for line in lines] == [
        "identifier[PID-3].value <- PID[1]-3[1].1.1 <- datatypes/CX-Identifier.yaml:3 (segments/PID-Patient.yaml:3)",
        "birthDate <- PID[1]-7[1].1.1 <- segments/PID-Patient.yaml:4",
    ]


EVENTS = """
    rows:
    - {event: A11, on: patient, set: {active: "false"}, remove: [birthDate]}
    - {event: "*", on: Patient, when: {PID-8: X}, set: {gender: other}}
    - {event: A40, merge: {retired: retired, surviving: patient}}
"""
MERGE = {
    "messages/ADT_A39.yaml": """
        message: ADT_A39
        rows:
        - {id: patient, for: PATIENT.PID, make: Patient, by: [PID-Patient]}
        - {id: retired, for: PATIENT.MRG, make: Patient, by: [MRG-Patient]}
    """,
    "segments/MRG-Patient.yaml": "segment: MRG -> Patient\nkey: [{from: MRG-1, as: CX}]\nrows:\n- {to: identifier, from: MRG-1, as: CX}",
}


def test_events_beat_rows() -> None:
    rows = "- {to: birthDate, from: PID-7, as: date}\n- {to: gender, from: PID-8, table: Sex}"
    table = "# policy: miss=none\ncode,target\nM,male"
    files = patient_map(rows) | {"events.yaml": EVENTS, "tables/Sex.csv": table}
    outcome = mapped(files, message("PID|||||||1970|M", event="A11"))
    elements = {e.path: (e.value, e.rank) for e in outcome.changes[0].elements}
    assert elements == {"birthDate": (None, 1), "gender": ("male", 0), "active": (False, 1)}
    assert resources(mapped(files, message("PID|||||||1970|X")), "Patient") == [
        {"birthDate": "1970", "gender": "other"}
    ]


def test_an_event_about_what_is_not_there_is_said() -> None:
    files = patient_map("- {to: birthDate, from: PID-7, as: date}") | {"events.yaml": EVENTS}
    outcome = mapped(files, message("PID|1", event="A11"))
    assert [issue.severity for issue in outcome.issues if issue.expression == "Patient"] == ["information"]


def test_merge_links_both_and_retires_one() -> None:
    rows = "- {to: identifier, from: PID-3, as: CX}"
    files = patient_map(rows, head="key: [{from: PID-3, as: CX}]") | MERGE | {"events.yaml": EVENTS}
    outcome = mapped(files, message("PID|||NEW", "MRG|OLD", event="A40", structure="ADT_A39"))
    surviving, retired = (change.id for change in outcome.changes if change.type == "Patient")
    assert outcome.merges == ((retired, surviving),)
    new, old = resources(outcome, "Patient")
    assert new["link"] == [{"other": {"reference": f"Patient/{retired}"}, "type": "replaces"}]
    assert old["link"] == [{"other": {"reference": f"Patient/{surviving}"}, "type": "replaced-by"}]
    assert (new.get("active"), old["active"]) == (None, False)
    same = mapped(files, message("PID|||NEW", "MRG|NEW", event="A40", structure="ADT_A39"))
    assert same.merges == ()
    assert [issue.severity for issue in same.issues if issue.expression == "Patient.link"] == ["warning"]


def test_compose() -> None:
    found = compose(
        {
            ("name", "PID-9"): [{"text": "b"}],
            ("name", "PID-5"): [{"text": "a"}, {"text": "c"}],
            ("telecom", "PID-14"): [{"value": "2"}],
            ("telecom", "PID-13"): [{"value": "1"}],
            ("value[x]", ""): {"valueString": "x"},
            ("period.end", ""): "2020",
            ("period.start", ""): "2019",
            ("code.text", ""): "t",
            ("code", ""): {"coding": []},
            ("birthDate", ""): None,
        }
    )
    assert found == {
        "name": [{"text": "a"}, {"text": "c"}, {"text": "b"}],
        "telecom": [{"value": "1"}, {"value": "2"}],
        "valueString": "x",
        "period": {"start": "2019", "end": "2020"},
        "code": {"coding": [], "text": "t"},
    }
