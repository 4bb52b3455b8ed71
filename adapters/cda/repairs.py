"""Repairs of text before it is parsed: what senders of CDA leave out though XML asks for it. Each is reported.

Nothing is repaired that would change what a document says.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from adapters.hl7v2 import Issue

__all__ = ["DECLARATION", "repaired"]

DECLARATION = re.compile(r"<\?xml\s[^>]*\?>")
# XML 1.0, 2.2: not allowed in any document, not even as a character reference. NUL stays, so that the parser refuses
# it: text full of it is in another encoding than we think.
_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SKIPPED = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_ROOT = re.compile(r"<[^\s/>!?]+")
_PREFIXES = (
    ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
    ("sdtc", "urn:hl7-org:sdtc"),
    ("voc", "urn:hl7-org:v3/voc"),
)


def repaired(text: str) -> tuple[str, list[Issue]]:
    """The text as a parser takes it, and what was done to it."""
    issues: list[Issue] = []
    for repair in _REPAIRS:
        text, found = repair(text)
        if found:
            issues.append(Issue("warning", "structure", None, None, found))
    return text, issues


def _start(text: str) -> tuple[str, str]:
    stripped = text.lstrip("\ufeff \t\r\n")
    before = text[: len(text) - len(stripped)].strip("\ufeff")
    blanks = bool(before) and stripped.startswith("<?xml")
    return stripped, "white space before the XML declaration was left out" if blanks else ""


def _controls(text: str) -> tuple[str, str]:
    if _CONTROL.search(text) is None:
        return text, ""
    return _CONTROL.sub("", text), "control characters that XML forbids were left out"


def _prefixes(text: str) -> tuple[str, str]:
    missing = [(name, uri) for name, uri in _PREFIXES if f"{name}:" in text and f"xmlns:{name}" not in text]
    used = [(name, uri) for name, uri in missing if re.search(rf"[<\s/]{name}:[A-Za-z]", text)]
    match = _ROOT.match(text, _SKIPPED.match(text).end()) if used else None  # type: ignore[union-attr] # it matches ''
    if match is None:
        return text, ""
    added = "".join(f' xmlns:{name}="{uri}"' for name, uri in used)
    names = " and ".join(name for name, _ in used)
    return (
        f"{text[: match.end()]}{added}{text[match.end() :]}",
        f"the namespace prefix {names} is used but not declared",
    )


_REPAIRS: tuple[Callable[[str], tuple[str, str]], ...] = (_start, _controls, _prefixes)
