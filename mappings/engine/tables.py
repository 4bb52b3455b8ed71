"""Code tables (mappings/tables/*.csv): a code, its targets, and what a miss does."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

from mappings.errors import MapError

__all__ = ["Table", "Target", "read_table"]

_COLUMNS = ("code", "target", "system", "display")


@dataclass(frozen=True, slots=True)
class Target:
    """One translation."""

    code: str
    system: str
    display: str
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `miss`: keep, text, error, none, or a code. `source`: system of the codes translated."""

    file: str
    name: str
    miss: str
    miss_line: int
    source: str
    rows: Mapping[str, tuple[Target, ...]]
    folded: Mapping[str, tuple[Target, ...]]  # upper-case codes, where no other row differs only in case

    def find(self, code: str) -> tuple[Target, ...] | None:
        """The translations, () for a known code without one, None for a miss."""
        found = self.rows.get(code)
        return self.folded.get(code.strip().upper()) if found is None else found


def read_table(data: str, file: str, name: str) -> Table:
    """The table in a CSV file. Raises MapError."""
    lines = data.splitlines()
    facts: dict[str, tuple[str, int]] = {}
    start = 0
    while start < len(lines) and lines[start].startswith("#"):
        key, _, value = lines[start][1:].partition(":")
        facts[key.strip()] = (value.strip(), start + 1)
        start += 1
    reader = csv.DictReader(lines[start:])
    if reader.fieldnames is None or not {"code", "target"} <= set(reader.fieldnames):
        raise MapError(file, start + 1, "a table has the columns code,target,system,display")
    rows: dict[str, list[Target]] = {}
    for row in reader:
        line = start + reader.line_num
        if row["code"] is None or row["target"] is None:
            raise MapError(file, line, "a row has a code and a target")
        found = rows.setdefault(row["code"], [])
        if row["target"]:
            found.append(Target(row["target"], row.get("system") or "", row.get("display") or "", line))
    policy, line = facts.get("policy", ("miss=keep", 1))
    miss = policy.partition("miss=")[2].split()[0] if "miss=" in policy else ""
    if not miss:
        raise MapError(file, line, "policy is `miss=keep|text|error|none|<code>`")
    frozen = {code: tuple(targets) for code, targets in rows.items()}
    folded: dict[str, tuple[Target, ...]] = {}
    for code, targets in frozen.items():
        if folded.setdefault(code.upper(), targets) != targets:
            folded[code.upper()] = frozen.get(code.upper(), folded[code.upper()])
    return Table(file, name, miss, line, facts.get("source", ("", 0))[0], frozen, folded)
