"""The benchmarks' own arithmetic and inputs; never a timed assertion."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import hl7
import pytest

from adapters.hl7v2 import read
from benchmarks import memory, reading
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.acknowledge.load import Load
from benchmarks.flat import Point, Reading, cost, rows
from benchmarks.measure import Lap, compare, cpu_seconds, median_ratio, percentile, resident
from benchmarks.messages import KINDS, generate
from benchmarks.result import Row, broken, table
from benchmarks.splitting import split


@pytest.mark.parametrize(
    ("kind", "segments", "least", "most"),
    [("small", 3, 200, 400), ("adt", 10, 1400, 1600), ("oru", 19, 1900, 2100), ("large", 29, 2900, 3200)],
)
def test_messages_have_the_stated_shape(kind: str, segments: int, least: int, most: int) -> None:
    for body in generate(kind, 20, seed=3):
        message = read(body)
        assert len(message.segments) == segments
        assert not message.issues
        assert least < len(body) < most


def test_messages_are_distinct_and_reproducible() -> None:
    first, second = generate("mixed", 200, seed=1), generate("mixed", 200, seed=1)
    assert first == second
    assert len(set(first)) == 200
    assert not set(first) & set(generate("mixed", 200, seed=2))


def test_messages_are_numbered_by_control_id() -> None:
    for kind in KINDS:
        names = [body.split(b"|", 10)[9] for body in generate(kind, 3, seed=1, first=7)]
        assert names == [b"B000000007", b"B000000008", b"B000000009"]


def test_mixed_messages_speak_of_people_seen_before() -> None:
    people = [match for body in generate("mixed", 400, seed=1) for match in re.findall(rb"PID\|1\|\|(\d+)", body)]
    assert len(people) == 400
    assert 100 < len(set(people)) < 250


def test_the_floor_splits_as_deep_as_the_peer_parses() -> None:
    text = generate("oru", 1, seed=5)[0].decode()
    ours, theirs = split(text), hl7.parse(text)
    assert ours[5][3] == ["2345-7", "Glucose", "LN"]
    assert str(theirs[5][3][0][0]) == "2345-7"
    spm = next(segment for segment in ours if segment[0] == "SPM")
    assert isinstance(spm[2][0], list)
    assert spm[2][0][1] == "HIS"


def test_ratio_is_taken_per_round() -> None:
    ours = [Lap(10, 1.0, 1.0), Lap(10, 4.0, 4.0), Lap(10, 2.0, 2.0)]
    theirs = [Lap(10, 2.0, 2.0), Lap(10, 8.0, 8.0), Lap(10, 2.0, 2.0)]
    assert median_ratio(ours, theirs) == 2.0
    assert ours[1].per_core == 2.5


def test_compare_gives_everyone_every_round_and_changes_who_begins() -> None:
    seen: list[tuple[str, tuple[bytes, ...]]] = []

    def work(name: str, messages: Sequence[bytes]) -> None:
        seen.append((name, tuple(messages)))

    laps = compare({name: partial(work, name) for name in "ab"}, [[b"1"], [b"2", b"3"]])
    assert seen == [("a", (b"1",)), ("b", (b"1",)), ("b", (b"2", b"3")), ("a", (b"2", b"3"))]
    assert [lap.count for lap in laps["a"]] == [1, 2]


@pytest.mark.parametrize(("share", "found"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentile_is_nearest_rank(share: float, found: int) -> None:
    assert percentile(range(1, 101), share) == found


def test_own_process_has_cpu_time_and_memory() -> None:
    assert cpu_seconds(os.getpid()) > 0
    assert resident(os.getpid()) > 1 << 20


def _row(ratio: float, *, most: bool = False, hard: bool = True, wanted: float | None = 1.0) -> Row:
    return Row("b", ratio, "x", "peer", 1.0, ratio, wanted, most, hard)


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (_row(1.0), True),
        (_row(0.99), False),
        (_row(1.0, most=True), True),
        (_row(1.01, most=True), False),
        (_row(0.1, wanted=None), None),
    ],
)
def test_limits(row: Row, holds: bool | None) -> None:
    assert row.holds is holds


def test_only_hard_limits_fail_the_run() -> None:
    rows = [_row(0.5, hard=False), _row(0.5, wanted=None), _row(2.0)]
    assert broken(rows) == []
    assert broken([*rows, _row(0.5)]) == [_row(0.5)]


def test_table_is_aligned_and_names_what_broke() -> None:
    lines = table([_row(0.5), _row(0.5, hard=False), _row(2.0)]).splitlines()
    assert len(lines) == 4
    assert "BROKEN" in lines[1]
    assert "missed" in lines[2]
    assert "holds" in lines[3]
    assert lines[0].index("compared with") == lines[1].index("peer")


def test_flat_compares_cost_per_message_and_memory() -> None:
    assert cost(Reading(100, 0, 1.0, 2.0), Reading(200, 0, 1.5, 3.0)) == pytest.approx((5000, 10_000))
    small, large = Point(10, 100 << 20, 1000, 900, 13, 1700), Point(100, 111 << 20, 1290, 2000, 13, 1700)
    memory, cpu, wall = rows(small, large, judge_memory=True)
    assert (memory.holds, cpu.holds, wall.holds) == (False, True, None)
    assert rows(small, large, judge_memory=False)[0].holds is None


def test_load_rate_counts_only_what_was_timed() -> None:
    load = Load(8, 500, 600, 2.0, 3000, 1.0, 2.0, 3.0, 0.1)
    assert load.rate == 250
    assert "1.00/2.00/3.00 ms" in load.percentiles


def test_reading_takes_what_all_can_read(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABELLION_TEST_DATA", str(tmp_path))
    (absent,) = reading.run(quick=True)
    assert "shared test data absent" in absent.note
    shutil.copytree(samples / "hl7v2", tmp_path / "hl7v2")
    rows = reading.run(quick=True)
    assert [row.peer for row in rows] == ["python-hl7 parse", "split-only floor"] * 2
    assert all(row.figure > 0 and row.ratio > 0 for row in rows)


def test_memory_of_the_reader_is_looked_at_in_a_process_of_its_own() -> None:
    small, large = memory._reader((100, 200))
    assert 1 << 20 < small <= large * 1.1


def test_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["speed"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in BENCHMARKS)
