"""Settle: which word stands, what is never overwritten, and when there is nothing new."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapters.fhir import decode_trusted
from mappings import Change, Element
from pipelines.ownership import ownership
from pipelines.said import changes, say
from pipelines.settle import Held, Incoming, Known, NewVersion, Policy, Unchanged, after, settle
from pipelines.stamp import NO_TIME, Origin, effective, instant
from tests.pipelines.handmade import EMPTY

TABLE = ownership()
ADT = ("ADT", Origin(1000, "adt", 1))
Place = tuple[str, Origin]


def element(path: str, value: Any, slot: str = "", rank: int = 0) -> Element:
    return Element(path, slot, value, rank)


def patient(*elements: Element, id_: str = "p1") -> Change:
    return Change("Patient", id_, id_, elements)


def anew(change: Change, *elements: Element) -> Change:
    """The same resource in a later message."""
    return Change(change.type, change.id, change.patient, elements)


def incoming(change: Change, place: Place = ADT, retired: bool = False) -> Incoming:
    family, origin = place
    return Incoming(say(change, family, TABLE, {}, retired), origin)


class Store:
    """One resource after another message, as the writer does it."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Known] = {}
        self.bodies: dict[tuple[str, str], dict[str, Any]] = {}
        self.ops: list[str] = []

    def take(self, place: Place, *given: Change, merges: tuple[tuple[str, str], ...] = ()) -> None:
        for change, retired in changes(replace(EMPTY, changes=given, merges=merges)):
            key = (change.type, change.id)
            current = self.known.get(key)
            result = settle(current, incoming(change, place, retired), Policy())
            if isinstance(result, NewVersion):
                body = decode_trusted(result.body)
                assert isinstance(body, dict)
                self.bodies[key] = body
                self.ops.append(result.op)
            else:
                self.ops.append("unchanged")
            known = after(current, result)
            assert known is not None
            self.known[key] = known

    def body(self, type_: str = "Patient", id_: str = "p1") -> dict[str, Any]:
        return self.bodies[type_, id_]


def at(time: int, family: str = "ADT", channel: str = "adt") -> Place:
    return family, Origin(time, channel, time)


def test_first_word_makes_version_one() -> None:
    result = settle(None, incoming(patient(element("birthDate", "1970-01-01"))), Policy())
    assert isinstance(result, NewVersion)
    assert (result.version, result.op, result.patient) == (1, "create", "p1")
    assert result.body == b'{"birthDate":"1970-01-01","id":"p1","resourceType":"Patient"}'


def test_older_never_overwrites_newer() -> None:
    store = Store()
    store.take(at(20), patient(element("birthDate", "1970-01-02")))
    store.take(at(10), patient(element("birthDate", "1970-01-01"), element("gender", "female")))
    assert store.body()["birthDate"] == "1970-01-02"
    assert store.body()["gender"] == "female"


def test_what_a_message_does_not_speak_of_stays() -> None:
    store = Store()
    store.take(at(10), patient(element("telecom", [{"value": "1"}], "PID-13"), element("gender", "male")))
    store.take(at(20), patient(element("telecom", [{"value": "2"}], "PID-14")))
    assert store.body()["gender"] == "male"
    assert store.body()["telecom"] == [{"value": "1"}, {"value": "2"}]


def test_null_removes_its_source_only_and_the_mark_stays() -> None:
    store = Store()
    store.take(at(20), patient(element("telecom", None, "PID-13"), element("telecom", [{"value": "2"}], "PID-14")))
    store.take(at(10), patient(element("telecom", [{"value": "1"}], "PID-13")))
    assert store.body()["telecom"] == [{"value": "2"}]
    store.take(at(30), patient(element("telecom", [{"value": "3"}], "PID-13")))
    assert store.body()["telecom"] == [{"value": "3"}, {"value": "2"}]


@pytest.mark.parametrize("adt_first", [True, False])
def test_a_filler_fills_what_is_absent_and_replaces_nothing(adt_first: bool) -> None:
    steps = [
        (at(10), patient(element("gender", "female"), element("maritalStatus", None))),
        (
            at(99, "ORU", "lab"),
            patient(element("gender", "male"), element("maritalStatus", {"text": "M"}), element("birthDate", "1970")),
        ),
    ]
    store = Store()
    for origin, change in steps if adt_first else steps[::-1]:
        store.take(origin, change)
    assert store.body() == {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970"}


@pytest.mark.parametrize("adt_first", [True, False])
def test_a_filler_never_removes(adt_first: bool) -> None:
    steps = [(at(10), patient(element("gender", "female"))), (at(99, "ORU", "lab"), patient(element("gender", None)))]
    store = Store()
    for origin, change in steps if adt_first else steps[::-1]:
        store.take(origin, change)
    assert store.body()["gender"] == "female"


def test_the_event_beats_a_later_plain_word_and_a_derived_one_beats_nothing() -> None:
    store = Store()
    visit = Change("Encounter", "e1", "p1", (element("status", "cancelled", rank=1),))
    store.take(at(10), visit)
    store.take(at(20), anew(visit, element("status", "in-progress")))
    store.take(at(30), anew(visit, element("status", "unknown", rank=-1)))
    assert store.body("Encounter", "e1")["status"] == "cancelled"
    store.take(at(40), anew(visit, element("status", "in-progress", rank=1)))
    assert store.body("Encounter", "e1")["status"] == "in-progress"


def test_an_events_removal_ends_with_the_next_word() -> None:
    store = Store()
    visit = Change("Encounter", "e1", "p1", (element("period.end", "2026-03-01"),))
    store.take(at(10), visit)
    store.take(at(20), anew(visit, element("period.end", None, rank=1), element("status", "x", rank=1)))
    assert "period" not in store.body("Encounter", "e1")
    store.take(at(15), visit)
    assert "period" not in store.body("Encounter", "e1")
    store.take(at(30), anew(visit, element("period.end", "2026-03-05")))
    assert store.body("Encounter", "e1")["period"] == {"end": "2026-03-05"}


def test_removing_an_element_removes_all_its_slots() -> None:
    store = Store()
    notes = (element("note", [{"text": "a"}], "NTE"), element("note", [{"text": "b"}], "OBX-5"))
    store.take(at(10, "ORU"), Change("Observation", "o1", "p1", notes))
    store.take(at(20, "ORU"), Change("Observation", "o1", "p1", (element("note", None),)))
    assert "note" not in store.body("Observation", "o1")
    store.take(at(30, "ORU"), Change("Observation", "o1", "p1", notes[1:]))
    assert store.body("Observation", "o1")["note"] == [{"text": "b"}]


@pytest.mark.parametrize(
    ("inner", "outer", "value"),
    [
        ("_status.extension", "status", "final"),
        ("_valueDateTime", "value[x]", {"valueDateTime": "2026-03-01"}),
        ("_effectiveDateTime.extension", "effective[x]", {"effectiveDateTime": "2026-03-01"}),
        ("code.text", "code", {"coding": [{"code": "x"}]}),
        ("specimen.extension", "specimen", None),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_newer_word_hides_older_ones_inside_and_beside_it(inner: str, outer: str, value: Any, first: bool) -> None:
    aside = [{"url": "u"}] if "extension" in inner else "text" if inner == "code.text" else {"id": "x"}
    slot = "OBX-11" if "extension" in inner else ""
    old = Change("Observation", "o1", "p1", (element(outer, value), element(inner, aside, slot)))
    new = Change("Observation", "o1", "p1", (element(outer, value),))
    store, together = Store(), Store()
    for place, change in [(at(10, "ORU"), old), (at(20, "ORU"), new)][:: 1 if first else -1]:
        store.take(place, change)
    together.take(at(20, "ORU"), new)
    assert store.bodies == together.bodies
    store.take(at(30, "ORU"), old)
    together.take(at(30, "ORU"), old)
    assert store.bodies == together.bodies
    assert inner.split(".")[0] in store.body("Observation", "o1") or value is None


def test_what_a_message_says_beside_an_element_stays_with_it() -> None:
    store = Store()
    words = (element("birthDate", "1970"), element("_birthDate.extension", [{"url": "u"}], "PID-7"))
    store.take(at(10), patient(*words))
    store.take(at(20), patient(element("gender", "male")))
    assert store.body()["_birthDate"] == {"extension": [{"url": "u"}]}
    store.take(at(30, "ORU", "lab"), patient(element("birthDate", "1971")))  # a filler hides nothing of an owner
    assert store.body()["_birthDate"] == {"extension": [{"url": "u"}]}
    assert store.body()["birthDate"] == "1970"


def test_same_content_is_unchanged_but_its_time_counts() -> None:
    store = Store()
    store.take(at(10), patient(element("gender", "female")))
    store.take(at(30), patient(element("gender", "female")))
    store.take(at(20), patient(element("gender", "male")))
    assert store.ops == ["create", "unchanged", "unchanged"]
    assert store.body()["gender"] == "female"


def test_the_very_same_message_again_moves_nothing() -> None:
    first = settle(None, incoming(patient(element("gender", "female"))), Policy())
    again = settle(after(None, first), incoming(patient(element("gender", "female"))), Policy())
    assert again == Unchanged(None)


def test_decimals_keep_their_precision() -> None:
    store = Store()
    value = {"valueQuantity": {"value": Decimal("13.20")}}
    result = Change("Observation", "o1", "p1", (element("value[x]", value),))
    store.take(at(10), result)
    store.take(at(20), anew(result, element("status", "final")))
    assert store.body("Observation", "o1")["valueQuantity"] == {"value": Decimal("13.20")}
    assert str(store.body("Observation", "o1")["valueQuantity"]["value"]) == "13.20"


def test_a_corrected_value_does_not_keep_the_flag_of_the_old_one() -> None:
    store = Store()
    flag = element("interpretation", [{"text": "H"}], "OBX-8")
    first = (element("value[x]", {"valueInteger": 9}), flag, element("status", "final"))
    store.take(at(10, "ORU"), Change("Observation", "o1", "p1", first))
    corrected = (element("value[x]", {"valueInteger": 5}), element("status", "corrected"))
    store.take(at(20, "ORU"), Change("Observation", "o1", "p1", corrected))
    expected = {"resourceType": "Observation", "id": "o1", "status": "corrected", "valueInteger": 5}
    assert store.body("Observation", "o1") == expected
    # the old message comes again, or late: it changes nothing
    store.take(at(10, "ORU"), Change("Observation", "o1", "p1", first))
    assert store.body("Observation", "o1") == expected


def test_a_missing_value_and_its_reason_replace_each_other() -> None:
    store = Store()
    absent = element("dataAbsentReason", {"text": "not done"})
    store.take(at(10, "ORU"), Change("Observation", "o1", "p1", (absent,)))
    store.take(at(20, "ORU"), Change("Observation", "o1", "p1", (element("value[x]", {"valueInteger": 5}),)))
    assert "dataAbsentReason" not in store.body("Observation", "o1")


def test_identifiers_never_shrink_by_absence_and_the_newest_form_of_each_stands() -> None:
    store = Store()
    mr, ss = {"system": "a", "value": "1"}, {"system": "b", "value": "2"}
    store.take(at(10), patient(element("identifier", [mr, ss], "PID-3")))
    store.take(at(20), patient(element("identifier", [mr | {"use": "old"}], "PID-3")))
    assert store.body()["identifier"] == [mr | {"use": "old"}, ss]
    store.take(at(30), patient(element("identifier", None, "PID-3")))
    assert "identifier" not in store.body()
    store.take(at(40), patient(element("identifier", [ss], "PID-3")))
    assert store.body()["identifier"] == [ss]


def test_a_corrected_report_keeps_its_other_results() -> None:
    store = Store()
    every = [{"reference": f"Observation/{n}"} for n in range(12)]
    report = Change("DiagnosticReport", "r1", "p1", (element("result", every, "OBX"),))
    store.take(at(10, "ORU"), report)
    store.take(at(20, "ORU"), anew(report, element("result", every[5:6], "OBX")))
    assert store.body("DiagnosticReport", "r1")["result"] == every


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_merge_retires_for_good_and_links_both(order: tuple[int, ...]) -> None:
    steps: list[tuple[Place, tuple[Change, ...], tuple[tuple[str, str], ...]]] = [
        (at(10), (patient(element("active", True), element("gender", "female"), id_="old"),), ()),
        (at(20), (patient(element("gender", "female"), id_="new"),), (("old", "new"),)),
        (at(30), (patient(element("active", True, rank=1), element("birthDate", "1970"), id_="old"),), ()),
    ]
    store = Store()
    for number in order:
        origin, given, merges = steps[number]
        store.take(origin, *given, merges=merges)
    old, new = store.body(id_="old"), store.body(id_="new")
    assert old["active"] is False
    assert old["birthDate"] == "1970"
    assert old["link"] == [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
    assert new["link"] == [{"other": {"reference": "Patient/old"}, "type": "replaces"}]
    assert "active" not in new
    assert "merged" in store.ops


def test_a_merge_into_itself_says_nothing() -> None:
    store = Store()
    store.take(at(10), merges=(("a", "a"),))
    assert store.bodies == {}


def test_a_waiting_patient_is_held() -> None:
    assert settle(None, incoming(patient(element("gender", "male"))), Policy(wait=True)) == Held()


def test_a_resource_of_one_message_is_replaced_whole() -> None:
    header = Change("MessageHeader", "m1", None, (element("eventUri", "urn:a"), element("reason", {"text": "x"})))
    store = Store()
    store.take(at(10), header)
    store.take(at(10), anew(header, element("eventUri", "urn:b")))
    assert store.body("MessageHeader", "m1") == {"resourceType": "MessageHeader", "id": "m1", "eventUri": "urn:b"}
    assert store.known["MessageHeader", "m1"].registers.data == b""


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        (None, None),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:00.123456Z", 123_456),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.5Z", -500_000),
        ("2026-03-02", None),
        ("2026-03-02T10:00:00", None),
        ("soon", None),
    ],
)
def test_instants(text: str | None, micros: int | None) -> None:
    assert instant(text) == micros


@pytest.mark.parametrize(
    ("said", "clock", "expected"),
    [
        (None, None, (NO_TIME, None)),
        (None, 7, (7, 7)),
        (5, None, (5, 5)),
        (5, 7, (5, 7)),
        (9, 7, (9, 9)),
    ],
)
def test_effective_time(said: int | None, clock: int | None, expected: tuple[int, int | None]) -> None:
    assert effective(said, clock) == expected
