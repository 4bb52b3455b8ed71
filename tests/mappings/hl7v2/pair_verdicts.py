"""Who is right where a ReportStream pair and we differ, and why. What no rule explains is `unexplained`."""

from __future__ import annotations


def verdict(pair: str, element: str, theirs: set[str], ours: set[str]) -> tuple[str, str]:
    """(`ours`, `theirs` or `both`; the reason) of one element."""
    return "", "unexplained"
