"""The group walk: what belongs to what, written as the tree of names that comes out."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import Group, Message, Segment, group, read


def message(kind: str, names: str, version: str = "2.5.1") -> Message:
    head = f"MSH|^~\\&|||||||{kind}|1|P|{version}"
    return read("\r".join([head, *(f"{name}|1" for name in names.split())]).encode())


def tree(node: Group) -> str:
    return " ".join(
        child.name if isinstance(child, Segment) else f"{child.name}({tree(child)})" for child in node.children
    )


def walked(kind: str, names: str, version: str = "2.5.1") -> str:
    return tree(group(message(kind, names, version))).removeprefix("MSH ")


ORU = "ORU^R01^ORU_R01"
RESULTS = [
    ("as the standard has it", "PID PD1 NTE NK1 PV1 PV2 ORC OBR NTE OBX NTE OBX ORC OBR OBX SPM OBX",
     "PATIENT_RESULT(PATIENT(PID PD1 NTE NK1 VISIT(PV1 PV2)) "
     "ORDER_OBSERVATION(ORC OBR NTE OBSERVATION(OBX NTE) OBSERVATION(OBX)) "
     "ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX) SPECIMEN(SPM OBX)))"),
    ("OBR without ORC", "PID OBR OBX OBR OBX OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX)) "
     "ORDER_OBSERVATION(OBR OBSERVATION(OBX) OBSERVATION(OBX)))"),
    ("one ORC, then OBR alone", "PID ORC OBR OBX OBR OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX)) "
     "ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"),
    ("PID missing", "OBR OBX", "PATIENT_RESULT(ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"),
    ("OBX without OBR", "PID OBX OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBSERVATION(OBX) OBSERVATION(OBX)))"),
    ("OBX after ORC alone", "PID ORC OBX ORC OBR OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(ORC OBSERVATION(OBX)) "
     "ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX)))"),
    ("OBX before its OBR stays apart", "PID OBX OBR OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBSERVATION(OBX)) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"),
    ("ORC after its OBR", "PID OBR ORC OBX OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR ORC OBSERVATION(OBX) OBSERVATION(OBX)))"),
    ("ORC of the next order", "PID OBR OBX ORC TQ1 OBR OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX)) "
     "ORDER_OBSERVATION(ORC TIMING_QTY(TQ1) OBR OBSERVATION(OBX)))"),
    ("several patients", "PID PV1 OBR OBX PID OBR OBX NTE",
     "PATIENT_RESULT(PATIENT(PID VISIT(PV1)) ORDER_OBSERVATION(OBR OBSERVATION(OBX))) "
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX NTE)))"),
    ("second patient, first without PID", "OBR OBX PID OBR OBX",
     "PATIENT_RESULT(ORDER_OBSERVATION(OBR OBSERVATION(OBX))) "
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"),
    ("PID at the end", "OBR OBX PID",
     "PATIENT_RESULT(ORDER_OBSERVATION(OBR OBSERVATION(OBX)) PATIENT(PID))"),
    ("PV1 before PID", "PV1 PID OBR OBX",
     "PATIENT_RESULT(PATIENT(VISIT(PV1) PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"),
    ("PV1 and PV2 after the results", "PID OBR OBX PV1 PV2 OBX OBR OBX",
     "PATIENT_RESULT(PATIENT(PID VISIT(PV1 PV2)) ORDER_OBSERVATION(OBR OBSERVATION(OBX) OBSERVATION(OBX)) "
     "ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"),
    ("OBX after SPM is the specimen's", "PID OBR OBX SPM OBX OBX SPM OBX OBR OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX) SPECIMEN(SPM OBX OBX) SPECIMEN(SPM OBX)) "
     "ORDER_OBSERVATION(OBR OBSERVATION(OBX)))"),
    ("OBX after a passed CTI is no specimen's", "PID OBR CTI OBX NTE OBX",
     "PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR CTI OBSERVATION(OBX NTE) OBSERVATION(OBX)))"),
    ("Z segments stay where they stand", "ZAA PID ZPI OBR ZBR OBX ZBX OBX",
     "ZAA PATIENT_RESULT(PATIENT(PID ZPI) ORDER_OBSERVATION(OBR ZBR OBSERVATION(OBX ZBX) OBSERVATION(OBX)))"),
    ("segments from elsewhere", "PID AL1 OBR IN1 OBX",
     "PATIENT_RESULT(PATIENT(PID AL1) ORDER_OBSERVATION(OBR IN1 OBSERVATION(OBX)))"),
]  # fmt: skip


@pytest.mark.parametrize(("names", "expected"), [row[1:] for row in RESULTS], ids=[row[0] for row in RESULTS])
@pytest.mark.parametrize("version", ["2.1", "2.3", "2.4", "2.5.1"])
def test_results(names: str, expected: str, version: str) -> None:
    """ORU_R01 has the same groups in all versions up to 2.5.1."""
    assert walked(ORU, names, version) == expected


LATER = [
    ("2.6", "PID OBX ORC OBR OBX", "PATIENT(PID OBX) ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX))"),
    ("2.7", "PID OBX PRT PV1 ORC OBR PRT OBX PRT NTE SPM OBX",
     "PATIENT(PID PATIENT_OBSERVATION(OBX PRT) VISIT(PV1)) ORDER_OBSERVATION(ORC OBR PRT "
     "OBSERVATION(OBX PRT NTE) SPECIMEN(SPM PATIENT_OBSERVATION(OBX)))"),
    ("2.8.2", "PID PV1 ORC PRT OBR OBX SPM OBX OBR OBX",
     "PATIENT(PID VISIT(PV1)) ORDER_OBSERVATION(ORC PRT OBR OBSERVATION(OBX) "
     "SPECIMEN(SPM SPECIMEN_OBSERVATION(OBX))) ORDER_OBSERVATION(OBR OBSERVATION(OBX))"),
    ("2.8.2", "PID ORC OBX OBX", "PATIENT(PID) ORDER_OBSERVATION(ORC OBSERVATION(OBX) OBSERVATION(OBX))"),
    ("2.8.2", "PID ORC OBR OBX OBR OBX PRT",
     "PATIENT(PID) ORDER_OBSERVATION(ORC OBR OBSERVATION(OBX)) ORDER_OBSERVATION(OBR OBSERVATION(OBX PRT))"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "names", "expected"), LATER)
def test_results_of_later_versions(version: str, names: str, expected: str) -> None:
    assert walked(ORU, names, version) == f"PATIENT_RESULT({expected})"


OTHERS = [
    ("ADT^A01", "EVN PID PD1 ROL NK1 PV1 PV2 ROL AL1 DG1 PR1 ROL GT1 IN1 IN2 IN3 ROL IN1 ACC",
     "EVN PID PD1 ROL NK1 PV1 PV2 ROL AL1 DG1 PROCEDURE(PR1 ROL) GT1 INSURANCE(IN1 IN2 IN3 ROL) INSURANCE(IN1) ACC"),
    ("ADT^A01", "EVN PV1 PID NK1 IN1 AL1 IN2 NK1", "EVN PV1 PID NK1 INSURANCE(IN1 IN2) AL1 NK1"),
    ("ADT^A01", "EVN PID PV1 IN1 PR1 ROL IN2", "EVN PID PV1 INSURANCE(IN1 IN2) PROCEDURE(PR1 ROL)"),
    ("ADT^A01", "PID PV1 IN2 IN1", "PID PV1 INSURANCE(IN2) INSURANCE(IN1)"),
    ("ADT^A01", "PID PID PV1 PV1", "PID PID PV1 PV1"),
    ("ADT^A08^ADT_A08", "EVN PID PV1 OBX AL1", "EVN PID PV1 OBX AL1"),
    ("ADT^A40", "EVN PID PD1 MRG PV1 PID MRG", "EVN PATIENT(PID PD1 MRG PV1) PATIENT(PID MRG)"),
    ("ADT^A40", "EVN PID MRG MRG PID MRG", "EVN PATIENT(PID MRG MRG) PATIENT(PID MRG)"),
    ("ADT^A17", "EVN PID PV1 PID PV1", "EVN PID PV1 PID PV1"),
    ("OML^O21", "PID PV1 ORC OBR OBX OBR OBX ORC OBR SPM OBX",
     "PATIENT(PID PATIENT_VISIT(PV1)) ORDER(ORC OBSERVATION_REQUEST(OBR OBSERVATION(OBX)) "
     "OBSERVATION_REQUEST(OBR OBSERVATION(OBX))) ORDER(ORC OBSERVATION_REQUEST(OBR SPECIMEN(SPM OBX)))"),
    ("OML^O21", "PID ORC OBR PID OBR OBX",
     "PATIENT(PID) ORDER(ORC OBSERVATION_REQUEST(OBR PRIOR_RESULT(PATIENT_PRIOR(PID) "
     "ORDER_PRIOR(OBR OBSERVATION_PRIOR(OBX)))))"),
    ("ORM^O01", "PID ORC OBR NTE DG1 OBX ORC RXO NTE ORC RQD",
     "PATIENT(PID) ORDER(ORC ORDER_DETAIL(OBR NTE DG1 OBSERVATION(OBX))) ORDER(ORC ORDER_DETAIL(RXO NTE)) "
     "ORDER(ORC ORDER_DETAIL(RQD))"),
    ("VXU^V04", "PID NK1 PV1 IN1 ORC RXA RXR OBX NTE RXA OBX ORC RXA",
     "PID NK1 PATIENT_VISIT(PV1) INSURANCE(IN1) ORDER(ORC RXA RXR OBSERVATION(OBX NTE)) ORDER(RXA OBSERVATION(OBX)) "
     "ORDER(ORC RXA)"),
    ("SIU^S14", "SCH NTE PID PV1 RGS AIS NTE AIG AIL AIP AIS",
     "SCH NTE PATIENT(PID PV1) RESOURCES(RGS SERVICE(AIS NTE) GENERAL_RESOURCE(AIG) LOCATION_RESOURCE(AIL) "
     "PERSONNEL_RESOURCE(AIP) SERVICE(AIS))"),
    ("MDM^T02", "EVN PID PV1 TXA OBX NTE OBX", "EVN PID PV1 TXA OBSERVATION(OBX NTE) OBSERVATION(OBX)"),
    ("CUSTOM^PAT", "PID PV1 OBX NTE", "PID PV1 OBX NTE"),
    ("", "PID OBR OBX", "PID OBR OBX"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "names", "expected"), OTHERS)
def test_other_structures(kind: str, names: str, expected: str) -> None:
    assert walked(kind, names) == expected


NOTES = [
    ("PID NTE PD1 NTE NTE OBR NTE OBX NTE OBX ZZZ NTE", {1: [2], 3: [4, 5], 6: [7], 8: [9], 11: [12]}),
    ("NTE PID", {0: [1]}),
    ("PID OBR OBX SPM NTE", {4: [5]}),
    ("PID OBR OBX PV1 NTE OBX NTE", {4: [5], 6: [7]}),
    ("PID OBR PRT NTE OBX PRT PRT NTE", {2: [4], 5: [8]}),
    ("PID NK1 NTE OBR OBX", {2: [3]}),
]


@pytest.mark.parametrize(("names", "expected"), NOTES)
@pytest.mark.parametrize("version", ["2.3", "2.5.1", "2.8.2"])
def test_notes(names: str, expected: dict[int, list[int]], version: str) -> None:
    """An NTE belongs to the segment it follows, and stands in its group."""
    found = group(message(ORU, names, version))
    assert {owner: [note.position for note in notes] for owner, notes in found.notes.items()} == expected
    for owner, notes in expected.items():
        assert [note.position for note in found.notes_of(owner)] == notes
        assert all(found.homes[note] is found.homes[owner] for note in notes if owner)
    assert found.notes_of(999) == []


def test_paths_and_parents() -> None:
    """A group knows its path from the root, its parent and its direct children by name."""
    found = group(message(ORU, "PID OBR OBX OBX"))
    (result,) = found.groups("PATIENT_RESULT")
    (order,) = result.groups("ORDER_OBSERVATION")
    assert [inner.path for inner in order.groups("OBSERVATION")] == ["PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION"] * 2
    assert order.parent is result
    assert result.parent is found
    assert [segment.name for segment in order.segments("OBR")] == ["OBR"]
    assert found.homes[3] is order.groups("OBSERVATION")[0]


NAMES = [
    "PID",
    "PD1",
    "NK1",
    "PV1",
    "PV2",
    "ORC",
    "OBR",
    "NTE",
    "OBX",
    "SPM",
    "TQ1",
    "CTD",
    "FT1",
    "CTI",
    "DSC",
    "PRT",
    "ZZZ",
    "IN1",
    "MSH",
    "AL1",
    "MRG",
    "PR1",
    "ROL",
    "EVN",
    "RXA",
    "GT1",
]


@given(
    st.lists(st.sampled_from(NAMES), max_size=30),
    st.sampled_from([ORU, "ADT^A01", "ADT^A40", "OML^O21", "VXU^V04", "ORM^O01", "X^Y"]),
    st.sampled_from(["2.1", "2.3", "2.5.1", "2.6", "2.8.2"]),
)
def test_any_order(names: list[str], kind: str, version: str) -> None:
    """Any sequence of segments: each is in the tree once, notes included, and its home holds it."""
    read_ = message(kind, " ".join(names), version)
    found = group(read_)
    seen: list[int] = []
    waiting: list[Group] = [found]
    while waiting:
        here = waiting.pop()
        for child in here.children:
            if isinstance(child, Segment):
                seen.append(child.position)
                assert found.homes[child.position] is here
            else:
                assert child.parent is here
                assert child.path == f"{here.path}.{child.name}".lstrip(".")
                waiting.append(child)
    assert sorted(seen) == list(range(len(read_.segments)))


@given(st.lists(st.sampled_from(["PID", "PV1", "ORC", "OBR", "OBX", "NTE", "ZZZ", "NK1"]), max_size=25))
def test_a_result_hangs_on_the_order_before_it(names: list[str]) -> None:
    """In ORU an OBX is in the group of the last OBR before it (of the same patient), or in one without any OBR."""
    read_ = message(ORU, " ".join(names))
    found = group(read_)
    last: Segment | None = None
    for segment in read_.segments:
        if segment.name == "OBR":
            last = segment
        elif segment.name == "OBX":
            home: Group | None = found.homes[segment.position]
            while home is not None and home.name != "ORDER_OBSERVATION":
                home = home.parent
            orders = home.segments("OBR") if home else []
            assert orders in ([], [last])


@pytest.mark.parametrize(
    "names", ["PV1 ", "OBX ", "PID ", "ORC ", "OBR ORC ", "NTE ", "ZZZ ", "PID PV1 ORC OBX CTI PV2 "]
)
def test_linear(names: str) -> None:
    """Fifty thousand segments in any order are no attack."""
    read_ = message(ORU, names * (50_000 // len(names.split())))
    started = time.process_time()
    group(read_)
    assert time.process_time() - started < 3
