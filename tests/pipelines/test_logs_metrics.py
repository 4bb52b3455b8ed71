"""Logs and metrics: what stands in them is ours, never a patient's."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pipelines.logs import FIELDS, Log
from pipelines.metrics import MAX_SERIES, Registry, read_snapshots, samples, write_snapshot

CANARY = "ZZCANARY"


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_event_and_fields() -> None:
    stream = io.StringIO()
    Log(stream, clock=lambda: 1.5).warning("mapper.died", entry=7, place="PID[1]-3[1].1.1", sha256=b"\x01\x02")
    assert lines(stream) == [
        {
            "time": "1970-01-01T00:00:01.500Z",
            "level": "warning",
            "event": "mapper.died",
            "entry": 7,
            "place": "PID[1]-3[1].1.1",
            "sha256": "0102",
        }
    ]


def test_levels() -> None:
    stream = io.StringIO()
    log = Log(stream, level="warning")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line["event"] for line in lines(stream)] == ["c", "d"]


@pytest.mark.parametrize("field", sorted(FIELDS.keys() - {"text"}))
@pytest.mark.parametrize("value", [f"{CANARY}^ANNA", f"{CANARY} ANNA", [CANARY], {"name": CANARY}, f"a\n{CANARY}|"])
def test_content_of_messages_does_not_fit_any_field(field: str, value: object) -> None:
    stream = io.StringIO()
    Log(stream).info("x", **{field: value})
    assert CANARY not in stream.getvalue()
    assert lines(stream)[0][field] == "?"


def test_unknown_fields_are_not_written() -> None:
    stream = io.StringIO()
    Log(stream).info("x", family_name=CANARY)
    assert CANARY not in stream.getvalue()


def test_metrics_text() -> None:
    registry = Registry()
    counter = registry.counter("entries_total", "Entries.")
    gauge = registry.gauge("backlog", "Waiting.")
    counter.add(channel="adt", status="settled")
    counter.add(2, status="settled", channel="adt")
    counter.add(channel='a"b\\c\n', status="dead")
    gauge.set(1.5)
    gauge.set(3)
    assert registry.text() == (
        "# HELP tabellion_entries_total Entries.\n"
        "# TYPE tabellion_entries_total counter\n"
        'tabellion_entries_total{channel="a\\"b\\\\c\\n",status="dead"} 1\n'
        'tabellion_entries_total{channel="adt",status="settled"} 3\n'
        "# HELP tabellion_backlog Waiting.\n"
        "# TYPE tabellion_backlog gauge\n"
        "tabellion_backlog 3\n"
    )
    assert samples(registry.text())["tabellion_backlog"] == 3.0


def test_declaring_twice_or_badly_is_an_error() -> None:
    registry = Registry()
    registry.gauge("backlog", "x")
    for name in ("backlog", "Backlog", "1x"):
        with pytest.raises(ValueError, match="metric"):
            registry.gauge(name, "x")
    with pytest.raises(ValueError, match="_total"):
        registry.counter("entries", "x")


def test_series_are_bounded() -> None:
    registry = Registry()
    counter = registry.counter("x_total", "x")
    for number in range(MAX_SERIES + 10):
        counter.add(label=str(number))
    assert len(samples(registry.text())) == MAX_SERIES


def test_snapshots_of_processes_are_joined(tmp_path: Path) -> None:
    assert read_snapshots(tmp_path) == ""
    write_snapshot(tmp_path, "b 1\n")
    write_snapshot(tmp_path, "a 1\n", "publisher")
    write_snapshot(tmp_path, "b 2\n")
    assert read_snapshots(tmp_path) == "a 1\nb 2\n"
    assert (tmp_path / "metrics-writer.prom").stat().st_mode & 0o777 == 0o600
