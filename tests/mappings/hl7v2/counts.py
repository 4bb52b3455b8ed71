"""The counts rule of mappings.md over all messages at hand: what each segment owes, what came of it.

Each OBX with OBX-5 one Observation (ED, RP one DocumentReference), each OBR one DiagnosticReport, each AL1, DG1, IN1
and NK1 its resource. A message that differs is a line of count_differences.csv.

    python -m tests.mappings.hl7v2.counts DATA      # writes the table
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from adapters.hl7v2 import Message, Segment, leaves, path
from mappings import PUBLISHED_NAMESPACE, EffectiveMap, Mapped, MapSettings, load
from tests.mappings.hl7v2.corpus import messages

DIFFERENCES = Path(__file__).with_name("count_differences.csv")
COLUMNS = ("message", "segment", "resource", "owed", "found", "reason")
REASONS = ("no PID", "no code", "set aside")
MADE = {
    "OBR": "DiagnosticReport",
    "AL1": "AllergyIntolerance",
    "DG1": "Condition",
    "IN1": "Coverage",
    "NK1": "RelatedPerson",
}
KINDS = (*MADE.items(), ("OBX", "Observation"), ("OBX", "DocumentReference"))
BESIDE = (
    ("PV1", 20, ("IN1", "Coverage")),
    ("PD1", 7, ("OBX", "Observation")),
    ("PID", 21, ("NK1", "RelatedPerson")),
    ("IN1", 16, ("NK1", "RelatedPerson")),
)
MAPPED = ("ADT", "ORU")


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One message that makes fewer or more resources than its segments owe."""

    message: str
    segment: str
    resource: str
    owed: str
    found: str
    reason: str


@cache
def effective() -> EffectiveMap:
    """The maps, compiled once."""
    return load()


def filled(segment: Segment, field: int) -> bool:
    """Whether the field says something."""
    return len(segment.fields) > field and bool(segment.fields[field].strip("~^&"))


def owed(message: Message) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """(segment, resource) -> how many there must be, and how many more there may be.

    There may be: the Observation of an OBX without OBX-5; what PV1-20, PD1-7, PID-21 and IN1-16 make of
    the same type.
    """
    must: Counter[tuple[str, str]] = Counter()
    may: Counter[tuple[str, str]] = Counter()
    for segment in message.segments:
        if segment.name in MADE:
            must[segment.name, MADE[segment.name]] += 1
        elif segment.name == "OBX":
            embedded = segment.fields[2:3] in (["ED"], ["RP"])
            kind = "DocumentReference" if embedded else "Observation"
            (must if filled(segment, 5) else may)["OBX", kind] += 1
        for name, field, key in BESIDE:
            if segment.name == name and filled(segment, field):
                may[key] += 1
    return must, may


def differences(found: Iterator[tuple[str, Message]]) -> Iterator[Difference]:
    """Every count that does not hold."""
    for name, message in found:
        if message.code not in MAPPED:
            continue
        mapped = effective().map(message, MapSettings(PUBLISHED_NAMESPACE))
        types = Counter(change.type for change in mapped.changes)
        must, may = owed(message)
        for segment, kind in KINDS:
            due, got = must[segment, kind], types[kind]
            if not due <= got <= due + may[segment, kind]:
                why = reason(message, mapped, segment, kind)
                yield Difference(name, segment, kind, str(due), str(got), why)


def reason(message: Message, mapped: Mapped, name: str, kind: str) -> str:
    """Which of the allowed reasons holds; '' if none does."""
    person = message.first("PID")
    if person is None or not any(filled(person, field) for field in range(2, len(person.fields))):
        return "no PID"
    texts = [issue.text for issue in mapped.issues if f"the {kind} is set aside" in issue.text]
    if any(text.endswith("element code is missing") for text in texts):
        return "no code"
    if texts:
        return "set aside"
    return "set aside" if _all_residue(message, mapped, name) else ""


def _all_residue(message: Message, mapped: Mapped, name: str) -> bool:
    """Whether a segment of this name has nothing that any rule could write."""
    said = {path for path, _ in (*mapped.residue, *mapped.excused)}
    carried = {segment.position: False for segment in message.segments if segment.name == name}
    for position, *where in leaves(message):
        segment = message.segments[position]
        if segment.name == name and path(name, segment.number, *where) not in said:
            carried[position] = True
    return not all(carried.values())


def read_differences() -> list[Difference]:
    """The committed table."""
    with DIFFERENCES.open(encoding="utf-8", newline="") as file:
        return [Difference(**row) for row in csv.DictReader(file)]


def main(arguments: Sequence[str]) -> None:
    """Write the table anew."""
    found = sorted(differences(messages(Path(arguments[0]))))
    with DIFFERENCES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(tuple(getattr(each, name) for name in COLUMNS) for each in found)
    print(f"{len(found)} differences, {sum(not each.reason for each in found)} without a reason")


if __name__ == "__main__":
    main(sys.argv[1:])
