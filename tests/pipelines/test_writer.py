"""The writer: the journal becomes records, once, in order, whatever the batches, restarts and repeats."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Unavailable
from pipelines.ports import Batch, Committed
from pipelines.replay import action
from pipelines.state import SqliteState
from tests.pipelines.handmade import KEY, Bench, body, patient

DAY = "2026-03-0{}T00:00:00Z"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def statuses(bench: Bench) -> list[str]:
    return [row[0] for row in bench.rows("SELECT status FROM entry ORDER BY seq")]


def records(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.rows("SELECT seq, type, id, version, op, entry, body, leaf FROM record ORDER BY seq")


def test_messages_become_versions_in_journal_order(bench: Bench) -> None:
    bench.keep(
        "adt",
        body(patient("p", gender="female"), time=DAY.format(1)),
        body(patient("p", gender="female"), time=DAY.format(2)),
        body(patient("p", gender="male"), patient("q", gender="male"), time=DAY.format(3)),
    )
    assert bench.settle() == 3
    assert [row[:6] for row in records(bench)] == [
        (0, "Patient", "p", 1, "create", 1),
        (1, "Patient", "p", 2, "update", 3),
        (2, "Patient", "q", 1, "create", 3),
    ]
    assert bench.rows("SELECT unchanged FROM entry ORDER BY seq") == [(0,), (1,), (0,)]
    assert bench.settle() == 0


def test_batches_restarts_and_slow_mappers_do_not_show(tmp_path: Path) -> None:
    """Leaves are salted with each entry's seed, so the same journal is settled on copies of it."""
    import shutil

    first = Bench(tmp_path / "a")
    bodies = [
        body(
            patient(f"p{n % 3}", **{"gender": "male" if n % 2 else "female", "telecom|PID-13": [{"value": str(n)}]}),
            time=None if n % 5 == 0 else DAY.format(1 + n % 4),
        )
        for n in range(40)
    ]
    for n, data in enumerate(bodies):
        first.keep("adt" if n % 2 else "lab", data)
    copies = []
    for name in "bc":
        shutil.copytree(first.folder.path, tmp_path / name / "data")
        copies.append(Bench.__new__(Bench))
        copies[-1].__dict__.update(first.__dict__)
        copies[-1].folder = type(first.folder)(tmp_path / name / "data")
    first.settle()
    one_by_one, stopping = copies
    one_by_one.settle(batch_records=1)
    stopping.hands.lag = 2
    for _ in range(100):
        with closing(stopping.folder.state()) as state:
            writer = stopping.writer(state, batch_records=3, window_messages=4)
            for _ in range(7):
                writer.poll()
            if writer.cursor == 40:
                break
    stopping.settle()
    assert records(first) == records(one_by_one) == records(stopping)
    assert len(records(first)) > 10


def test_a_stamp_that_moves_after_a_version_in_the_same_batch_is_not_lost(bench: Bench) -> None:
    bench.keep(
        "adt",
        body(patient("p", gender="female"), time=DAY.format(1)),
        body(patient("p", gender="female"), time=DAY.format(5)),
    )
    bench.settle()
    bench.keep("adt", body(patient("p", gender="male"), time=DAY.format(3)))
    bench.settle()
    assert bench.resource("Patient", "p") == {"resourceType": "Patient", "id": "p", "gender": "female"}


def test_a_message_kept_twice_takes_effect_once(bench: Bench) -> None:
    again = body(patient("p", gender="female"))
    bench.keep("adt", again, control_id="same")
    bench.settle()
    bench.keep("adt", body(patient("p", gender="male")))
    copy_past_the_window(bench, 1)
    copy_past_the_window(bench, 1)
    bench.settle()
    assert statuses(bench) == ["settled", "settled", "unchanged", "unchanged"]
    assert bench.resource("Patient", "p") == {"resourceType": "Patient", "id": "p", "gender": "male"}


def copy_past_the_window(bench: Bench, seq: int) -> None:
    """Append the same message again, as after the journal's dedupe window."""
    from pipelines.envelope import Envelope
    from pipelines.journal import JournalSettings

    with closing(bench.folder.journal_reader()) as reader:
        entry = reader.get(seq)
    assert entry is not None
    assert entry.body is not None
    with closing(bench.folder.journal(JournalSettings(dedupe_window=-1))) as journal:
        journal.append(Envelope(entry.channel, entry.format, entry.body, entry.control_id)).result(10)


def test_a_changed_duplicate_is_kept_settled_and_flagged(bench: Bench) -> None:
    bench.keep("adt", body(patient("p", gender="female"), time=DAY.format(1)), control_id="same")
    bench.keep("adt", body(patient("p", gender="male"), time=DAY.format(2)), control_id="same")
    bench.settle()
    assert statuses(bench) == ["settled", "settled"]
    details = [json.loads(row[0]) for row in bench.rows("SELECT detail FROM entry ORDER BY seq")]
    assert [detail.get("changed") for detail in details] == [None, True]
    assert bench.resource("Patient", "p") == {"resourceType": "Patient", "id": "p", "gender": "male"}


def test_a_message_without_time_is_ordered_by_the_clock_of_its_channel(bench: Bench) -> None:
    bench.keep("adt", body(patient("p", birthDate="1970"), time=DAY.format(2)))
    bench.keep("adt", body(patient("p", gender="female")))  # stands at day 2
    bench.settle()
    bench.keep("lab", body(patient("p", gender="male"), time=DAY.format(1), family="ADT"))
    bench.settle()
    resource = bench.resource("Patient", "p")
    assert resource is not None
    assert resource["gender"] == "female"


def test_a_merge_is_stored_and_both_get_a_version(bench: Bench) -> None:
    bench.keep("adt", body(patient("old", gender="female")), body(patient("new"), merges=[("old", "new")]))
    bench.settle()
    assert bench.rows("SELECT retired, surviving, entry FROM merge") == [("old", "new", 2)]
    assert [row[1:5] for row in records(bench)] == [
        ("Patient", "old", 1, "create"),
        ("Patient", "new", 1, "create"),
        ("Patient", "old", 2, "merged"),
    ]


def test_a_failed_message_blocks_nobody_and_is_replayed_at_its_own_place(bench: Bench) -> None:
    bench.keep(
        "adt",
        body(patient("p", gender="male", birthDate="1970"), time=DAY.format(1), fail="bad", patients=["p"]),
        body(patient("p", gender="female"), time=DAY.format(2)),
    )
    bench.settle()
    assert statuses(bench) == ["dead", "settled"]
    with closing(bench.folder.state_reader()) as state:
        (letter,) = state.dead_letters()
        assert (letter.cause, letter.place, letter.attempts) == ("bad", "PID-3.1", 1)
    bench.act(action([1]))
    bench.settle()
    assert statuses(bench) == ["dead", "settled", "action"]
    bench.hands.cured.add("bad")
    seq = bench.act(action([1, 99]))
    bench.settle()
    assert statuses(bench) == ["settled", "settled", "action", "action"]
    tally = json.loads(bench.rows(f"SELECT detail FROM entry WHERE seq={seq}")[0][0])
    assert tally == {"replayed": 1, "failed": 0, "missing": 1, "freed": 0}
    expected = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1970"}
    assert bench.resource("Patient", "p") == expected
    with closing(bench.folder.state_reader()) as state:
        assert state.dead_letters() == ()


def test_wait_holds_later_messages_of_the_patient_until_the_replay(bench: Bench) -> None:
    bench.keep(
        "careful",
        body(patient("p", gender="male"), time=DAY.format(1), fail="bad", patients=["p"]),
        body(patient("p", gender="female"), patient("q"), time=DAY.format(2)),
        body(patient("q", birthDate="1970"), time=DAY.format(3)),  # waits for the one before, which waits for p
        body(patient("r", birthDate="1980"), time=DAY.format(3)),
    )
    bench.settle()
    assert statuses(bench) == ["dead", "held", "held", "settled"]
    assert bench.resource("Patient", "q") is None
    bench.hands.cured.add("bad")
    bench.act(action([1]))
    bench.settle()
    assert statuses(bench) == ["settled", "settled", "settled", "settled", "action"]
    assert bench.resource("Patient", "q") == {"resourceType": "Patient", "id": "q", "birthDate": "1970"}
    with closing(bench.folder.state_reader()) as state:
        assert state.held() == ()
        assert not state.marked(["p", "q"])


def test_wait_has_a_limit(bench: Bench) -> None:
    bench.keep("careful", body(patient("p"), fail="bad", patients=["p"]))
    bench.keep("careful", *(body(patient("p", birthDate=f"197{n}")) for n in range(5)))
    bench.settle()
    assert statuses(bench) == ["dead", "held", "held", "held", "settled", "settled"]


def test_pass_is_the_default(bench: Bench) -> None:
    bench.keep("adt", body(patient("p"), fail="bad", patients=["p"]), body(patient("p", gender="male")))
    bench.settle()
    assert statuses(bench) == ["dead", "settled"]


class CutShort:
    """A state whose commits fail from the n-th on: what a crash at that point leaves behind."""

    def __init__(self, state: SqliteState, commits: int) -> None:
        self._state = state
        self._left = commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def commit(self, batch: Batch) -> Committed:
        if not self._left:
            raise Unavailable("cut short")
        self._left -= 1
        return self._state.commit(batch)


def test_an_action_cut_short_is_finished_by_the_next_writer(bench: Bench) -> None:
    bench.keep(
        "careful",
        body(patient("p", gender="male"), time=DAY.format(1), fail="bad", patients=["p"]),
        *(body(patient("p", birthDate=f"197{n}"), time=DAY.format(2 + n)) for n in range(3)),
    )
    bench.settle()
    bench.hands.cured.add("bad")
    bench.act(action([1]))
    for commits in range(6):
        with closing(bench.folder.state()) as state:
            writer = bench.writer(CutShort(state, commits))  # type: ignore[arg-type]
            try:
                writer.drain()
                break
            except Unavailable:
                continue
    assert statuses(bench) == ["settled", "settled", "settled", "settled", "action"]
    assert bench.resource("Patient", "p") == {
        "resourceType": "Patient",
        "id": "p",
        "gender": "male",
        "birthDate": "1972",
    }


def test_terms_find_entries_and_are_no_plain_hashes(bench: Bench) -> None:
    from hashlib import sha256

    from pipelines.search import term

    bench.keep("adt", body(patient("p", **{"identifier|PID-3": [{"system": "s", "value": " Zz-4711 "}]})))
    bench.settle()
    with closing(bench.folder.state_reader()) as state:
        (found,) = state.find(term=term(KEY, "zz-4711"))
        assert found.entry == 1
        assert state.find(term=term(b"x" * 32, "zz-4711")) == ()
    stored = [row[0] for row in bench.rows("SELECT hash FROM term")]
    assert sha256(b"zz-4711").digest()[:16] not in stored
