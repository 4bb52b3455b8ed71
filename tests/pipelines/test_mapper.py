"""The mapper: bytes to Mapped, or a failure that says why and whose message it is, and no more."""

from __future__ import annotations

import pytest

from pipelines.errors import CheckFailed
from pipelines.mapper import Failure, Mapper, failure
from pipelines.said import Spoken
from tests.pipelines.v2 import CONFIG, adt, message, oru, pid, visit

TIME = "20260302101500+0100"


@pytest.fixture(scope="module")
def mapper() -> Mapper:
    return Mapper(CONFIG)


def failed(mapper: Mapper, body: bytes, channel: str = "adt") -> Failure:
    result = mapper.map(channel, body)
    assert isinstance(result, Failure)
    return result


def good(mapper: Mapper, body: bytes, channel: str = "adt") -> Spoken:
    result = mapper.map(channel, body)
    assert isinstance(result, Spoken), result
    return result


def test_a_message_is_mapped_with_its_channels_settings(mapper: Mapper) -> None:
    spoken = good(mapper, adt("A01", "20260302101500", pid(), visit()))
    assert spoken.type == "ADT^A01^ADT_A01"
    assert len(spoken.patients) == len(spoken.terms) == 1
    assert spoken.event_time == 1_772_442_900_000_000  # 10:15 in Zurich
    assert {"MessageHeader", "Provenance", "Patient", "Encounter"} <= {said.type for said in spoken.said}


@pytest.mark.parametrize(
    ("body", "cause", "place"),
    [
        (b"", "header", ""),
        (b"PID|1", "header", ""),
        (b"MSH|", "header", ""),
        (message("ACK^A01", TIME), "refused", "MSH-9"),
        (adt("A01", TIME, pid()).replace(b"|P|", b"|T|"), "refused", "MSH-11"),
        (adt("A01", TIME, pid()).replace(b"|P|", b"|D|"), "refused", "MSH-11"),
        (adt("A01", TIME, pid()).replace(b"|P|", b"||"), "refused", "MSH-11"),
    ],
)
def test_failures_name_cause_and_place(mapper: Mapper, body: bytes, cause: str, place: str) -> None:
    found = failed(mapper, body)
    assert (found.cause, found.place) == (cause, place)
    assert found.text
    assert found.patients == ()


def test_messages_together_say_what_each_says_alone(mapper: Mapper) -> None:
    jobs = [("adt", adt("A01", TIME, pid(str(n)), visit(f"V-{n}"), control_id=f"C{n}")) for n in range(5)]
    jobs += [("lab", oru(TIME, ("2345-7", "9", "F"))), ("adt", adt("A08", TIME, pid("1"))), ("nowhere", b"")]
    jobs += [("lab", oru(TIME, ("2345-7", "9", "F"), ("2160-0", "1", "C"))), ("adt", message("ACK^A01", TIME))]
    assert mapper.map_many(jobs) == [mapper.map(*job) for job in jobs]
    jobs.insert(3, ("adt", b"PID|1"))  # one that fails while others are mapped with it
    jobs.insert(6, ("lab", b"MSH|"))
    assert mapper.map_many(jobs) == [mapper.map(*job) for job in jobs]
    assert mapper.map_many([]) == []


def test_a_training_message_enters_a_channel_that_takes_it(mapper: Mapper) -> None:
    good(mapper, adt("A01", TIME, pid(), visit()).replace(b"|P|", b"|T|"), "tests")


def test_a_channel_that_is_gone(mapper: Mapper) -> None:
    assert failed(mapper, adt("A01", TIME, pid()), "gone").cause == "channel"


def test_patients_are_read_from_the_patient_segments_alone(mapper: Mapper) -> None:
    body = oru(TIME, ("2345-7", "9", "F"))
    assert mapper.patients("lab", body) == good(mapper, body, "lab").patients
    merge = adt("A40", TIME, pid("1"), "MRG|2^^^NORTHTEST^MR")
    assert set(mapper.patients("adt", merge)) == set(good(mapper, merge).patients)
    assert len(mapper.patients("adt", merge)) == 2
    assert mapper.patients("adt", b"rubbish") == ()


def test_a_foreign_error_is_named_by_class_and_line_of_ours_only() -> None:
    try:
        int("ZZCANARY^ANNA")
    except ValueError as error:
        found = failure(error)
    assert found.cause == "error"
    # the whole path below our own root; from a wheel the tests lie outside it, and only the name is told
    assert found.text.partition(":")[0] in (
        "ValueError at tests/pipelines/test_mapper.py",
        "ValueError at test_mapper.py",
    )
    assert "CANARY" not in found.text


def test_an_invalid_resource_is_our_fault() -> None:
    found = failure(CheckFailed("Patient", "Patient.gender"))
    assert (found.cause, found.place) == ("invalid", "Patient.gender")
