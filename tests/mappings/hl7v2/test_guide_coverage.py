"""Every row of the v2-to-FHIR guide for our segments is executed by a row of ours or excused (mappings.md, "Tests")."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import mappings
from mappings.engine.library import base_library, effective_library
from tools import guide_coverage as coverage

ROOT = Path(mappings.__file__).parents[1]
EXCUSED_AT_MOST = 15
"""May only shrink."""

# The guide's targets by the names of our rows; Bundle is written by mappings/bundle.py.
_MADE_ELSEWHERE = {"Bundle"}
# One Encounter.location says what the guide's Basic of type EncounterHistory (an R5 type) says.
_TARGETS = {"Basic": "Encounter"}


@pytest.fixture(scope="module")
def guide(shared_data: Path) -> Path:
    return shared_data / "hl7v2" / "ig-csv"


@cache
def _our_rows() -> dict[str, list[coverage.OurRow]]:
    found: dict[str, list[coverage.OurRow]] = {}
    for row in coverage.our_rows():
        found.setdefault(row.name, []).append(row)
    for row in coverage.our_rows(effective_library(["us"])):
        found.setdefault(f"overlays/us/{row.name}", []).append(row)
    return found


def test_every_row_of_the_guide_is_named_once(guide: Path) -> None:
    """Executed or excused, never both, never neither, and no line for a row that the guide no longer has."""
    named = Counter(coverage.key(line) for name in ("executed", "excused") for line in coverage.named(name))
    rows = Counter(row.identity for row in coverage.guide_rows(guide))
    assert sorted(rows - named) == [], "rows of the guide without a line"
    assert sorted(named - rows) == [], "lines without a row of the guide, or twice"


def test_excused_rows_are_few_and_have_a_listed_reason(guide: Path) -> None:
    excused = coverage.named("excused")
    assert {line["reason"] for line in excused} <= coverage.REASONS
    assert all(line["why"] for line in excused)
    assert len(excused) <= EXCUSED_AT_MOST
    assert len(excused) <= 0.05 * len(coverage.guide_rows(guide))


def test_every_rule_exists() -> None:
    """A rule is a row of a map, or a module of ours that writes it."""
    missing = []
    for line in coverage.named("executed"):
        rule = line["rule"]
        if rule not in _our_rows() and not ("#" not in rule and rule and (ROOT / rule).exists()):
            missing.append((*coverage.key(line), rule))
    assert missing == []


def test_every_rule_reads_the_field_of_its_row(guide: Path) -> None:
    """The row that is said to execute PID-5 reads PID-5 (or is the constant of its segment)."""
    rows = {row.identity: row for row in coverage.guide_rows(guide)}
    wrong = []
    for line in coverage.named("executed"):
        row = rows[coverage.key(line)]
        ours = _our_rows().get(line["rule"], [])
        # an inner resource that is made of the whole segment reads it all; a constant belongs to its segment
        whole = {row.field.split("-")[0]} if any(line["rule"].endswith(f":{row.field[:3]}") for _ in ours) else set()
        fields = {field for our in ours for field in our.fields}
        if ours and "-" in row.field and not ({row.field} | whole) & fields and not _constant(ours):
            wrong.append((*row.identity, line["rule"]))
    assert wrong == []


def _constant(ours: list[coverage.OurRow]) -> bool:
    return all(our.fields <= {our.segment} for our in ours)


@pytest.mark.parametrize("message", coverage.MESSAGES)
def test_every_row_of_the_message_tables_makes_its_resource(guide: Path, message: str) -> None:
    """For each segment and target of the guide's message table our message map has a row that makes or fills it."""
    library = base_library()
    ours = library.messages[message]
    types = {row.label: row.make for row in ours.rows if row.label} | {"provenance": "Provenance"}
    done = set()
    for row in ours.rows:
        target = row.make or types.get(row.into or "")
        for name in row.by:
            done.add((library.segment_map(name).source, target))
            inner = {each.emit for each in coverage.flat(library.segment_map(name).rows) if each.emit}
            done |= {(library.segment_map(name).source, each) for each in inner}
    done |= {("MSH", "Encounter") for event in library.events if event.on == "Encounter"}
    missing = []
    for wanted in coverage.message_rows(guide):
        target = wanted.target.split("[")[0].split(".")[0].split("(")[0].strip()
        target = _TARGETS.get(target, target)
        if wanted.message != message or target in _MADE_ELSEWHERE or (wanted.segment, target) in done:
            continue
        missing.append((wanted.line, wanted.segment, wanted.target, wanted.table))
    assert missing == []
