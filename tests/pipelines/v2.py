"""HL7 v2 messages for tests of the journey, synthetic and small."""

from __future__ import annotations

from uuid import UUID

from pipelines.channels import Channel
from pipelines.mapper import MapperConfig

NAMESPACE = UUID("5b0cf0a4-7d1c-4f35-9d0e-3a1c8f0e7a11")
BASE = "https://tabellion.invalid/fhir"
CHANNELS = {
    "adt": Channel("adt", zone="Europe/Zurich"),
    "lab": Channel("lab", zone="Europe/Zurich"),
    "tests": Channel("tests", zone="Europe/Zurich", processing_ids=("T",)),
}
CONFIG = MapperConfig(CHANNELS, NAMESPACE, BASE)


def message(
    type_: str, time: str, *segments: str, control_id: str = "C1", app: str = "HIS", processing: str = "P"
) -> bytes:
    header = f"MSH|^~\\&|{app}|NORTHTEST|TAB|HIE|{time}||{type_}|{control_id}|{processing}|2.5.1"
    return "\r".join([header, *segments]).encode()


def pid(
    number: str = "4711001", *, family: str = "ZZTEST", birth: str = "19700312", sex: str = "F", home: str = ""
) -> str:
    return f"PID|1||{number}^^^NORTHTEST^MR||{family}^ANNA^^^^^L||{birth}|{sex}|||||{home}"


def adt(event: str, time: str, *segments: str, control_id: str = "C1", recorded: str = "") -> bytes:
    structure = {"A08": "A01", "A04": "A01", "A13": "A01", "A28": "A05", "A31": "A05", "A11": "A09", "A40": "A39"}
    type_ = f"ADT^{event}^ADT_{structure.get(event, event)}"
    return message(type_, time, f"EVN|{event}|{recorded or time}", *segments, control_id=control_id)


def visit(number: str = "V-1", *, kind: str = "I", discharged: str = "") -> str:
    return (
        f"PV1|1|{kind}|3W^301^A^NORTHTEST"
        + "|" * 16
        + f"{number}^^^NORTHTEST^VN"
        + "|" * 25
        + f"20260301080000|{discharged}"
    )


def oru(
    time: str, *results: tuple[str, str, str], patient: str = "", order: str = "1", control_id: str = "C1"
) -> bytes:
    """Results as (code, value, status)."""
    obx = [
        f"OBX|{n}|NM|{code}^Test^LN||{value}|mg/dL^mg/dL^UCUM|70-99|{'H' if value > '5' else ''}|||{status}"
        for n, (code, value, status) in enumerate(results, 1)
    ]
    obr = f"OBR|1|ORD-{order}^HIS|FIL-{order}^LAB|24323-8^Panel^LN|||{time}" + "|" * 15 + f"{time}||CH|F"
    orc = f"ORC|RE|ORD-{order}^HIS|FIL-{order}^LAB"
    return message("ORU^R01^ORU_R01", time, patient or pid(), orc, obr, *obx, control_id=control_id, app="LAB")
