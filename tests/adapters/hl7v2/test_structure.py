"""The structure derived from MSH-9: absent, right, wrong and unknown."""

from __future__ import annotations

import pytest

from adapters.hl7v2 import dictionary
from adapters.hl7v2.structure import derive

ROWS = [
    # version, code, event, given, structure, given may stand
    ("2.5.1", "ADT", "A01", "", "ADT_A01", True),
    ("2.5.1", "ADT", "A01", "ADT_A01", "ADT_A01", True),
    ("2.5.1", "ADT", "A08", "ADT_A08", "ADT_A01", False),
    ("2.1", "ADT", "A08", "", "ADT_A01", True),
    ("2.5.1", "ADT", "A08", "ORU_R01", "ADT_A01", False),
    ("2.5.1", "ADT", "A08", "nonsense", "ADT_A01", False),
    ("2.5.1", "ADT", "A31", "", "ADT_A05", True),
    ("2.4", "ADT", "A31", "", "ADT_A05", True),
    ("2.3", "ADT", "A31", "", "ADT_A01", True),
    ("2.3.1", "ADT", "A28", "ADT_A01", "ADT_A01", True),
    ("2.3", "ADT", "A05", "", "ADT_A01", True),
    ("2.5", "ADT", "A05", "", "ADT_A05", True),
    ("2.6", "ADT", "A40", "ADT_A39", "ADT_A39", True),
    ("2.6", "ADT", "A40", "ADT_A40", "ADT_A39", False),
    ("2.3", "ADT", "A34", "", "ADT_A30", True),
    ("2.5.1", "ADT", "A12", "", "ADT_A12", True),
    ("2.5.1", "ADT", "A11", "", "ADT_A09", True),
    ("2.5.1", "ADT", "A13", "", "ADT_A01", True),
    ("2.3", "ADT", "A23", "", "ADT_A21", True),
    ("2.5.1", "ORU", "R01", "", "ORU_R01", True),
    ("2.3", "RDE", "O01", "", "RDE_O01", True),
    ("2.5.1", "RDE", "O11", "", "RDE_O11", True),
    ("2.5.1", "MDM", "T08", "", "MDM_T02", True),
    ("2.5.1", "SIU", "S26", "", "SIU_S12", True),
    ("2.5.1", "QBP", "Z99", "QBP_Q11", "QBP_Q11", True),
    ("2.5.1", "ACK", "", "", "ACK", True),
    ("2.5.1", "ACK", "A01", "ACK", "ACK", True),
    ("2.5.1", "ACK", "A01", "ADT_A01", "ACK", False),
    ("2.5.1", "CUSTOM", "PAT", "", "", True),
    ("2.5.1", "ZZZ", "Z01", "ZZZ_Z01", "ZZZ_Z01", False),
    ("2.5.1", "ZZZ", "Z01", "some text", "", False),
    ("2.5.1", "ADT", "", "", "", True),
    ("2.5.1", "ADT", "", "ADT_A01", "ADT_A01", True),
]


@pytest.mark.parametrize(("version", "code", "event", "given", "structure", "stands"), ROWS)
def test_derive(version: str, code: str, event: str, given: str, structure: str, stands: bool) -> None:
    assert derive(version, code, event, given) == (structure, stands)


@pytest.mark.parametrize("version", dictionary.VERSIONS)
def test_every_structure_is_reached(version: str) -> None:
    """What a dictionary holds is believed when a message of that event names it."""
    for name in dictionary.load(version).structures:
        code, _, event = name.partition("_")
        structure, _ = derive(version, code, event, name)
        assert dictionary.structure(version, structure) is not None, name
