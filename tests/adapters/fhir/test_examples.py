"""HL7's own package: the committed table is what it says, and each of its 5,306 files gets the pinned verdict."""

from __future__ import annotations

import gzip

from tests.support.fhir import EXAMPLES, fetched
from tools.r4_table import TARGET, build, examined, known


def test_the_table_is_what_the_package_says() -> None:
    fetched()
    assert gzip.decompress(TARGET.read_bytes()) == build(EXAMPLES)


def test_no_example_is_rejected_but_those_that_r4_itself_refuses() -> None:
    fetched()
    verdicts = dict(examined(EXAMPLES))
    assert len(verdicts) == 5306
    rejected = {stem: faults[0] for stem, faults in verdicts.items() if faults}
    assert {stem: fault for stem, fault in rejected.items() if stem not in known()} == {}
    assert known().keys() - rejected.keys() == set()
