"""Unique markers in every attribute and text of the sample documents: each is in the Bundle, or its path is said.

Never neither (mappings.md, "Tests that keep it honest"). What chooses a rule stays as it is: templates, classes, moods,
statuses, types, nullFlavors, references and IDs, codes of CDA's own; these are found among what is excused or mapped.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from adapters.cda import Document, Node, read
from mappings import bundle, cda
from tests.mappings.cda.cda import SETTINGS

_KEPT = frozenset(
    [
        "classCode",
        "moodCode",
        "typeCode",
        "negationInd",
        "inversionInd",
        "xsi:type",
        "nullFlavor",
        "ID",
        "mediaType",
        "representation",
        "use",
        "qualifier",
        "styleCode",
        "href",
        "listType",
        "width",
        "border",
        "colspan",
        "operator",
        "determinerCode",
        "contextConductionInd",
        "xsi:schemaLocation",
        "codeSystem",
        "codeSystemName",
        "inclusive",
        "unit",
        "currency",
        "institutionSpecified",
    ]
)
_FIXED = frozenset(
    {
        "templateId",
        "typeId",
        "realmCode",
        "statusCode",
        "signatureCode",
        "versionNumber",
        "languageCode",
        "preferenceInd",
    }
)
_TIME = re.compile(r"(?:19|20)[0-9]{6}([0-9]{2,6}(?:[+-][0-9]{4})?)?")
SAMPLES = sorted((Path(__file__).resolve().parents[3] / "sample_data" / "cda").glob("*.xml"))


def marker(node: Node, name: str, text: str, number: int) -> tuple[str, tuple[str, ...]] | None:
    """(what stands in the document, how it may stand in the Bundle); None for what stays."""
    if name in _KEPT or node.name in _FIXED or node.name == "reference":
        return None
    if node.name.endswith("text") and node.attrs.get("representation") == "B64":
        data = base64.b64encode(f"ZZMARK{number:05}".encode()).decode()
        return data, (data,)
    if name == "root":
        return f"1.2.7777.{number}", (f"1.2.7777.{number}",)
    stamp = _TIME.fullmatch(text)
    if stamp is not None and name == "value":
        year, month, day = 1901 + number // 336, number // 28 % 12 + 1, number % 28 + 1
        return f"{year}{month:02}{day:02}{stamp[1] or ''}", (f"{year}-{month:02}-{day:02}",)
    if name == "value" and re.fullmatch(r"[0-9.]+", text):
        return f"{70000 + number}", (f"{70000 + number}",)
    if name == "value" and ":" in text:
        return f"{text.partition(':')[0]}:ZZM{number:05}", (f"ZZM{number:05}",)
    if name == "value":
        return None
    return f"ZZM{number:05}", (f"ZZM{number:05}",)


def marked(document: Document) -> tuple[Document, dict[str, tuple[str, ...]]]:
    """The document with markers, and path → how the marker may stand in the Bundle."""
    places = {}
    for leaf in range(document.leaf_count()):
        node = document.owners[leaf]
        names = list(node.attrs)
        at = leaf - node.leaf
        name = names[at] if 0 <= at < len(names) else ""
        made = marker(node, name, document.value(leaf), leaf + 1)
        if made is None:
            continue
        places[document.path(leaf)] = made[1]
        if name:
            node.attrs[name] = made[0]
        else:
            node.runs = [(before, made[0] if number == leaf else text, number) for before, text, number in node.runs]
    return document, places


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_marker_is_in_the_bundle_or_said(path: Path) -> None:
    document, places = marked(read(path.read_bytes()))
    outcome = cda.load().map(document, SETTINGS)
    made = bundle(outcome, SETTINGS.base).decode()
    said = {place for place, _ in (*outcome.residue, *outcome.excused)}
    lost = {
        place: forms for place, forms in places.items() if place not in said and not any(form in made for form in forms)
    }
    assert not lost
    assert len(places) > 60


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_leaf_is_in_one_place(path: Path) -> None:
    document = read(path.read_bytes())
    outcome = cda.load().map(document, SETTINGS)
    assert sum(outcome.leaves) == document.leaf_count()
    said = [place for place, _ in (*outcome.residue, *outcome.excused)]
    assert len(set(said)) == len(said) == outcome.leaves[2] + outcome.leaves[3]
