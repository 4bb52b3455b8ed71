"""Writes the coverage part of docs/hl7v2.md from the map files: `python -m tools.hl7v2_coverage [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "hl7v2.md"
HEADING = "## What is mapped\n"


def load(path: Path) -> Any:
    """A map file as plain text values."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def coverage(maps: Path) -> Iterator[str]:
    """The lines of the coverage part."""
    yield HEADING.rstrip()
    yield ""
    yield "Made from the map files by `python -m tools.hl7v2_coverage`; a test compares. Fields that no row names"
    yield "become residue, message by message; `tabellion convert --report` lists them."
    for path in sorted((maps / "messages").glob("[A-Z]*.yaml")):
        table = load(path)
        structures = table["message"] if isinstance(table["message"], list) else [table["message"]]
        yield ""
        yield f"### {', '.join(structures)}"
        yield ""
        yield "| segment | becomes | fields with a row |"
        yield "|---|---|---|"
        rows: dict[tuple[str, str], list[str]] = {}
        for row in table["rows"]:
            for name in row.get("by", []):
                segment, _, _ = name.partition("-")
                target = load(maps / "segments" / f"{name}.yaml")["segment"].split("->")[1].strip()
                rows.setdefault((segment, target), []).append(name)
        for (segment, target), names in sorted(rows.items()):
            fields = sorted({field for name in names for field in _fields(maps, name, segment)})
            numbers = ", ".join(str(number) for number in fields)
            yield f"| {segment} | {target} | {numbers} |"
    yield ""
    yield "### Where we deviate from the guide, for safety"
    yield ""
    yield "| what we do | why |"
    yield "|---|---|"
    for row in load(maps / "safety.yaml")["deviations"]:
        yield f"| {_plain(row['does'])} | {_plain(row['reason'])} |"
    yield ""
    yield "### Options of a channel (`options` in its table)"
    yield ""
    yield "| option | values (default first) | meaning |"
    yield "|---|---|---|"
    for name, option in sorted(load(maps / "options.yaml")["options"].items()):
        others = [value for value in option["values"] if value != option["default"]]
        values = ", ".join(f"`{value}`" for value in [option["default"], *others])
        yield f"| `{name}` | {values} | {_plain(option['text'])} |"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _fields(maps: Path, name: str, segment: str) -> Iterator[int]:
    """Field numbers of a segment that a segment map reads."""
    for text in _texts(load(maps / "segments" / f"{name}.yaml")):
        head, _, rest = text.partition("-")
        number = rest.partition(".")[0]
        if head == segment and number.isdigit():
            yield int(number)


def _texts(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in ("when", "excused", "key"):
                yield from _texts(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, key)
    elif key in ("from", "switch", "and"):
        yield value


def main(arguments: list[str]) -> int:
    """Write the document, or with --check say whether it is up to date."""
    text = DOCUMENT.read_text(encoding="utf-8")
    wanted = text[: text.index(HEADING)] + "\n".join(coverage(ROOT / "mappings" / "hl7v2")) + "\n"
    if "--check" in arguments:
        if text != wanted:
            print("docs/hl7v2.md is behind the maps: run python -m tools.hl7v2_coverage", file=sys.stderr)
        return int(text != wanted)
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
