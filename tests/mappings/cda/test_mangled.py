"""Documents with pieces taken out, doubled, moved and garbled: one bad entry costs itself, never the document."""

from __future__ import annotations

import copy
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.cda import CdaError, read
from adapters.fhir import decode, validate_bundle
from mappings import bundle, cda
from tests.mappings.cda.cda import SETTINGS

SAMPLES = [
    path.read_bytes() for path in sorted((Path(__file__).resolve().parents[3] / "sample_data" / "cda").glob("*.xml"))
]
VALUES = [
    "",
    "x",
    " ",
    "0",
    "-1",
    "1e5",
    "9" * 20,
    "2026",
    "20261301",
    "20260101000000+9900",
    "a b",
    '<>&"',
    "é中",
    "\u00a0",
    "true",
    "urn:x",
    "http://x y",
    "#x",
    "1.2.",
    "nullified",
    "UNK",
    "A" * 300,
    "javascript:x",
]
TYPES = [
    "PQ",
    "CD",
    "ST",
    "IVL_PQ",
    "IVL_TS",
    "TS",
    "ED",
    "INT",
    "REAL",
    "BL",
    "MO",
    "RTO",
    "SC",
    "PIVL_TS",
    "EIVL_TS",
    "NEW",
    "CO",
    "II",
]
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def mangle(root: Any, chance: Random) -> None:
    """One change somewhere."""
    elements = [each for each in root.iter() if isinstance(each.tag, str) and each.getparent() is not None]
    if not elements:
        return
    one, other = chance.choice(elements), chance.choice(elements)
    what = chance.randrange(7)
    if what == 0:
        one.getparent().remove(one)
    elif what == 1:
        one.getparent().append(copy.deepcopy(one))
    elif what == 2 and one.attrib:
        one.set(chance.choice(list(one.attrib)), chance.choice(VALUES))
    elif what == 3:
        one.attrib.clear()
    elif what == 4:
        one.text = chance.choice(VALUES)
    elif what == 5:
        one.set(*chance.choice([("nullFlavor", "UNK"), ("nullFlavor", "garbage"), (XSI_TYPE, chance.choice(TYPES))]))
    elif one is not other and other not in list(one.iterancestors()):
        other.append(copy.deepcopy(one))


@settings(max_examples=40)
@given(st.sampled_from(SAMPLES), st.integers(1, 40), st.integers(0, 2**32))
def test_any_mangled_document_gives_a_valid_bundle_or_our_error(data: bytes, times: int, seed: int) -> None:
    root, chance = etree.fromstring(data), Random(seed)
    for _ in range(times):
        mangle(root, chance)
    try:
        document = read(etree.tostring(root))
        outcome = cda.load().map(document, SETTINGS)
    except CdaError:
        return
    assert sum(outcome.leaves) == document.leaf_count()
    found = validate_bundle(decode(bundle(outcome, SETTINGS.base)))
    # a code that HL7's system doesn't have is the sender's, and stays as it is
    assert [each for each in found if each.severity == "error" and each.code != "code-invalid"] == []


def test_a_blank_unit_is_no_code() -> None:
    for blank in (b" ", "\u00a0".encode()):
        document = SAMPLES[-2].replace(b'unit="g/dL"', b'unit="' + blank + b'"')
        assert document != SAMPLES[-2]
        found = validate_bundle(decode(bundle(cda.load().map(read(document), SETTINGS), SETTINGS.base)))
        assert [each for each in found if each.severity == "error"] == []


def test_one_bad_entry_never_sinks_its_siblings() -> None:
    """A value in a wrong form is residue with an issue; the rest stands."""
    good = SAMPLES[-2].replace(b'value="13.20"', b'value="13,2O"')
    outcome = cda.load().map(read(good), SETTINGS)
    assert any(issue.severity == "error" and issue.code == "value" for issue in outcome.issues)
    assert [reason for path, reason in outcome.residue if path.endswith("value[1]/@value")] == ["invalid"]
    assert sum(change.type == "Observation" for change in outcome.changes) >= 6
