"""Keys, emitted resources, links, groups, what can't stand (docs/mappings.md, "Keys", "Rows")."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.fhir import decode_trusted, validate_bundle
from adapters.hl7v2 import read
from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle
from tests.mappings.engine.small import CWE, CX, XCN, effective, mapped, message, patient_map, resources

ORU = {
    "messages/ORU_R01.yaml": """
        message: ORU_R01
        rows:
        - {id: patient, for: PATIENT_RESULT.PATIENT.PID, make: Patient, by: [PID-Patient]}
        - {id: report, for: PATIENT_RESULT.ORDER_OBSERVATION, make: DiagnosticReport, by: [ORC-DiagnosticReport, OBR-DiagnosticReport],
           link: {subject: patient}}
        - {id: result, for: PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION.OBX, make: Observation, by: [OBX-Observation],
           link: {subject: patient, report.result: self}}
        - {for: PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION.NTE, into: result, by: [NTE-Observation]}
    """,
    "segments/PID-Patient.yaml": """
        segment: PID -> Patient
        key: [{from: PID-3, as: CX}]
        rows:
        - {to: identifier, from: PID-3, as: CX}
    """,
    "segments/ORC-DiagnosticReport.yaml": """
        segment: ORC -> DiagnosticReport
        rows:
        - {to: identifier.value, from: ORC-3.1}
    """,
    "segments/OBR-DiagnosticReport.yaml": """
        segment: OBR -> DiagnosticReport
        rows:
        - {to: status, set: final}
        - {to: code.text, from: OBR-4.1}
        - {to: performer, emit: Practitioner, from: OBR-16, as: XCN}
    """,
    "segments/OBX-Observation.yaml": """
        segment: OBX -> Observation
        key: [{within: report, from: [OBX-3.1, OBX-4], any: true, position: true}]
        rows:
        - {to: status, set: final}
        - {to: code.text, from: OBX-3.1}
        - {to: performer, emit: Practitioner, from: OBX-16, as: XCN}
        - {to: method.text, from: ORC-1}
    """,
    "segments/NTE-Observation.yaml": """
        segment: NTE -> Observation
        rows:
        - {to: note.text, from: NTE-3.1, slot: NTE}
    """,
    "datatypes/CX-Identifier.yaml": CX,
    "datatypes/CWE-CodeableConcept.yaml": CWE,
    "datatypes/XCN-Practitioner.yaml": XCN,
}  # fmt: skip
HEADER = r"MSH|^~\&|APP|FAC|||20260302101112+0100||ORU^R01^ORU_R01|M-1|P|2.5.1"


def oru(*lines: str) -> Any:
    return effective(ORU).map(read("\r".join((HEADER, *lines)).encode()), MapSettings(PUBLISHED_NAMESPACE))


def test_groups_keep_what_belongs_together() -> None:
    outcome = oru(
        "PID|1||A",
        "ORC|NW||F1", "OBR|1|||first", "OBX|1|ST|one||x", "NTE|1||about one", "OBX|2|ST|two||x",
        "OBR|2|||second", "OBX|1|ST|three||x",
    )  # fmt: skip
    reports, results = resources(outcome, "DiagnosticReport"), resources(outcome, "Observation")
    patient = {"reference": f"Patient/{outcome.changes[0].id}"}
    ids = [change.id for change in outcome.changes if change.type == "Observation"]
    assert [report["code"]["text"] for report in reports] == ["first", "second"]
    assert [report["subject"] for report in reports] == [patient, patient]
    assert [len(report["result"]) for report in reports] == [2, 1]
    assert reports[1]["result"] == [{"reference": f"Observation/{ids[2]}"}]
    assert results[0]["note"] == [{"text": "about one"}]
    assert "note" not in results[1]
    assert "identifier" not in reports[1]  # the second order has no ORC: the first one's is not its own
    assert [result.get("method") for result in results] == [{"text": "NW"}, {"text": "NW"}, None]


def test_equal_keys_are_counted_within_their_parent() -> None:
    same = oru("PID|1||A", "OBR|1|||r", "OBX|1|ST|one||x", "OBX|2|ST|one||y")
    assert len({change.id for change in same.changes if change.type == "Observation"}) == 2
    again = oru("PID|1||A", "OBR|1|||r", "OBX|1|ST|one||x", "OBX|2|ST|one||y")
    assert [change.id for change in same.changes] == [change.id for change in again.changes]


def test_one_key_is_one_resource_whose_sources_are_all_traced() -> None:
    outcome = oru("PID|1||A", "OBR|1|||r||||||||||||7^HEALER", "OBX|1|ST|one||x|||||||||||7^HEALER", "OBX|2|ST|two||x|||||||||||7^HEALER")  # fmt: skip
    assert resources(outcome, "Practitioner") == [{"identifier": [{"value": "7"}], "name": [{"family": "HEALER"}]}]
    assert not [path for path, _ in outcome.residue if "-16" in path]


def test_without_number_people_are_never_merged_by_name() -> None:
    outcome = oru("PID|1||A", "OBR|1|||r||||||||||||^HEALER", "OBX|1|ST|one||x|||||||||||^HEALER")
    assert len(resources(outcome, "Practitioner")) == 2


def test_keys_need_an_authority() -> None:
    rows = "- {to: identifier, from: PID-3, as: CX}"
    files = patient_map(rows, head="key: [{from: PID-3, as: CX}]")

    def patient(pid3: str, facility: str = "FAC", default: str | None = None) -> str:
        text = message(f"PID|||{pid3}").replace("|FAC|", f"|{facility}|")
        return mapped(files, text, MapSettings(PUBLISHED_NAMESPACE, default_authority=default)).changes[0].id

    assert patient("1^^^HOSP") == patient("1^^^HOSP", facility="OTHER")
    assert patient("1^^^HOSP") != patient("1^^^CLINIC")
    assert patient("1", facility="HOSP") == patient("1^^^HOSP")
    assert patient("1", default="HOSP") == patient("1^^^HOSP")
    assert patient("1^^^HOSP&1.2.3&ISO") == patient("1^^^OTHER&1.2.3&ISO")
    # without any authority the id holds for this message alone
    assert patient("1", facility="") != patient("2", facility="")
    alone = mapped(files, message("PID|||1").replace("|FAC|", "||"), MapSettings(PUBLISHED_NAMESPACE))
    other = mapped(files, message("PID|||1").replace("|FAC|", "||").replace("M-1", "M-2"), MapSettings(PUBLISHED_NAMESPACE))  # fmt: skip
    assert alone.changes[0].id != other.changes[0].id


@pytest.mark.parametrize("order", [(), ("SS", "MR")])
def test_the_key_does_not_follow_the_order_of_repetitions(order: tuple[str, ...]) -> None:
    files = patient_map(
        "- {to: identifier, from: PID-3, as: CX}",
        head="key: [{from: PID-3, as: CX, choose: identifier-type-order}]",
    )
    settings = MapSettings(PUBLISHED_NAMESPACE, identifier_order=order)
    one, other = (
        mapped(files, message(f"PID|||{text}"), settings).changes[0].id
        for text in ("1^^^X^SS~2^^^X^MR", "2^^^X^MR~1^^^X^SS")
    )
    assert one == other


def test_what_lacks_a_required_element_is_set_aside_and_named() -> None:
    outcome = oru("PID|1||A", "OBR|1|||r", "OBX|1|ST|||x|||||||||||7^HEALER", "OBX|2|ST|two||x")
    assert len(resources(outcome, "Observation")) == 1
    assert len(resources(outcome, "DiagnosticReport")[0]["result"]) == 1
    (issue,) = [issue for issue in outcome.issues if issue.code == "required"]
    assert (issue.severity, issue.path, issue.expression) == ("error", "OBX[1]", "Observation.code")
    assert outcome.status == "partial"


def test_a_reference_to_what_is_set_aside_keeps_its_name() -> None:
    files = patient_map(
        "- {to: identifier, from: PID-3, as: CX}\n- {to: managingOrganization, emit: Organization, from: PID-6, as: XPN}",
        datatypes__XPN_Organization="""
                datatype: XPN -> Organization
                rows:
                - {to: name, from: XPN.1}
                - {to: contact.name.text, from: XPN.2}
                - {to: endpoint, set: {type: Endpoint}}
            """,
    )
    outcome = mapped(files, message("PID|||A|||HOUSE^H"))
    assert resources(outcome, "Organization")[0]["name"] == "HOUSE"
    account = {
        **patient_map("- {to: identifier, from: PID-3, as: CX}"),
        "messages/ADT_A01.yaml": """
            message: ADT_A01
            rows:
            - {id: patient, for: PID, make: Patient, by: [PID-Patient]}
            - {id: stay, for: PV1, make: Encounter, by: [PV1-Encounter], link: {subject: patient}}
            - {id: ill, for: DG1, make: Condition, by: [DG1-Condition], link: {subject: patient, encounter: stay}}
        """,
        "segments/PV1-Encounter.yaml": "segment: PV1 -> Encounter\nrows:\n- {to: identifier, from: PV1-19, as: CX}\n",
        "segments/DG1-Condition.yaml": "segment: DG1 -> Condition\nrows:\n- {to: code.text, from: DG1-3.1}\n",
    }
    outcome = mapped(account, message("PID|||A", "PV1|1||||||||||||||||||V9", "DG1|1||I10"))
    assert resources(outcome, "Encounter") == []
    (condition,) = resources(outcome, "Condition")
    assert condition["encounter"] == {"type": "Encounter", "identifier": {"value": "V9"}}
    assert ("PV1[1]-19[1].1.1", "set-aside") in outcome.residue


def test_bundle_order_and_references() -> None:
    outcome = oru("PID|1||A", "OBR|1|||r||||||||||||7^HEALER", "OBX|1|ST|one||x", "OBX|2|ST|two||x")
    kinds = [change.type for change in outcome.changes]
    assert kinds == ["Patient", "DiagnosticReport", "Practitioner", "Observation", "Observation", "Provenance"]
    findings = validate_bundle(decode_trusted(bundle(outcome, "http://test")))
    assert [finding for finding in findings if finding.severity == "error"] == []
    (provenance,) = resources(outcome, "Provenance")
    assert [target["reference"].split("/")[0] for target in provenance["target"]] == kinds[:-1]
    digests = [entity["what"]["identifier"]["value"] for entity in provenance["entity"]]
    assert digests == [outcome.sha256.hex(), outcome.map_hash]


def test_a_message_without_map_keeps_header_and_patient() -> None:
    outcome = mapped(
        patient_map("- {to: identifier, from: PID-3, as: CX}"),
        message("PID|||A", "ZZZ|x", event="Q99", structure="QQQ_Q99"),
    )
    assert [change.type for change in outcome.changes] == ["Patient", "Provenance"]
    assert outcome.status == "partial"
    assert ("ZZZ[1]-1[1].1.1", "no-rule") in outcome.residue
