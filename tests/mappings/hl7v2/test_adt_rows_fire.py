"""Every row of the visit segments' maps writes something in the golden messages: no row is there only on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapters.hl7v2 import read
from mappings import PUBLISHED_NAMESPACE, MapSettings
from mappings.engine.library import base_library
from tests.mappings.hl7v2 import test_adt_clinical, test_adt_header, test_adt_patient, test_adt_visit
from tests.mappings.hl7v2.adt_message import effective, message, segment
from tools.guide_coverage import flat

SEGMENTS = ("MSH", "EVN", "SFT", "PID", "PD1", "NK1", "PV1", "PV2", "AL1", "DG1", "IN1", "MRG")
_PLACE = re.compile(r"(?:segments)/[\w-]+\.yaml:\d+")


def _messages() -> Iterator[tuple[bytes, dict[str, str]]]:
    """The golden messages of the other modules, and those that a row needs besides."""
    clinical, header, patient, visit = test_adt_clinical, test_adt_header, test_adt_patient, test_adt_visit
    plain = [row[1] for row in (*patient.GOLDEN, *patient.PD1, *patient.NK1, *visit.ROWS, *clinical.ALLERGY)]
    plain += [
        clinical.COVER,
        header.SFT,
        "IN1|1|PPO||TESTCO||||||E7^^^ACME^SN",
        "IN1|1|P||||||||||||||DOE^J|SEL",
        visit.PLACES,
    ]
    plain += [
        segment("PV1", f2="I", f3="W^1^A", f40="K", f20="V01^20240101", f37="H", f53="K", f54="E"),
        "AL1|1|DA|NKDA|||20240101",
    ]
    plain += [
        segment("PID", f1="1", f3="P^^^H", f18="A1", f21="M1", f29="20240101", f30="N"),
        segment("PID", f3="P", f25="1", f24="N"),
    ]
    for text in plain:
        yield message(text), {}
    for text in (*[row[1] for row in patient.CONTACT], "NK1|1||EMR" + "|" * 10 + "ACME" + "|" * 17 + "BOSS|999|3 ST"):
        yield message(text), {"nk1": "both"}
    yield message(*[segment("NK1", f1="1", f2="X", f40="1", f41="2")]), {"nk1": "both"}
    yield message(clinical.AL1), {"al1-4": "severity"}
    yield message(segment("PV1", f2="I", f16="VIP")), {"vip": "patient"}
    yield message(header.SFT), {"software": "source"}
    for row in visit.PV2:
        yield message(visit.pv1(), row[1]), {}
    for row in clinical.CONDITION:
        yield message(clinical.PV1, row[1]), {}
    yield (
        message(
            visit.pv1(f53="K", f54="E"), segment("DG1", f3="X^^^^^^^^text", f4="note", f6="F", f15="1"), event="A01"
        ),
        {},
    )
    yield message(clinical.PV1, segment("DG1", f4="only text")), {}
    yield message(clinical.PV1, segment("DG1", f3="X", f21="D")), {}
    for event in ("A03", "A05", "A08", "A11", "A12", "A13"):
        yield message(visit.PLACES, visit.pv2(f1="R"), event=event), {}
        yield message(visit.pv1(f3="W", f45="20240302"), event=event), {}
    yield message(visit.pv1(f45='""')), {}
    yield message("PID|1||P1^^^H" + "|" * 30 + "20240225|NORTH", event="A31"), {}
    yield message("PID|1||P1^^^H", "MRG|P9^^^H|X|A9|Y|||DOE", event="A40"), {}
    yield message(header=header.msh(f25="NET^1.2.6^ISO")), {}
    yield message(header=header.msh(f3="", f24="NET^9D^CLIA", f25="NET^9D^CLIA")), {}
    yield message(header=header.msh(f5="D^9D^CLIA")), {}
    yield message(segment("IN1", f2="P", f4="CO^^^^^^^^^C7", f16="DOE^J", f43="F")), {}
    yield message(segment("NK1", f1="1", f2="X", f13="ACME^^^^^^^^^77")), {"nk1": "both"}
    for row in header.HEADER:
        yield message(header=row[1]), {}
    yield (
        message(
            header=header.msh(f4="HOSP^1.2.3^ISO", f5="D", f6="R", f17="USA", f22="OWNER", f23="N", f24="A^1.2^ISO")
        ),
        {},
    )
    yield message("EVN|A01|20240302||U", header=header.msh(f7="20240302081500")), {}
    for row in header.EVENTS:
        yield message(row[1].replace("||||||20240303", "|||||20240303")), {}
    yield message("EVN|A01|20240302081500", header=header.msh(f7="20240302081500")), {}


def _fired() -> set[str]:
    found: set[str] = set()
    for body, options in _messages():
        settings = MapSettings(PUBLISHED_NAMESPACE, options=options)
        for line in effective().explain(read(body), settings):
            found.update(_PLACE.findall(line))
    return found


def test_every_row_writes_somewhere() -> None:
    """Rows that read a field; constants and inner resources are tested by what they make."""
    fired = _fired()
    silent = []
    for name in base_library().names("segments"):
        found = base_library().segment_map(name)
        if found.source not in SEGMENTS:
            continue
        for row in flat(found.rows):
            null = "null" in str(row.when)  # only takes away
            if row.source and not row.emit and not null and row.place not in fired:
                silent.append((row.place, row.id))
    assert silent == []
