"""What every State must do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.errors import PipelineError
from pipelines.ports import Batch, DeadLetter, Hold, Merge, State, Touch
from tests.support.store import T0, batch_of, entry, outcome, record, settled

OpenState = Callable[[], State]


def test_an_empty_state_knows_nothing(open_state: OpenState) -> None:
    state = open_state()
    assert (state.cursor(), state.current("Patient", "x"), state.body(0)) == (0, None, None)
    assert (state.clock("adt", 10), state.seen("adt", b"1"), state.dead_letters(), state.held()) == (None, (), (), ())


def test_records_get_their_seq_in_the_order_of_the_batch(open_state: OpenState) -> None:
    state = open_state()
    made = state.commit(settled(1, [record(1, 1), record(1, 2)]))
    assert (made.first, made.count, made.size) == (0, 2, 2)
    made = state.commit(settled(2, [record(2, 3)]))
    assert (made.first, made.count, made.size) == (2, 1, 3)
    assert state.body(2) == record(2, 3).body


def test_current_is_the_newest_version(open_state: OpenState) -> None:
    state = open_state()
    state.commit(settled(1, [record(1, 1), record(1, 2, patient=None)]))
    state.commit(settled(2, [record(2, 1, version=2, op="update")]))
    found = state.current_many([("Observation", "o1"), ("Observation", "o2"), ("Observation", "o3"), ("Patient", "o1")])
    assert set(found) == {("Observation", "o1"), ("Observation", "o2")}
    newest = found["Observation", "o1"]
    assert (newest.seq, newest.version, newest.op, newest.patient) == (2, 2, "update", "p1")
    assert newest.registers == b"registers of version 2"
    assert newest.digest == hashlib.sha256(record(2, 1, version=2).body).digest()
    assert found["Observation", "o2"].patient is None
    assert state.current("Observation", "o1") == newest


def test_two_versions_of_one_resource_in_one_batch(open_state: OpenState) -> None:
    state = open_state()
    state.commit(settled(1, [record(1, 1), record(1, 1, version=2, op="update")]))
    found = state.current("Observation", "o1")
    assert found is not None
    assert (found.seq, found.version) == (1, 2)


def test_a_batch_without_records_moves_the_cursor_only(open_state: OpenState) -> None:
    state = open_state()
    state.commit(settled(1, [record(1, 1)]))
    made = state.commit(Batch(5, (outcome(5, "unchanged"),)))
    assert (made.count, made.size, state.cursor()) == (0, 1, 5)


def test_the_cursor_never_goes_back(open_state: OpenState) -> None:
    state = open_state()
    state.commit(settled(7))
    state.commit(Batch(3, (outcome(3),)))
    assert state.cursor() == 7


def test_touched_registers_change_without_a_version(open_state: OpenState) -> None:
    state = open_state()
    state.commit(settled(1, [record(1, 1)]))
    before = state.current("Observation", "o1")
    state.commit(Batch(2, (outcome(2, "unchanged"),), touched=(Touch("Observation", "o1", b"moved"),)))
    assert before is not None
    assert state.current("Observation", "o1") == replace(before, registers=b"moved")


def test_the_clock_of_a_channel_at_any_place(open_state: OpenState) -> None:
    state = open_state()
    other = replace(outcome(2), entry=entry(2, channel="lab"), clock=T0)
    state.commit(Batch(3, (replace(outcome(1), clock=T0 + 50), other, replace(outcome(3), clock=T0 + 90))))
    places = {place: state.clock("adt", place) for place in (1, 2, 3, 4, 100)}
    assert places == {1: None, 2: T0 + 50, 3: T0 + 50, 4: T0 + 90, 100: T0 + 90}
    assert state.clock("lab", 100) == T0


def test_a_control_id_once_seen(open_state: OpenState) -> None:
    state = open_state()
    again = replace(outcome(2), entry=entry(2, control_id=b"ID1"))
    state.commit(Batch(2, (outcome(1), again)))
    assert [(one.seq, one.status) for one in state.seen("adt", b"ID1")] == [(1, "settled"), (2, "settled")]
    assert state.seen("lab", b"ID1") == ()


def test_a_dead_letter_marks_its_patients_until_it_is_solved(open_state: OpenState) -> None:
    state = open_state()
    letter = DeadLetter(1, "invalid", "PID-3.1", "no identifier", ("p1", "p2"))
    state.commit(Batch(1, (outcome(1, "dead"),), dead_letters=(letter,)))
    assert state.marked(["p1", "p3"]) == {"p1"}
    (stored,) = state.dead_letters()
    assert (stored.entry, stored.cause, stored.place, stored.attempts) == (entry(1), "invalid", "PID-3.1", 1)
    state.commit(Batch(2, (outcome(2, "action"), outcome(1, "dead")), dead_letters=(replace(letter, cause="again"),)))
    assert [(one.cause, one.attempts) for one in state.dead_letters()] == [("again", 2)]
    state.commit(Batch(3, (outcome(3, "action"), outcome(1)), records=(record(1, 1),), solved=(1,)))
    assert (state.dead_letters(), state.dead_letter(1), state.marked(["p1", "p2"])) == ((), None, frozenset())


def test_holds_wait_in_order_and_mark_too(open_state: OpenState) -> None:
    state = open_state()
    state.commit(
        Batch(3, tuple(outcome(seq, "held") for seq in (1, 2, 3)), holds=(Hold(3, ("p1",)), Hold(2, ("p1", "p2"))))
    )
    assert state.held() == (2, 3)
    assert state.held(1) == (2,)
    assert state.held_for(["p2"]) == (2,)
    assert state.marked(["p1", "p2", "p9"]) == {"p1", "p2"}
    state.commit(Batch(3, (outcome(2),), freed=(2,)))
    assert (state.held(), state.marked(["p2"])) == ((3,), frozenset())


def test_a_hold_is_releasable_once_nothing_earlier_waits_for_its_patients(open_state: OpenState) -> None:
    state = open_state()
    held = tuple(outcome(seq, "held") for seq in (2, 3, 4))
    state.commit(
        Batch(
            4,
            (outcome(1, "dead"), *held),
            dead_letters=(DeadLetter(1, "x", "", "x", ("p1",)),),
            holds=(Hold(2, ("p1",)), Hold(3, ("p1", "p2")), Hold(4, ("p2",))),
        )
    )
    assert state.releasable() == ()
    state.commit(Batch(5, (outcome(5, "action"), outcome(1)), solved=(1,)))
    assert state.releasable() == (2,)
    state.commit(Batch(5, (outcome(2),), freed=(2,)))
    assert state.releasable() == (3,)
    state.commit(Batch(5, (outcome(3),), freed=(3,)))
    assert state.releasable(1) == (4,)


def test_maps_are_kept_by_their_hash(open_state: OpenState) -> None:
    state = open_state()
    state.commit(Batch(1, (outcome(1),), maps=(("h1", b"content"),)))
    state.commit(Batch(2, (outcome(2),), maps=(("h1", b"content"), ("h2", b"other"))))
    assert (state.map("h1"), state.map("h2"), state.map("h3")) == (b"content", b"other", None)


def test_outcomes_are_found_by_what_is_known_of_them(open_state: OpenState) -> None:
    state = open_state()
    state.commit(Batch(3, (replace(outcome(1), terms=(b"t" * 16,)), outcome(2), outcome(3))))
    assert [one.entry for one in state.find()] == [3, 2, 1]
    assert [one.entry for one in state.find(term=b"t" * 16)] == [1]
    assert [one.entry for one in state.find(control_id=b"ID2")] == [2]
    assert [one.entry for one in state.find(since=T0 + 2)] == [3, 2]
    assert [one.entry for one in state.find(since=T0 + 2, until=T0 + 2)] == [2]
    assert state.find(control_id=b"ID2", until=T0 + 1) == ()
    found = state.outcome(2)
    assert found is not None
    assert (found.status, found.map_hash, found.sha256) == ("settled", "map1", entry(2).sha256)


def test_a_batch_that_does_not_hold_together_changes_nothing(open_state: OpenState) -> None:
    state = open_state()
    state.commit(settled(1, [record(1, 1)]))
    with pytest.raises(PipelineError):
        state.commit(Batch(2, (outcome(2),), records=(record(2, 2), record(99, 3))))
    with pytest.raises(PipelineError):
        state.commit(Batch(2, (outcome(2),), dead_letters=(DeadLetter(98, "x", "", "x"),)))
    assert (state.cursor(), state.outcome(2), state.current("Observation", "o2")) == (1, None, None)
    assert state.commit(settled(2, [record(2, 2)])).first == 1


def test_merges_are_stored(open_state: OpenState) -> None:
    state = open_state()
    made = state.commit(Batch(1, (outcome(1),), records=(record(1, 1, op="merged"),), merges=(Merge("p1", "p2", 1),)))
    assert made.size == 1


def test_everything_is_there_after_opening_again(open_state: OpenState) -> None:
    state = open_state()
    state.commit(batch_of(1, 10))
    before = (state.cursor(), state.current("Observation", "o1000"), state.body(3), state.clock("adt", 99))
    state = open_state()
    assert (state.cursor(), state.current("Observation", "o1000"), state.body(3), state.clock("adt", 99)) == before
    assert state.commit(batch_of(11, 1)).first == 20


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_leaves_do_not_depend_on_how_entries_are_batched(open_state: OpenState, sizes: list[int]) -> None:
    """Settling the journal anew must lead to the same tree, whatever the batches were."""
    state = open_state()
    start = state.cursor() + 1
    total = sum(sizes)
    seq = start
    for size in sizes:
        made = state.commit(batch_of(seq, size))
        seq += size
    assert (made.size, state.cursor()) == ((start - 1 + total) * 2, start - 1 + total)
