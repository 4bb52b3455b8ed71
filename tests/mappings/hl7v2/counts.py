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

from adapters.hl7v2 import Message
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


def owed(message: Message) -> Counter[tuple[str, str]]:
    """(segment, resource) -> how many."""
    found: Counter[tuple[str, str]] = Counter()
    for segment in message.segments:
        if segment.name in MADE:
            found[segment.name, MADE[segment.name]] += 1
        elif segment.name == "OBX" and len(segment.fields) > 5 and segment.fields[5].strip("~"):
            embedded = segment.fields[2].strip() in ("ED", "RP")
            found["OBX", "DocumentReference" if embedded else "Observation"] += 1
    return found


def made(message: Message, mapped: Mapped) -> Counter[tuple[str, str]]:
    """(segment, resource) -> how many; an OBX without OBX-5 makes an Observation too, which owes nothing."""
    types = Counter(change.type for change in mapped.changes)
    found = Counter({(name, kind): types[kind] for name, kind in MADE.items()})
    found["OBX", "DocumentReference"] = types["DocumentReference"]
    empty = sum(
        segment.name == "OBX" and not (len(segment.fields) > 5 and segment.fields[5].strip("~"))
        for segment in message.segments
    )
    found["OBX", "Observation"] = types["Observation"] - empty
    return found


def differences(found: Iterator[tuple[str, Message]]) -> Iterator[Difference]:
    """Every count that does not hold."""
    for name, message in found:
        if message.code not in MAPPED:
            continue
        mapped = effective().map(message, MapSettings(PUBLISHED_NAMESPACE))
        due, got = owed(message), made(message, mapped)
        for key in sorted(due.keys() | {each for each in got if got[each]}):
            if due[key] != got[key]:
                yield Difference(name, *key, str(due[key]), str(got[key]), reason(message, mapped, key[1]))


def reason(message: Message, mapped: Mapped, kind: str) -> str:
    """Which of the allowed reasons holds; '' if none does."""
    if message.first("PID") is None:
        return "no PID"
    texts = [issue.text for issue in mapped.issues if issue.text.startswith(kind)]
    if any("code" in text for text in texts):
        return "no code"
    return "set aside" if texts else ""


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
