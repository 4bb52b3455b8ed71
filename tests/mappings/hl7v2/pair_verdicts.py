"""Who is right where a ReportStream pair and we differ, and why: the rules of pair_verdicts.csv.

A rule names elements by a pattern and says who has a value there (`theirs`, `ours`, `both`, `any`). The first that fits
counts, so what is special stands above what is general. What no rule explains is `unexplained`, and a test fails.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

Rule = tuple[re.Pattern[str], str, str, str]


@cache
def rules() -> tuple[Rule, ...]:
    """(element pattern, case, who is right, reason) in order."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return tuple((re.compile(row["element"]), row["case"], row["right"], row["reason"]) for row in rows)


def verdict(element: str, theirs: set[str], ours: set[str]) -> tuple[str, str]:
    """(`ours`, `theirs` or `both`; the reason) of one element."""
    case = "theirs" if not ours else "ours" if not theirs else "both"
    for pattern, wanted, right, reason in rules():
        if wanted in ("any", case) and pattern.fullmatch(element):
            return right, reason
    return "", "unexplained"
