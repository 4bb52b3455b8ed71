"""The report for people: a line per unit, then a line of sums."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from gateway.conversion.converter import Line

__all__ = ["Table"]

_FORMAT = "{:<8} {:<22} {:>9} {:>8} {:>8} {:>7}  {}"


class Table:
    """Prints as lines come; `end` prints the sums."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._statuses: Counter[str] = Counter()
        self._leaves: Counter[str] = Counter()

    def row(self, line: Line) -> None:
        """One unit."""
        if not self._statuses:
            self._print("status", "type", "resources", "mapped", "residue", "issues", "source")
        status = str(line["status"])
        self._statuses[status] += 1
        leaves = line["leaves"] if isinstance(line["leaves"], dict) else {}
        self._leaves.update(leaves)
        resources = sum(line["resources"].values()) if isinstance(line["resources"], dict) else ""
        issues = len(line["issues"]) if isinstance(line["issues"], list) else 0
        place = str(line["source"]) if line["index"] is None else f"{line['source']} [{line['index']}]"
        kind = str(line["type"] or line["format"] or "-")
        self._print(status, kind, resources, leaves.get("mapped", ""), leaves.get("residue", ""), issues or "", place)
        if status == "failed" and isinstance(line["issues"], list):
            for issue in line["issues"]:
                print(f"         {issue['text']}", file=self._out)

    def end(self) -> None:
        """The sums."""
        if self._statuses:
            parts = [f"{count} {status}" for status, count in sorted(self._statuses.items())]
            leaves = [f"{count} {name}" for name, count in self._leaves.items() if count]
            print("\n" + ", ".join(parts) + (f"; leaves: {', '.join(leaves)}" if leaves else ""), file=self._out)

    def _print(self, *cells: object) -> None:
        print(_FORMAT.format(*map(str, cells)), file=self._out)
