"""Writes the coverage of the CDA maps at the end of docs/cda.md.

python -m tools.cda_coverage            # rewrite it
python -m tools.cda_coverage --check    # exit 1 if it is not up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from mappings.cda import CdaMap, load

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "cda.md"
_HEAD = "## Coverage, from the maps\n"


def coverage(maps: CdaMap) -> Iterator[str]:
    """The lines of the section."""
    files = maps.library.files
    statements = files["statements.yaml"]
    yield _HEAD.rstrip()
    yield ""
    yield "Made by `python -m tools.cda_coverage` from `mappings/cda`; a test compares."
    yield ""
    yield "### Statements"
    yield ""
    yield "| statement | template (root, any version) | becomes | guard |"
    yield "|---|---|---|---|"
    for row in statements["statements"]:
        roots = row["template"] if isinstance(row["template"], list) else [row["template"]]
        shown = ", ".join(root.replace("2.16.840.1.113883.10.20.22.4.", "….") for root in roots)
        yield f"| {row['name']} | {shown} | {_becomes(maps, row)} | {_guard(maps, row)} |"
    yield ""
    yield "`…` stands for 2.16.840.1.113883.10.20.22.4. Without a template that is known:"
    yield ""
    yield "| by | becomes | guard |"
    yield "|---|---|---|"
    for row in statements["fallbacks"]:
        yield f"| {row['name']} | {_becomes(maps, row)} | {_guard(maps, row)} |"
    table = maps.library.table(statements["codes"]["table"])
    count = len(table.rows) if table is not None else 0
    name = f"data element code, {count} of WS 363 (tables/DataElements.csv)"
    yield f"| {name} | Observation, Condition | Observation, Problem |"
    yield ""
    yield "### Maps"
    yield ""
    yield "| folder | maps | rows |"
    yield "|---|---|---|"
    for folder in ("documents", "sections", "parties", "entries", "datatypes"):
        names = [name for name in files if name.startswith(f"{folder}/")]
        rows = sum(_count(files[name].get("rows", ())) for name in names)
        yield f"| {folder} | {len(names)} | {rows} |"
    tables = [name for name in files if name.startswith("tables/")]
    codes = sum(len(found.rows) for name in tables if (found := maps.library.table(Path(name).stem)) is not None)
    yield f"| tables | {len(tables)} | {codes} codes |"
    yield ""
    yield "### Where we leave the guide, and why"
    yield ""
    yield "| what we do | reason |"
    yield "|---|---|"
    for row in files["safety.yaml"]["deviations"]:
        yield f"| {row['does']} | {row['reason']} |"


def _count(rows: object) -> int:
    if not isinstance(rows, (list, tuple)):
        return 0
    return sum(_count(row["first"]) if "first" in row else 1 for row in rows)


def _becomes(maps: CdaMap, row: dict[str, object]) -> str:
    if "emit" not in row:
        return "nothing itself; the statements inside"
    return ", ".join(sorted({plan.kind for plan in maps.shop.plan(str(row["emit"])).leaves()}))


def _guard(maps: CdaMap, row: dict[str, object]) -> str:
    if "emit" not in row:
        return str(row["guard"])
    return ", ".join(sorted({plan.map.guard for plan in maps.shop.plan(str(row["emit"])).leaves()}))


def main(arguments: list[str]) -> int:
    text = DOCUMENT.read_text(encoding="utf-8")
    made = text.partition(_HEAD)[0] + "\n".join(coverage(load())) + "\n"
    if "--check" in arguments:
        return int(made != text)
    DOCUMENT.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
