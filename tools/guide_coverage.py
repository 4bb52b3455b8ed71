"""Which of our rows execute which row of the v2-to-FHIR guide: proposals for mappings/hl7v2/guide/executed*.csv.

    python -m tools.guide_coverage FOLDER_OF_GUIDE_CSVS [--all]

Lists the rows of the guide's segment tables that neither executed.csv nor excused.csv names, with the row of ours that
fits best ('' if none): to be reviewed and appended by hand. In scope are the segment tables that the guide's maps of
the message types in MESSAGES name, for the segments in SEGMENTS.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mappings
from mappings.engine.grammar import EventRow, Row, event_rows, plain
from mappings.engine.library import Library, base_library

_VISIT = ("MSH", "EVN", "SFT", "PID", "PD1", "NK1", "PV1", "PV2", "AL1", "DG1", "IN1", "MRG")
_RESULT = ("ORC", "OBR", "OBX", "NTE", "SPM")
SEGMENTS = frozenset({*_VISIT, *_RESULT})
MESSAGES = ("ADT_A01", "ADT_A02", "ADT_A05", "ADT_A06", "ADT_A09", "ADT_A11", "ORU_R01")
GUIDE = Path(mappings.__file__).parent / "hl7v2" / "guide"
REASONS = frozenset({"contradictory", "invalid R4", "withdrawn", "realm-specific"})


@dataclass(frozen=True, slots=True)
class GuideRow:
    """One row with a FHIR attribute of a segment table."""

    table: str  # PID[Patient]
    line: int  # of the CSV file
    field: str  # PID-5, or the segment's name for what has no field
    attribute: str
    assignment: str

    @property
    def identity(self) -> tuple[str, str, str, str]:
        return self.table, str(self.line), self.field, self.attribute


@dataclass(frozen=True, slots=True)
class OurRow:
    """One row of ours as text: which fields it reads, what it writes."""

    name: str  # segments/PID-Patient.yaml#name:PID-5
    segment: str
    target: str
    fields: frozenset[str]
    writes: str


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One row of a message table: a segment and the resource it makes."""

    message: str
    line: int
    segment: str
    target: str
    table: str


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, cells in enumerate(csv.reader(file), start=1):
            if number > 2:
                yield number, [" ".join(cell.split()) for cell in cells] + [""] * 20


def message_rows(guide: Path) -> list[MessageRow]:
    """Rows of the named message types that make something of one of our segments."""
    found = []
    for message in MESSAGES:
        for line, cell in _cells(guide / "messages" / f"HL7 Message - FHIR R4_ {message} - Sheet1.csv"):
            segment = re.split(r"[.:]", cell[1])[-1].split("[")[0].strip()
            if cell[9] and segment in SEGMENTS:
                found.append(MessageRow(message, line, segment, cell[9], cell[10]))
    return found


def guide_rows(guide: Path) -> list[GuideRow]:
    """Rows with a FHIR attribute of every segment table in scope."""
    wanted = {row.table for row in message_rows(guide)}
    found = []
    for path in sorted((guide / "segments").glob("*.csv")):
        table = re.sub(r"^.*R4_ (.*?) - .*$", r"\1", path.name)
        if table not in wanted:
            continue
        segment = table.split("[")[0]
        for line, cell in _cells(path):
            if cell[9]:
                found.append(GuideRow(table, line, cell[1] or segment, cell[9], cell[16]))
    return found


def our_rows(library: Library | None = None) -> list[OurRow]:
    """Every row of our segment maps and the event table, nested ones too."""
    library = library or base_library()
    found = []
    for name in library.names("segments"):
        segment_map = library.segment_map(name)
        for row in flat(segment_map.rows):
            found.append(_ours(f"segments/{name}.yaml#{row.id}", segment_map.source, segment_map.target, row))
    for event in event_rows(library.files["events.yaml"], "events.yaml"):
        found.append(_event(event))
    return found


def flat(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows and the rows inside them."""
    for row in rows:
        inner = [*row.first, *row.otherwise, *row.fallback, *(each for _, case in row.cases for each in case)]
        if inner:
            yield from flat(inner)
        if not row.first and not row.switch:
            yield row


def _ours(name: str, segment: str, target: str, row: Row) -> OurRow:
    parts: list[Any] = [row.to, row.extension, row.value, row.on, row.emit, row.set_, row.default, row.link, row.table]
    conditions = [part for part in (row.when, row.slot, row.each) if part is not None]
    read = " ".join([*row.source, str(plain(conditions))])
    fields = frozenset(re.findall(r"\b[A-Z][A-Z0-9]{2}-\d+", read)) | ({segment} if not row.source else frozenset())
    if segment in row.source:  # an inner resource that reads the whole segment
        fields |= {segment}
    return OurRow(name, segment, target, fields, str(plain([part for part in parts if part])))


def _event(row: EventRow) -> OurRow:
    return OurRow(f"events.yaml#{row.id}", "MSH", row.on or "", frozenset({"MSH-9"}), str(plain(row.set_ or {})))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z][A-Za-z0-9]+", re.sub(r"\[\d+\]", "", text)))


def fits(guide: GuideRow, ours: OurRow) -> int:
    """How well a row of ours says what the guide's row says; 0 = not at all."""
    segment, target = guide.table.rstrip("]").split("[", 1)
    if guide.field not in ours.fields:
        return 0
    score = 1
    literal = guide.assignment.strip('" ')
    if literal and not literal.startswith("/") and literal in ours.writes:
        score += 4
    score += 2 * len(_words(guide.attribute) & _words(ours.writes))
    score += ours.segment == segment
    score += 2 * (ours.target == target.split("-")[0])
    return score


def proposals(rows: Iterable[GuideRow], ours: list[OurRow]) -> Iterator[tuple[GuideRow, str, int]]:
    """Each row with the best fitting row of ours."""
    for row in rows:
        best = max(ours, key=lambda our: fits(row, our))
        score = fits(row, best)
        yield row, best.name if score >= 4 else "", score


def named(name: str) -> list[dict[str, str]]:
    """The lines of executed*.csv or excused*.csv."""
    found: list[dict[str, str]] = []
    for path in sorted(GUIDE.glob(f"{name}*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += csv.DictReader(line for line in file if not line.startswith("#"))
    return found


def key(line: dict[str, str]) -> tuple[str, str, str, str]:
    return line["table"], line["line"], line["field"], line["attribute"]


def main() -> None:
    """Print what is not named yet, as lines of executed.csv with the score behind."""
    known = {key(line) for name in ("executed", "excused") for line in named(name)}
    if "--all" in sys.argv:
        known = set()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for row, name, score in proposals(guide_rows(Path(sys.argv[1])), our_rows()):
        if row.identity not in known:
            writer.writerow([*row.identity, name, score, row.assignment])


if __name__ == "__main__":
    main()
