"""What every Journal must do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.envelope import Envelope
from pipelines.errors import Unavailable
from pipelines.ports import Journal, Kept
from tests.support.store import T0, envelope

OpenJournal = Callable[[], Journal]
HOUR = 3_600_000_000


def keep(journal: Journal, value: Envelope) -> Kept:
    return journal.append(value).result(timeout=10)


def test_what_is_kept_is_read_back_as_it_was(open_journal: OpenJournal) -> None:
    journal = open_journal()
    raw = bytes(range(256)) * 3
    kept = keep(journal, Envelope("lab", "hl7v2", raw, b"A1", T0, "10.0.0.1:4000", {"tls": "no"}))
    (entry,) = journal.read(0)
    assert (kept, entry.body, entry.channel, entry.control_id) == (Kept(1, "kept"), raw, "lab", b"A1")
    assert (entry.received_at, entry.peer, dict(entry.facts), entry.kind) == (
        T0,
        "10.0.0.1:4000",
        {"tls": "no"},
        "message",
    )
    assert len(entry.seed) == 32
    assert (entry.size, entry.blob, entry.changed) == (len(raw), False, False)


def test_entries_rise_by_one_and_have_seeds_of_their_own(open_journal: OpenJournal) -> None:
    journal = open_journal()
    futures = [journal.append(envelope(number)) for number in range(200)]
    assert [future.result(10).seq for future in futures] == list(range(1, 201))
    assert len({entry.seed for entry in journal.read(0, 1000)}) == 200
    assert journal.last() == 200


def test_reading_goes_on_after_a_seq_and_stops_at_the_limit(open_journal: OpenJournal) -> None:
    journal = open_journal()
    for number in range(10):
        keep(journal, envelope(number))
    assert [entry.seq for entry in journal.read(3, 4)] == [4, 5, 6, 7]
    assert journal.read(10) == []
    found = journal.get(7)
    assert found is not None
    assert found.control_id == b"ID6"
    assert journal.get(99) is None


def test_the_same_message_again_is_kept_once(open_journal: OpenJournal) -> None:
    journal = open_journal()
    first = keep(journal, envelope(1))
    assert keep(journal, envelope(1)) == Kept(first.seq, "repeated")
    assert journal.last() == 1


def test_the_same_control_id_with_other_bytes_is_kept_and_flagged(open_journal: OpenJournal) -> None:
    journal = open_journal()
    keep(journal, envelope(1))
    assert keep(journal, envelope(1, b"other")) == Kept(2, "changed")
    assert keep(journal, envelope(1, b"other")) == Kept(2, "repeated")
    assert keep(journal, envelope(1)) == Kept(1, "repeated")
    assert [entry.changed for entry in journal.read(0)] == [False, True]


def test_duplicates_within_one_transaction_are_found_too(open_journal: OpenJournal) -> None:
    journal = open_journal()
    futures = [journal.append(envelope(1, b"a" if number % 2 else b"b")) for number in range(100)]
    kept = [future.result(10) for future in futures]
    assert sorted({one.seq for one in kept}) == [1, 2]
    assert [one.status for one in kept[:2]] == ["kept", "changed"]
    assert {one.status for one in kept[2:]} == {"repeated"}


def test_without_control_id_and_across_channels_nothing_is_a_duplicate(open_journal: OpenJournal) -> None:
    journal = open_journal()
    kept = [keep(journal, envelope(1, b"x", control_id=b"")) for _ in range(3)]
    kept += [keep(journal, envelope(1, b"x", channel=channel)) for channel in ("a", "b")]
    assert [one.status for one in kept] == ["kept"] * 5


def test_beyond_the_window_a_control_id_may_come_again(open_journal: OpenJournal) -> None:
    journal = open_journal()
    keep(journal, Envelope("a", "hl7v2", b"x", b"1", T0))
    assert keep(journal, Envelope("a", "hl7v2", b"x", b"1", T0 + HOUR)).status == "repeated"
    assert keep(journal, Envelope("a", "hl7v2", b"x", b"1", T0 + HOUR + 1)).status == "kept"


def test_everything_is_there_after_opening_again(open_journal: OpenJournal) -> None:
    journal = open_journal()
    for number in range(5):
        keep(journal, envelope(number))
    journal = open_journal()
    assert journal.last() == 5
    assert keep(journal, envelope(3)) == Kept(4, "repeated")
    assert keep(journal, envelope(5)) == Kept(6, "kept")


def test_a_large_body_is_a_blob(open_journal: OpenJournal) -> None:
    journal = open_journal()
    large = b"M" * ((1 << 20) + 1)
    keep(journal, envelope(1, large))
    keep(journal, envelope(2, large[:-1]))
    first, second = journal.read(0)
    assert (first.blob, first.body, first.size) == (True, None, len(large))
    assert (second.blob, second.body) == (False, large[:-1])


def test_a_closed_journal_keeps_nothing(open_journal: OpenJournal) -> None:
    journal = open_journal()
    open_journal()
    with pytest.raises(Unavailable):
        keep(journal, envelope(1))


messages = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([b"", b"1", b"2"]), st.sampled_from([b"x", b"y", b"z"])),
    max_size=40,
)


@given(messages)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_traffic_is_judged_as_a_dictionary_would(
    open_journal: OpenJournal, traffic: list[tuple[str, bytes, bytes]]
) -> None:
    journal = open_journal()
    base = journal.last()
    prefix = b"%d-" % base  # the same journal serves all examples
    known: dict[tuple[str, bytes], dict[bytes, int]] = {}
    expected: list[Kept] = []
    seq = base
    for channel, control_id, content in traffic:
        same = known.setdefault((channel, control_id), {}) if control_id else {}
        if content in same:
            expected.append(Kept(same[content], "repeated"))
            continue
        seq += 1
        expected.append(Kept(seq, "changed" if same else "kept"))
        same[content] = seq
    futures = [
        journal.append(Envelope(channel, "hl7v2", content, control_id and prefix + control_id, T0))
        for channel, control_id, content in traffic
    ]
    assert [future.result(10) for future in futures] == expected
    assert [entry.seq for entry in journal.read(base, 1000)] == list(range(base + 1, seq + 1))
