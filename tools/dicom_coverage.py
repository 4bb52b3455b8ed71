"""Writes the coverage part of docs/dicom.md from the map files: `python -m tools.dicom_coverage [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.dicom import tag_of
from mappings.engine.yamlfile import read

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "dicom.md"
HEADING = "## Coverage"


def coverage(maps: Path) -> Iterator[str]:
    """The lines of the coverage part."""
    yield HEADING
    yield ""
    yield "Made from the map files by `python -m tools.dicom_coverage`; a test compares. Elements that no row names are"
    yield "residue, but for those at the end."
    study = _read(maps / "study.yaml")
    for level, prefix in (("study", ""), ("series", "series."), ("instance", "series.instance.")):
        yield ""
        yield f"### ImagingStudy, {level}"
        yield from _table(study[level], prefix, folded=level == "study")
    for path in sorted((maps / "resources").glob("*.yaml")):
        yield ""
        yield f"### {path.stem}"
        yield from _table(_read(path)["rows"], "")
    yield ""
    yield "### Content of structured reports"
    yield ""
    content = _read(maps / "content.yaml")
    for name, text in (("conclusions", "conclusion"), ("groups", "results with members"), ("context", "context")):
        yield f"- {text}: {', '.join(f'`{each}`' for each in content[name])}"
    yield ""
    yield "### Left out on purpose"
    yield ""
    for pattern, reason in _read(maps / "excused.yaml").items():
        yield f"- `{pattern}`: {reason}"


def _table(rows: list[Any], prefix: str, folded: bool = False) -> Iterator[str]:
    yield ""
    yield "| element | from | fold |" if folded else "| element | from |"
    yield "|---|---|---|" if folded else "|---|---|"
    for row in rows:
        for number, each in enumerate(row.get("first", [row])):
            element = each.get("to") or f"extension {each['extension'].rsplit('/', 1)[-1]}"
            source = _source(each) + (" (if the one above has none)" if number else "")
            yield f"| {prefix}{element} | {source} |" + (f" {each.get('fold', '')} |" if folded else "")


def _source(row: Any) -> str:
    if "link" in row:
        return f"the {row['link']} made"
    if "from" not in row:
        return "fixed"
    if row["from"] == ".":
        return f"several, by {row['as']}"
    sources = row["from"] if isinstance(row["from"], list) else [row["from"]]
    return ", ".join(_named(source) for source in sources)


def _named(source: str) -> str:
    tag = tag_of(source.rsplit(".", 1)[-1])
    return f"{source} ({tag >> 16:04X},{tag & 0xFFFF:04X})" if tag else source


def _read(path: Path) -> Any:
    return read(path.read_bytes(), path.name)


def main(arguments: list[str]) -> int:
    """Write the part, or say whether it is as it would be written."""
    text = DOCUMENT.read_text(encoding="utf-8")
    wanted = text[: text.index(HEADING)] + "\n".join(coverage(ROOT / "mappings" / "dicom" / "maps")) + "\n"
    if "--check" in arguments:
        return int(text != wanted)
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
