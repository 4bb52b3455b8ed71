"""Settle with real messages through the maps: any interleaving and replay ends in the same state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.fhir import decode_trusted
from pipelines import journey
from pipelines.mapper import Mapper
from pipelines.registers import shown
from pipelines.said import Spoken
from pipelines.settle import Incoming, Known, NewVersion, Policy, after
from pipelines.stamp import Origin, effective
from tests.pipelines.v2 import CONFIG, adt, oru, pid, visit

MAPPER = Mapper(CONFIG)
Key = tuple[str, str]

TIMES = st.sampled_from(["", *(f"2026030{day}080000+0100" for day in range(1, 5))])
NUMBERS = st.sampled_from(["1", "2", "3"])
HOMES = st.sampled_from(["", '""', "^PRN^PH^^1^216^5550101", "^PRN^PH^^1^216^5550102"])
SEXES = st.sampled_from(["", '""', "F", "M"])
PIDS = st.builds(
    lambda number, birth, sex, home: pid(number, birth=birth, sex=sex, home=home),
    NUMBERS,
    st.sampled_from(["", '""', "19700312", "19700313"]),
    SEXES,
    HOMES,
)
VISITS = st.builds(
    lambda number, kind, discharged: visit(f"V-{number}", kind=kind, discharged=discharged),
    NUMBERS,
    st.sampled_from(["I", "O", "P"]),
    st.sampled_from(["", '""', "20260305100000+0100"]),
)
ADT = st.one_of(
    st.builds(
        adt,
        st.sampled_from(["A01", "A03", "A04", "A08", "A11", "A13"]),
        TIMES,
        PIDS,
        VISITS,
    ),
    st.builds(adt, st.just("A31"), TIMES, PIDS),
    st.builds(lambda time, who, retired: adt("A40", time, who, f"MRG|{retired}^^^NORTHTEST^MR"), TIMES, PIDS, NUMBERS),
)
RESULTS = st.tuples(
    st.sampled_from(["2345-7", "4548-4"]),
    st.sampled_from(["", "4.0", "9.10"]),
    st.sampled_from(["F", "P", "C", "D", "X"]),
)
ORU = st.builds(
    lambda time, who, results, order: oru(time, *results, patient=who, order=order),
    TIMES,
    PIDS,
    st.lists(RESULTS, min_size=1, max_size=2, unique_by=lambda result: result[0]),
    st.sampled_from(["1", "2"]),
)
CHANNELS = {"adt": ADT, "tests": ADT, "lab": ORU}  # `tests` here only as a third name


@lru_cache(maxsize=4096)
def mapped(body: bytes) -> Spoken:
    result = MAPPER.map("adt", body)
    assert isinstance(result, Spoken), result
    return result


@st.composite
def journals(draw: st.DrawFn) -> tuple[dict[str, list[bytes]], list[list[str]]]:
    channels = {name: draw(st.lists(messages, max_size=4)) for name, messages in CHANNELS.items()}
    turns = [name for name, said in channels.items() for _ in said]
    return channels, [draw(st.permutations(turns)), draw(st.permutations(turns))]


class Outcome:
    def __init__(self) -> None:
        self.known: dict[Key, Known] = {}
        self.bodies: dict[Key, Any] = {}

    def take(self, message: Spoken, origin: Origin) -> None:
        for said in message.said:
            key = (said.type, said.id)
            current = self.known.get(key)
            result = journey.settle(current, Incoming(said, origin), Policy())
            if isinstance(result, NewVersion):
                self.bodies[key] = decode_trusted(result.body)
            known = after(current, result)
            assert known is not None
            self.known[key] = known


def run(channels: dict[str, list[bytes]], turns: Sequence[str], again: Sequence[int] = ()) -> Outcome:
    outcome = Outcome()
    clocks: dict[str, int | None] = {}
    next_: dict[str, int] = {}
    journal = []
    for place, name in enumerate(turns, 1):
        message = mapped(channels[name][next_.get(name, 0)])
        next_[name] = next_.get(name, 0) + 1
        time, clocks[name] = effective(message.event_time, clocks.get(name))
        journal.append((message, Origin(time, name, place)))
        outcome.take(*journal[-1])
    for number in again:
        if journal:
            outcome.take(*journal[number % len(journal)])
    return outcome


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(journals(), st.lists(st.integers(0, 20), max_size=4))
def test_any_interleaving_and_replay_ends_in_the_same_state(
    given_: tuple[dict[str, list[bytes]], list[list[str]]], again: list[int]
) -> None:
    channels, (one, other) = given_
    assert run(channels, one).bodies == run(channels, other, again).bodies


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(journals())
def test_no_oru_removes_or_replaces_what_an_adt_said(
    given_: tuple[dict[str, list[bytes]], list[list[str]]],
) -> None:
    channels, (turns, _) = given_
    alone = run(channels | {"lab": []}, [name for name in turns if name != "lab"])
    together = run(channels, turns)
    for key, known in alone.known.items():
        if key[0] in ("Patient", "Encounter"):
            now = shown(together.known[key].registers.cells)
            for register, said in shown(known.registers.cells).items():
                if isinstance(said, list):
                    found = now[register]
                    assert isinstance(found, list)
                    assert all(value in found for value in said)
                else:
                    assert now[register] == said


def body(outcome: Outcome, type_: str) -> dict[str, Any]:
    (found,) = (value for key, value in outcome.bodies.items() if key[0] == type_)
    assert isinstance(found, dict)
    return found


def after_all(*messages: tuple[str, bytes]) -> Outcome:
    channels: dict[str, list[bytes]] = {}
    for name, data in messages:
        channels.setdefault(name, []).append(data)
    return run(channels, [name for name, _ in messages])


DAY = "2026030{}080000+0100"


def test_an_update_and_a_null() -> None:
    first = adt("A01", DAY.format(1), pid(home="^PRN^PH^^1^216^5550101"), visit())
    second = adt("A08", DAY.format(2), pid(family="ZZNEW", sex="", home='""'), visit())
    patient = body(after_all(("adt", first), ("adt", second)), "Patient")
    assert patient["name"][0]["family"] == "ZZNEW"
    assert patient["gender"] == "female"
    assert "telecom" not in patient
    assert body(after_all(("adt", second), ("tests", first)), "Patient") == patient


def test_a_cancelled_admission_stays_cancelled() -> None:
    admit, cancel = adt("A01", DAY.format(1), pid(), visit()), adt("A11", DAY.format(2), pid(), visit())
    update = adt("A08", DAY.format(3), pid(), visit())
    outcome = after_all(("adt", admit), ("adt", cancel), ("adt", update))
    assert body(outcome, "Encounter")["status"] == "cancelled"


def test_a_discharge_taken_back_and_given_again() -> None:
    leave = adt("A03", DAY.format(2), pid(), visit(discharged="20260302080000+0100"))
    back = adt("A13", DAY.format(3), pid(), visit())
    again = adt("A03", DAY.format(4), pid(), visit(discharged="20260304080000+0100"))
    encounter = body(after_all(("adt", leave), ("adt", back)), "Encounter")
    assert encounter["status"] == "in-progress"
    assert "end" not in encounter["period"]
    encounter = body(after_all(("adt", leave), ("adt", back), ("adt", again)), "Encounter")
    assert encounter["status"] == "finished"
    assert encounter["period"]["end"].startswith("2026-03-04")


def test_a_corrected_and_a_deleted_result() -> None:
    first = oru(DAY.format(1), ("2345-7", "9.10", "F"))
    corrected = oru(DAY.format(2), ("2345-7", "4.0", "C"))
    deleted = oru(DAY.format(3), ("2345-7", "", "D"))
    result = body(after_all(("lab", corrected), ("tests", first)), "Observation")
    assert (result["status"], str(result["valueQuantity"]["value"])) == ("corrected", "4.0")
    assert "interpretation" not in result
    result = body(after_all(("lab", first), ("lab", corrected), ("lab", deleted)), "Observation")
    assert result["status"] == "entered-in-error"


def test_a_merge() -> None:
    first = adt("A01", DAY.format(1), pid("2"), visit())
    merge = adt("A40", DAY.format(2), pid("1"), "MRG|2^^^NORTHTEST^MR")
    late = adt("A08", DAY.format(3), pid("2", family="ZZLATE"), visit())
    outcome = after_all(("adt", first), ("adt", merge), ("adt", late))
    (merged,) = mapped(merge).merges
    retired, surviving = (outcome.bodies["Patient", id_] for id_ in merged)
    assert retired["active"] is False
    assert retired["link"] == [{"other": {"reference": f"Patient/{merged[1]}"}, "type": "replaced-by"}]
    assert surviving["link"] == [{"other": {"reference": f"Patient/{merged[0]}"}, "type": "replaces"}]
    assert retired["name"][0]["family"] == "ZZLATE"
    assert surviving.get("active") is not False
