"""Application acknowledgements: queued in the transaction that settles the message, once, as MSH-16 asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.hl7v2.mllp import Outcome, acknowledged, peek
from pipelines.acknowledging import answer, application_acknowledgement, control_id, failed, owes_reply, verdict
from pipelines.channels import Channel
from pipelines.envelope import NO_FACTS, REPLY, Envelope
from pipelines.mapper import Failure
from pipelines.outcomes import failure_detail
from pipelines.ports import Entry, Outbound, StoredOutcome
from pipelines.replay import action
from pipelines.state import SqliteState
from tests.pipelines.handmade import Bench, Hands, patient
from tests.pipelines.handmade import body as said
from tests.support.store import entry as stored

CHANNEL = Channel("adt")
HEAD = b"MSH|^~\\&|HIS|N|TAB|H|20260101||ADT^A01^ADT_A01|M1|P|%b|||AL|%b||UNICODE UTF-8\rPID|1"


def entry(application: bytes = b"AL", version: bytes = b"2.5.1") -> Entry:
    return stored(1, control_id=b"M1", body=HEAD % (version, application))


def made(
    application: bytes = b"AL", failure: Failure | None = None, version: bytes = b"2.5.1", channel: Channel = CHANNEL
) -> bytes | None:
    kept = entry(application, version)
    found = application_acknowledgement(kept, kept.body or b"", channel, failure, 1_767_225_600_000_000)
    return None if found is None else found.body


FAILED = Failure("structure", "PID[1]-3[2].1", "The third field is no list")


@pytest.mark.parametrize(
    ("asked", "settled", "failed"),
    [(b"AL", "AA", "AE"), (b"SU", "AA", None), (b"ER", None, "AE"), (b"NE", None, None), (b"", None, None)],
)
def test_msh_16_decides(asked: bytes, settled: str | None, failed: str | None) -> None:
    codes = [None if body is None else acknowledged(body)[0] for body in (made(asked), made(asked, FAILED))]
    assert codes == [settled, failed]


@pytest.mark.parametrize(
    ("cause", "code", "condition"),
    [
        ("header", "AE", b"100"),
        ("structure", "AE", b"100"),
        ("limit", "AE", b"100"),
        ("refused", "AR", b"200"),
        ("mapping", "AR", b"207"),
        ("error", "AR", b"207"),
        ("gone", "AR", b"207"),
    ],
)
def test_whose_fault_it_is(cause: str, code: str, condition: bytes) -> None:
    body = made(failure=Failure(cause, "", "plain words"))
    assert body is not None
    assert acknowledged(body) == (code, b"M1")
    assert b"^".join([condition, b""]) in body


def test_place_in_both_forms_of_err() -> None:
    assert b"\rERR||PID^1^3^2^1|100^Segment sequence error^HL70357|E||||The third field" in (
        made(failure=FAILED) or b""
    )
    assert b"\rERR|PID^1^3^100&Segment sequence error&HL70357\r" in (made(failure=FAILED, version=b"2.3") or b"")


def test_breaches_each_with_its_place() -> None:
    rows = (("error", "required", "PID[1]-7[1]", "one"), ("warning", "required", "PV1[1]", "two"))
    refused = Failure("profile", *rows[0][2:], (), rows)
    answer = made(failure=refused) or b""
    assert acknowledged(answer) == ("AE", b"M1")
    assert [line for line in answer.split(b"\r") if line.startswith(b"ERR")] == [
        b"ERR||PID^1^7^1|101^Required field missing^HL70357|E||||one",
        b"ERR||PV1^1|100^Segment sequence error^HL70357|W||||two",
    ]


@pytest.mark.parametrize(
    ("status", "failure", "outcome"),
    [
        ("settled", None, Outcome.KEPT),
        ("unchanged", None, Outcome.KEPT),
        ("held", None, Outcome.KEPT),
        ("dead", FAILED, Outcome.NONCONFORMING),
        ("dead", Failure("profile", "", "x", (), (("error", "value", "PID[1]-5[1]", "x"),)), Outcome.NONCONFORMING),
        ("expired", FAILED, Outcome.NONCONFORMING),
        ("dead", Failure("refused", "MSH-9", "not this type"), Outcome.REFUSED),
        ("dead", Failure("time", "", "took too long"), Outcome.DEAD),
    ],
)
def test_what_is_stored_is_what_a_door_answers(status: str, failure: Failure | None, outcome: Outcome) -> None:
    """Over State and back, what a failure says is the same."""
    detail = b"{}"
    if failure is not None:
        detail = failure_detail(failure.cause, failure.place, failure.text, failure.breaches)
    row = StoredOutcome(1, "adt", "hl7v2", b"M1", b"", 0, status, "", None, "", 0, detail)
    assert failed(row) == failure
    found = verdict(failed(row))
    assert found.outcome is outcome
    assert (found.fault is None) == (failure is None)
    if failure is not None:
        assert answer(failure)[1] == (found.fault, *found.more)


def test_a_failure_of_an_older_release_is_ours() -> None:
    """It did not write into the outcome why: without that nobody is blamed."""
    row = StoredOutcome(1, "adt", "hl7v2", b"M1", b"", 0, "dead", "", None, "", 0, b"")
    assert verdict(failed(row)).outcome is Outcome.DEAD


def test_its_header() -> None:
    body = made()
    assert body is not None
    header = peek(body)
    assert [header.text(n) for n in (3, 5, 7, 11, 12, 15, 16, 18)] == [
        *("TAB", "HIS", "20260101000000+0000", "P", "2.5.1", "AL", "NE", "UNICODE UTF-8"),
    ]
    assert header.control_id == control_id("adt", b"M1", entry().sha256)
    assert len(header.control_id) == 20
    assert peek(made(channel=replace(CHANNEL, reply_accept="NE")) or b"").text(15) == "NE"


@pytest.mark.parametrize(
    ("facts", "reply_to", "format_", "owed"),
    [
        ({REPLY: "mllp"}, "", "hl7v2", True),
        (NO_FACTS, "10.0.0.1:5", "hl7v2", True),
        (NO_FACTS, "", "hl7v2", False),  # came over HTTP or from a folder: nobody waits
        ({REPLY: "mllp"}, "10.0.0.1:5", "fhir", False),
    ],
)
def test_to_whom_one_is_owed(facts: Mapping[str, str], reply_to: str, format_: str, owed: bool) -> None:
    kept = replace(entry(), facts=facts, format=format_)
    assert owes_reply(kept, replace(CHANNEL, reply_to=reply_to)) is owed


# -- in the writer's transaction -----------------------------------------------------------------------------------


def waiting_for(bench: Bench, data: bytes, number: int) -> None:
    """A message whose header is real, and the rest of which the hands of the bench read."""
    head = HEAD % (b"2.5.1", b"AL")
    journal = bench.folder.journal()
    name = b"M%d" % number
    body = head.replace(b"|M1|", b"|%b|" % name) + b"\r" + data
    journal.append(Envelope("adt", "hl7v2", body, name, peer="10.0.0.1:9", facts={REPLY: "mllp"})).result(10)
    journal.close()


class HeadedHands(Hands):
    """Hands that read what stands behind a header."""

    def submit(self, ticket: int, channel: str, data: bytes) -> None:
        super().submit(ticket, channel, data[data.index(b"{") :])


class HeadedBench(Bench):
    """Messages with a header before what the hands read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.hands = HeadedHands()

    def queued(self) -> list[Outbound]:
        with closing(self.folder.state_reader()) as state:
            return [message for _, message in state.outbound(0)]


@pytest.fixture
def bench(tmp_path: Path) -> HeadedBench:
    return HeadedBench(tmp_path)


def codes(bench: HeadedBench) -> list[tuple[str, bytes]]:
    return [acknowledged(message.body) for message in bench.queued()]


def failing(cause: str, patients: list[str]) -> bytes:
    return json.dumps(json.loads(said()) | {"fail": cause, "patients": patients}).encode()


def test_settled_failed_and_repeated(bench: HeadedBench) -> None:
    data = said(patient("p", gender="female"))
    waiting_for(bench, data, 1)
    waiting_for(bench, failing("structure", ["p"]), 2)
    assert bench.settle() == 2
    assert codes(bench) == [("AA", b"M1"), ("AE", b"M2")]
    first = bench.queued()[0]
    assert (first.sender, first.peer, first.entry) == (b"HIS\x1fN", "10.0.0.1:9", 1)
    assert bench.settle() == 0
    assert len(bench.queued()) == 2


def test_a_replayed_dead_letter_was_answered_when_it_failed(bench: HeadedBench) -> None:
    waiting_for(bench, failing("structure", ["p"]), 1)
    bench.settle()
    bench.hands.cured = {"structure"}
    bench.act(action([1]))
    bench.settle()
    assert codes(bench) == [("AE", b"M1")]


def test_nothing_of_a_transaction_that_fails(bench: HeadedBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The acknowledgement is durable with what it speaks of, or not at all."""
    waiting_for(bench, said(patient("p", gender="female")), 1)
    with monkeypatch.context() as broken:
        broken.setattr(SqliteState, "_seal", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.settle()
    assert bench.queued() == []
    assert bench.rows("SELECT * FROM record") == []
    bench.settle()
    assert codes(bench) == [("AA", b"M1")]


def test_taken_over_it_need_not_stand_in_state(bench: HeadedBench) -> None:
    for number in (1, 2):
        waiting_for(bench, said(patient(f"p{number}", gender="female")), number)
    bench.settle()
    with closing(bench.folder.state()) as state:
        bench.writer(state).forget_outbound(1)
    assert codes(bench) == [("AA", b"M2")]
