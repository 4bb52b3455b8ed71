"""Message structure from message code and trigger event (HL7 v2 Table 0354): MSH-9.3 is often absent or wrong."""

from __future__ import annotations

import re
from functools import lru_cache

from adapters.hl7v2 import dictionary

# Structure -> events that use it besides its own (ADT_A01: A01). Order matters: the first that the message's version
# has is taken, so A31 is ADT_A05 from v2.4 and ADT_A01 before.
_TABLE_0354 = {
    "ADT_A05": "A14 A28 A31",
    "ADT_A01": "A04 A08 A13 A05 A14 A28 A31",
    "ADT_A06": "A07",
    "ADT_A09": "A10 A11",
    "ADT_A21": "A22 A23 A25 A26 A27 A29 A32 A33",
    "ADT_A30": "A34 A35 A36 A46 A47 A48 A49",
    "ADT_A39": "A40 A41 A42",
    "ADT_A43": "A44 A49",
    "ADT_A50": "A51",
    "ADT_A52": "A53",
    "ADT_A54": "A55",
    "ADT_A61": "A62",
    "CCR_I16": "I17 I18",
    "CRM_C01": "C02 C03 C04 C05 C06 C07 C08",
    "CSU_C09": "C10 C11 C12",
    "LSU_U12": "U13",
    "MDM_T01": "T03 T05 T07 T09 T11",
    "MDM_T02": "T04 T06 T08 T10",
    "MFK_M01": "M02 M03 M04 M05 M06 M07 M08 M09 M10 M11 M12 M13 M14 M15",
    "MFQ_M01": "M02 M03 M04 M05 M06",
    "MFR_M01": "M02 M03",
    "ORU_R30": "R31 R32",
    "PEX_P07": "P08",
    "PGL_PC6": "PC7 PC8",
    "PMU_B01": "B02",
    "PMU_B04": "B05 B06",
    "PPG_PCG": "PCC PCH PCJ",
    "PPP_PCB": "PCD",
    "PPR_PC1": "PC2 PC3",
    "QBP_Q21": "Q22 Q23 Q24 Q25",
    "QCN_J01": "J02",
    "QRY_PC4": "PC9 PCE PCK",
    "QRY_Q01": "Q26 Q27 Q28 Q29 Q30",
    "RDE_O11": "O25",
    "REF_I12": "I13 I14 I15",
    "RPA_I08": "I09 I10 I11",
    "RPI_I01": "I04",
    "RQA_I08": "I09 I10 I11",
    "RQC_I05": "I06",
    "RQI_I01": "I02 I03 I07",
    "RRE_O12": "O26",
    "RRI_I12": "I13 I14 I15",
    "RSP_K23": "K24",
    "SDR_S31": "S36",
    "SDR_S32": "S37",
    "SIU_S12": "S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26 S27",
    "SLR_S28": "S29 S30 S34 S35",
    "SRM_S01": "S02 S03 S04 S05 S06 S07 S08 S09 S10 S11",
    "SRR_S01": "S02 S03 S04 S05 S06 S07 S08 S09 S10 S11",
    "TCU_U10": "U11",
}


@lru_cache(maxsize=1)
def _by_event() -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for structure, events in _TABLE_0354.items():
        code, _, own = structure.partition("_")
        for event in (own, *events.split()):
            found[code, event] = (*found.get((code, event), ()), structure)
    return found


@lru_cache(maxsize=4096)
def derive(version: str, code: str, event: str, given: str) -> tuple[str, bool]:
    """The message's structure ('' if unknown) and whether MSH-9.3 as given may stand (an empty one may).

    `version` is one of the dictionary's. MSH-9.3 is believed where it is one of those that the event uses, or where the
    table doesn't know the event and the dictionaries know the structure.
    """
    if code == "ACK":
        return "ACK", given in ("", "ACK")
    usual = (*_by_event().get((code, event), ()), f"{code}_{event}")
    here = [name for name in usual if dictionary.has_structure(version, name)]
    anywhere = here or [name for name in usual if dictionary.structure(version, name)]
    if anywhere:
        return (given, True) if given in anywhere else (anywhere[0], not given)
    if given and dictionary.structure(version, given):
        return given, True
    shaped = re.fullmatch(r"[A-Z]{3}(_[A-Z0-9]{3})?", given)
    return (given, False) if shaped else ("", not given)
