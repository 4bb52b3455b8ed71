"""Whose it is: one patient over all formats where identifiers say so, and what contradicts is held or marked."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir import decode_trusted
from pipelines.channels import Channel
from pipelines.datafolder import DataFolder, init_folder
from pipelines.deadletters import letters, replay
from pipelines.envelope import Envelope
from pipelines.formats import source
from pipelines.identity import Person, contradictions, person_of
from pipelines.messages import show
from pipelines.settings import Settings
from pipelines.worklist import decide, worklist
from pipelines.writer import settle_all
from tests.mappings.cda.cda import document, section
from tests.mappings.dicom.made import dumped, image, item

T0 = 1_760_000_000_000_000
HEADER = "tabellion-identity"
OID = "1.2.3.4711"  # an authority that every format can name


def settings(identity: str) -> Settings:
    usual: dict[str, Any] = {"default_authority": "ZZHOSP", "zone": "Europe/Zurich", "identity": identity}
    return Settings(
        channels={
            "adt": Channel("adt", **usual),
            "lab": Channel("lab", **usual),
            "ct": Channel("ct", format="dicom", **usual),
            "docs": Channel("docs", format="cda", **usual),
        }
    )


def adt(
    control: str,
    *,
    sex: str = "F",
    birth: str = "19700102",
    time: str = "20260101120000",
    name: str = "ZZTEST^ANNA",
    authority: str = "ZZHOSP",
) -> Envelope:
    header = f"MSH|^~\\&|A|ZZHOSP|B|C|{time}+0100||ADT^A08^ADT_A01|{control}|P|2.5"
    body = f"{header}\rEVN|A08|{time}+0100\rPID|1||4711^^^{authority}^MR||{name}||{birth}|{sex}\rPV1|1|I\r"
    return Envelope("adt", "hl7v2", body.encode(), control.encode(), T0)


def oru(control: str, *, sex: str = "F", number: str = "4711", authority: str = "ZZHOSP") -> Envelope:
    header = f"MSH|^~\\&|L|ZZHOSP|B|C|20260102120000+0100||ORU^R01^ORU_R01|{control}|P|2.5"
    person = f"PID|1||{number}^^^{authority}^MR||ZZTEST^ANNA||19700102|{sex}"
    body = f"{header}\r{person}\rOBR|1||F{control}|G^Glucose^L|||20260102\rOBX|1|NM|G^Glucose^L||5|mmol/L|||||F\r"
    return Envelope("lab", "hl7v2", body.encode(), control.encode(), T0)


def ct(number: int = 1, **values: Any) -> Envelope:
    uid = f"1.2.3.{number}"
    body = dumped(image(SOPInstanceUID=uid, InstanceNumber=number, **values))
    return Envelope("ct", "dicom", body, uid.encode(), T0)


def ct_of(authority: str, **values: Any) -> Envelope:
    return ct(
        IssuerOfPatientIDQualifiersSequence=[item(UniversalEntityID=authority, UniversalEntityIDType="ISO")], **values
    )


def cda(root: str, *, name: str = "D1", number: str = "4711", sex: str = "F") -> Envelope:
    head = (
        f'<recordTarget><patientRole><id root="{root}" extension="{number}"/><patient><name><given>Anna</given>'
        f'<family>ZZTEST</family></name><administrativeGenderCode code="{sex}" codeSystem="2.16.840.1.113883.5.1"/>'
        '<birthTime value="19700102"/></patient></patientRole></recordTarget>'
    )
    body = document(section(text="<paragraph>well</paragraph>"), head=head).replace(b'"D1"', f'"{name}"'.encode())
    return Envelope("docs", "cda", body, name.encode(), T0)


class Bench:
    def __init__(self, path: Path, identity: str) -> None:
        self.folder: DataFolder = init_folder(path / "data")
        self.settings = settings(identity)

    def take(self, *envelopes: Envelope) -> None:
        with closing(self.folder.journal()) as journal:
            for waiting in [journal.append(each) for each in envelopes]:
                waiting.result(30)
        with closing(self.folder.state()) as state:
            settle_all(self.folder, state, self.settings)

    def records(self, type_: str) -> list[tuple[dict[str, Any], dict[str, str]]]:
        """(newest version, its headers) of each resource of a type."""
        query = "SELECT body, headers FROM record WHERE type=? AND seq IN (SELECT seq FROM current) ORDER BY seq"
        with closing(self.folder.state_reader()) as state:
            rows = list(state.connection.execute(query, (type_,)))
        found = []
        for body, headers in rows:
            made: Any = decode_trusted(bytes(body))
            found.append((made, json.loads(headers)))
        return found

    def status(self, entry: int) -> str:
        with closing(self.folder.state_reader()) as state:
            outcome = state.outcome(entry)
        assert outcome is not None
        return outcome.status


def test_one_patient_over_adt_oru_and_dicom_where_identifiers_say_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "hold")
    bench.take(adt("A1"), oru("L1"), ct(), oru("L2", number="4712"), oru("L3", authority="ELSEWHERE"))
    patients = {made["id"]: made for made, _ in bench.records("Patient")}
    assert len(patients) == 3  # another number and another authority are other people
    [(study, headers)] = bench.records("ImagingStudy")
    whose = study["subject"]["reference"].partition("/")[2]
    reports = {made["subject"]["reference"].partition("/")[2] for made, _ in bench.records("DiagnosticReport")}
    assert whose in reports
    assert len(reports) == 3
    assert patients[whose]["gender"] == "female"
    assert headers == {}
    assert worklist(bench.folder) == []


def test_one_patient_over_adt_oru_cda_and_dicom_where_identifiers_say_so(tmp_path: Path) -> None:
    """Four formats, one authority: one Patient. The same number of another authority, another number: other people."""
    bench = Bench(tmp_path, "hold")
    bench.take(
        adt("A1", authority=f"&{OID}&ISO"),
        oru("L1", authority=f"&{OID}&ISO"),
        cda(OID),
        ct_of(OID),
        cda("1.2.3.9", name="D2"),
        cda(OID, name="D3", number="4712"),
    )
    patients = {made["id"]: made for made, _ in bench.records("Patient")}
    assert len(patients) == 3
    [(encounter, _)] = bench.records("Encounter")
    whose = encounter["subject"]
    [(report, _)], [(study, _)] = bench.records("DiagnosticReport"), bench.records("ImagingStudy")
    assert report["subject"] == study["subject"] == whose
    subjects = [made["subject"] for made, _ in bench.records("Composition")]
    assert len(subjects) == 3
    assert subjects.count(whose) == 1
    assert {each["reference"] for each in subjects} == {f"Patient/{id_}" for id_ in patients}
    assert worklist(bench.folder) == []


def test_a_document_of_a_man_under_a_womans_number_is_held(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "hold")
    bench.take(adt("A1", authority=f"&{OID}&ISO"), cda(OID, sex="M"), ct_of(OID, PatientSex="M"))
    assert [bench.status(entry) for entry in (1, 2, 3)] == ["settled", "held", "held"]
    assert bench.records("Composition") == bench.records("ImagingStudy") == []
    assert [(case.channel, case.elements, case.held) for case in worklist(bench.folder)] == [
        ("docs", ("gender",), 1),
        ("ct", ("gender",), 1),
    ]


def test_a_mans_ct_under_a_womans_name_is_held_until_somebody_decides(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "hold")
    bench.take(adt("A1"), ct(1, PatientSex="M"), ct(2, PatientSex="M"))
    assert [bench.status(entry) for entry in (1, 2, 3)] == ["settled", "held", "held"]
    assert bench.records("ImagingStudy") == []
    [case] = worklist(bench.folder)
    assert (case.id, case.channel, case.elements, case.messages, case.held) == (2, "ct", ("gender",), 2, 2)
    assert case.subject.startswith("ImagingStudy/")
    with closing(bench.folder.state_reader()) as state:
        assert state.counts(0).held == 2
        assert state.held() == (2, 3)  # their journal segments stay
    done = decide(bench.folder, bench.settings, [2], "release")
    assert (done.replayed, done.failed, done.missing) == (2, 0, 0)
    assert worklist(bench.folder) == []
    [(study, _)] = bench.records("ImagingStudy")
    assert study["numberOfInstances"] == 2
    [(patient, _)] = bench.records("Patient")
    assert patient["gender"] == "female"  # a study fills, it never overwrites
    with closing(bench.folder.state_reader()) as state:
        assert state.held() == ()


def test_what_is_rejected_never_takes_effect(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "hold")
    bench.take(adt("A1"), ct(1, PatientSex="M"))
    assert decide(bench.folder, bench.settings, [2], "reject").rejected == 1
    assert bench.status(2) == "dead"
    assert [letter.cause for letter in letters(bench.folder)] == ["identity"]
    assert bench.records("ImagingStudy") == []
    assert worklist(bench.folder) == []


def test_a_held_message_of_several_parts_keeps_them_until_somebody_decides_and_after_a_rejection(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, "hold")
    header, person, *rest = oru("L1", sex="M").body.rstrip(b"\r").split(b"\r")
    first, last = b"\r".join([header, person, b"DSC|p|F"]), b"\r".join([header.replace(b"L1", b"L2") + b"||p", *rest])
    bench.take(Envelope("lab", "hl7v2", first, b"L1", T0))
    bench.take(adt("A1"), Envelope("lab", "hl7v2", last, b"L2", T0))
    assert [bench.status(entry) for entry in (1, 2, 3)] == ["joined", "settled", "held"]
    with closing(bench.folder.state_reader()) as state:
        assert state.first_part() == 1
    assert decide(bench.folder, bench.settings, [3], "reject").rejected == 1
    with closing(bench.folder.state_reader()) as state:
        assert state.first_part() == 1
    assert show(bench.folder, bench.settings, 3).raw == oru("L1", sex="M").body.rstrip(b"\r")
    assert replay(bench.folder, bench.settings, [3]).replayed == 1
    assert bench.status(3) == "held"  # as a whole it still contradicts; its last part alone names nobody


def test_after_a_correction_by_adt_a_replay_lets_it_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "hold")
    bench.take(adt("A1"), ct(1, PatientSex="M"))
    assert replay(bench.folder, bench.settings, [2]).replayed == 1
    assert bench.status(2) == "held"  # nothing has changed
    bench.take(adt("A2", sex="M", time="20260103120000"))
    replay(bench.folder, bench.settings, [2])
    assert bench.status(2) == "settled"
    assert worklist(bench.folder) == []
    [(_, headers)] = bench.records("ImagingStudy")
    assert headers == {}


def test_marked_records_say_what_contradicts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "mark")
    bench.take(adt("A1"), ct(1, PatientSex="M", PatientBirthDate="19710102"), oru("L1", sex="M"))
    [(_, headers)] = bench.records("ImagingStudy")
    assert headers == {HEADER: "gender,birthDate"}
    [(_, headers)] = bench.records("DiagnosticReport")
    assert headers == {HEADER: "gender"}
    assert [(case.channel, case.held) for case in worklist(bench.folder)] == [("ct", 0), ("lab", 0)]
    decide(bench.folder, bench.settings, [2], "release")
    assert [case.channel for case in worklist(bench.folder)] == ["lab"]


@pytest.mark.parametrize("identity", ["mark", "hold"])
def test_a_study_that_came_before_is_found_when_adt_speaks(tmp_path: Path, identity: str) -> None:
    bench = Bench(tmp_path, identity)
    bench.take(ct(1, PatientSex="M"))
    assert worklist(bench.folder) == []
    bench.take(adt("A1"))
    [case] = worklist(bench.folder)
    assert (case.id, case.elements, case.held) == (1, ("gender",), 0)
    bench.take(adt("A2", sex="M", time="20260103120000"))
    assert worklist(bench.folder) == []  # resolved by the owner


def test_the_owner_is_never_the_one_that_contradicts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "hold")
    bench.take(adt("A1"), adt("A2", sex="M", birth="19800101", name="ZZOTHER^BERT", time="20260103120000"))
    assert [bench.status(entry) for entry in (1, 2)] == ["settled", "settled"]
    assert worklist(bench.folder) == []


ANNA = {"name": [{"family": "Müller", "given": ["Anna"]}]}


@pytest.mark.parametrize(
    ("known", "said", "elements"),
    [
        ({"gender": "female"}, {"gender": "male"}, ("gender",)),
        ({"gender": "female"}, {"gender": "other"}, ()),
        ({"gender": "unknown"}, {"gender": "male"}, ()),
        ({}, {"gender": "male"}, ()),
        ({"birthDate": "1970-01-02"}, {"birthDate": "1970"}, ()),
        ({"birthDate": "1970-01-02"}, {"birthDate": "1971"}, ("birthDate",)),
        (ANNA, {"name": [{"family": "MUELLER", "given": ["Anna"]}]}, ()),
        (ANNA, {"name": [{"family": "Meier", "given": ["ANNA"]}]}, ()),
        (ANNA, {"name": [{"family": "Muller"}]}, ()),
        (ANNA, {"name": [{"family": "Meier", "given": ["Bert"]}]}, ("name",)),
        ({"name": [{"text": "王小東"}]}, {"name": [{"family": "王", "given": ["小東"]}]}, ()),
        ({"name": [{"text": "王小東"}]}, {"name": [{"family": "Wang", "given": ["XiaoDong"]}]}, ()),  # no common script
        ({"name": [{"text": "王小東"}]}, {"name": [{"family": "李", "given": ["明"]}]}, ("name",)),
    ],
)  # fmt: skip
def test_contradictions(known: dict[str, Any], said: dict[str, Any], elements: tuple[str, ...]) -> None:
    assert contradictions(person_of(known), person_of(said)) == elements
    assert contradictions(Person(), person_of(said)) == ()


def test_the_samples_show_it(tmp_path: Path, samples: Path) -> None:
    """The CT, its report and letter are the ADT patient's; the man's CT under her number is held."""
    bench = Bench(tmp_path, "hold")
    admit = (samples / "hl7v2" / "01-adt-a01-admit.hl7").read_bytes().replace(b"|T|2.5.1", b"|P|2.5.1")
    files = sorted((samples / "dicom").rglob("*.dcm"))
    bodies = [next(iter(source("dicom").units(path.read_bytes()))).body for path in files]
    bench.take(
        Envelope("adt", "hl7v2", admit, b"1", T0),
        *(Envelope("ct", "dicom", body, source("dicom").identity(body), T0) for body in bodies),
    )
    [(patient, _)] = [each for each in bench.records("Patient") if each[0]["gender"] == "female"]
    [(study, _)] = bench.records("ImagingStudy")
    assert study["subject"] == {"reference": f"Patient/{patient['id']}"}
    [(report, _)], [(letter, _)] = bench.records("DiagnosticReport"), bench.records("DocumentReference")
    assert report["subject"] == letter["subject"] == study["subject"]
    [case] = worklist(bench.folder)
    assert (case.elements, case.held) == (("gender", "birthDate"), 1)


def test_a_verdict_is_for_the_study_as_a_whole(tmp_path: Path) -> None:
    """What comes later of a released study is no new case, nor is a word of ADT that says the same."""
    bench = Bench(tmp_path, "hold")
    bench.take(adt("A1"), ct(1, PatientSex="M"))
    decide(bench.folder, bench.settings, [2], "release")
    bench.take(ct(2, PatientSex="M"), adt("A2", time="20260103120000"))
    assert worklist(bench.folder) == []
    [(study, _)] = bench.records("ImagingStudy")
    assert study["numberOfInstances"] == 2
    bench.take(ct(3, PatientSex="M", PatientBirthDate="19550101"))  # another contradiction is another case
    assert [case.elements for case in worklist(bench.folder)] == [("gender", "birthDate")]
