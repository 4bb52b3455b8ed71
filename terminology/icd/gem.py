"""General Equivalence Mappings (CMS/NCHS, "GEMs documentation and user's guide"): ICD-9-CM ↔ ICD-10-CM diagnoses.

A row: source, target, five flags. approximate: not quite the same; no map: nothing fits; combination: the row's target
counts only with one of every other choice list of its scenario. Rows without combination are alternatives.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from terminology.decision import UNKNOWN, Alternative, Decision, Target
from terminology.errors import SourceError
from terminology.packs import Pack
from terminology.source import Request, built, decoded, lines
from terminology.systems import ICD9CM, ICD10CM, written

__all__ = ["GemRow", "build_gem", "decide", "read", "rows"]

APPROXIMATE, NO_MAP, COMBINATION = 1, 2, 4
_LIMIT = 10_000  # combinations spelled out of one source code; the largest of the real files has far fewer
_CSV = (
    ["icd9cm", "icd10cm", "flags", "approximate", "no_map", "combination", "scenario", "choice_list"],
    ["icd10cm", "icd9cm", "flags", "approximate", "no_map", "combination", "scenario", "choice_list"],
)
_TEXT = re.compile(r"([0-9A-Z]{3,7}) +([0-9A-Za-z]{3,7}) +([01])([01])([01])([0-9])([0-9])")
LICENCE = (
    "US Government work (CMS and NCHS), in the public domain. ICD-10 is owned by the WHO; ICD-10-CM is published with"
    " its permission for use in the United States: elsewhere the WHO's terms may apply."
)


@dataclass(frozen=True, slots=True)
class GemRow:
    """One row. `flags`: sum of APPROXIMATE, NO_MAP, COMBINATION; `scenario`, `choice`: 0 without combination."""

    target: str
    flags: int
    scenario: int
    choice: int


def read(text: str) -> tuple[str, Iterator[tuple[str, GemRow]]]:
    """('9to10' or '10to9', rows in order): CMS's own text (`0010  A000    00000`) or NBER's CSV."""
    first = text.split("\n", 1)[0].rstrip("\r")
    header = first.replace('"', "").split(",")
    if header in _CSV:
        return ("9to10" if header == _CSV[0] else "10to9"), _from_csv(text)
    match = _TEXT.fullmatch(first.strip())
    if match is None:
        raise SourceError("neither GEM text nor GEM CSV", 1)
    # ICD-10-CM begins with a letter and a digit and has another first line: A000; ICD-9-CM's is 0010
    return ("9to10" if match[1][0].isdigit() else "10to9"), _from_text(text)


def _from_csv(text: str) -> Iterator[tuple[str, GemRow]]:
    reader = csv.reader(text.splitlines())
    next(reader)
    try:
        for row in reader:
            if len(row) != 8:
                raise SourceError("not 8 columns", reader.line_num)
            yield _row(row[0], row[1], "".join(row[3:]), reader.line_num)
    except csv.Error as error:
        raise SourceError(f"not CSV: {error}", reader.line_num) from error


def _from_text(text: str) -> Iterator[tuple[str, GemRow]]:
    for number, line in lines(text):
        match = _TEXT.fullmatch(line.strip())
        if match is None:
            raise SourceError("not a GEM row", number)
        yield _row(match[1], match[2], "".join(match.groups()[2:]), number)


def _row(source: str, target: str, flags: str, line: int) -> tuple[str, GemRow]:
    if not re.fullmatch(r"[01]{3}[0-9]{2}", flags):
        raise SourceError("flags are not five digits, the first three 0 or 1", line)
    if not re.fullmatch(r"[0-9A-Z]{3,7}", source) or not re.fullmatch(r"[0-9A-Z]{3,7}|NoDx|NoPCS", target):
        raise SourceError("not an ICD code", line)
    bits = sum(bit for bit, flag in zip((APPROXIMATE, NO_MAP, COMBINATION), flags, strict=False) if flag == "1")
    scenario, choice = int(flags[3]), int(flags[4])
    if bool(bits & COMBINATION) != bool(scenario and choice):
        raise SourceError("combination, scenario and choice list contradict each other", line)
    return source, GemRow("" if bits & NO_MAP else target, bits, scenario, choice)


def build_gem(request: Request) -> list[Path]:
    """One pack."""
    data = request.read()
    direction, found = read(decoded(data))
    system, target = (ICD9CM, ICD10CM) if direction == "9to10" else (ICD10CM, ICD9CM)
    with request.builder("gem") as pack:
        pack.add("gem", _numbered(found, system, target))
        return built(
            request,
            pack,
            data,
            system=system,
            target=target,
            title=f"GEMs {'ICD-9-CM to ICD-10-CM' if direction == '9to10' else 'ICD-10-CM to ICD-9-CM'}",
            licence=LICENCE,
        )


def _numbered(found: Iterable[tuple[str, GemRow]], system: str, target: str) -> Iterator[tuple[str | int, ...]]:
    counts: dict[str, int] = {}
    for source, row in found:
        place = counts[source] = counts.get(source, 0) + 1
        code = written(target, row.target) if row.target else ""
        yield written(system, source), place, code, row.flags, row.scenario, row.choice


def rows(pack: Pack, source: str) -> list[GemRow]:
    """The rows of a source code, in the file's order."""
    found = pack.rows("SELECT target, flags, scenario, choice FROM gem WHERE source=? ORDER BY place", (source,))
    return [GemRow(str(target), _int(flags), _int(scenario), _int(choice)) for target, flags, scenario, choice in found]


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def decide(found: Sequence[GemRow]) -> Decision:
    """One alternative: translated, or a combination if it has several codes. More: ambiguous. None: no target."""
    if not found:
        return UNKNOWN
    usable = [row for row in found if not row.flags & NO_MAP]
    if not usable:
        return Decision("no-target")
    clusters = list(itertools.islice(_clusters(usable), _LIMIT + 1))
    if len(clusters) > 1:
        notes = (f"only the first {_LIMIT} alternatives are listed",) if len(clusters) > _LIMIT else ()
        shown = tuple(Alternative(tuple(row.target for row in cluster)) for cluster in clusters[:_LIMIT])
        return Decision("ambiguous", alternatives=shown, notes=notes)
    (cluster,) = clusters
    approximate = any(row.flags & APPROXIMATE for row in cluster)
    # of a combination each single code says less than the source: it means more cases
    equivalence = "wider" if len(cluster) > 1 else "inexact" if approximate else "equivalent"
    targets = tuple(Target(row.target, equivalence) for row in cluster)
    return Decision("translated" if len(targets) == 1 else "combination", targets, approximate=approximate)


def _clusters(found: Sequence[GemRow]) -> Iterator[tuple[GemRow, ...]]:
    """Every way to say the source: rows alone, and per scenario one row of each choice list."""
    yield from ((row,) for row in found if not row.flags & COMBINATION)
    scenarios: dict[int, dict[int, list[GemRow]]] = {}
    for row in found:
        if row.flags & COMBINATION:
            scenarios.setdefault(row.scenario, {}).setdefault(row.choice, []).append(row)
    for _, choices in sorted(scenarios.items()):
        yield from itertools.product(*(choices[number] for number in sorted(choices)))
