"""Negation, mood and status: one test per cell, the verdicts listed in guard_cells.csv."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mappings.cda.cda import C, document, mapped, resources, section

CELLS = Path(__file__).with_name("guard_cells.csv")
CODE = '<code code="80146002" codeSystem="2.16.840.1.113883.6.96"/>'
VALUE = '<value xsi:type="CD" code="38341003" codeSystem="2.16.840.1.113883.6.96"/>'
TIME = '<effectiveTime value="20250101"/>'
PRODUCT = f"<consumable><manufacturedProduct><manufacturedMaterial>{CODE}</manufacturedMaterial></manufacturedProduct></consumable>"
SUBSTANCE = f'<participant typeCode="CSM"><participantRole><playingEntity>{CODE}</playingEntity></participantRole></participant>'
# guard → element, template, what stands inside, resource
KINDS = {
    "Allergy": ("observation", f"{C}7", VALUE + SUBSTANCE, "AllergyIntolerance"),
    "Problem": ("observation", f"{C}4", CODE + VALUE, "Condition"),
    "Medication": ("substanceAdministration", f"{C}16", PRODUCT, "MedicationRequest"),
    "Immunization": ("substanceAdministration", f"{C}52", TIME + PRODUCT, "Immunization"),
    "Procedure": ("procedure", f"{C}14", CODE, "Procedure"),
    "ProcedureAct": ("act", f"{C}12", CODE, "Procedure"),
    "ProcedureObservation": ("observation", f"{C}13", CODE, "Procedure"),
    "Observation": ("observation", f"{C}2", CODE + VALUE, "Observation"),
    "Report": ("organizer", f"{C}1", CODE, "DiagnosticReport"),
    "Encounter": ("encounter", f"{C}49", CODE, "Encounter"),
    "Note": ("act", f"{C}202", f'{CODE}<text mediaType="text/plain">words</text>', "DocumentReference"),
}
MOODS = ("", "EVN", "INT", "RQO", "PRMS", "PRP", "GOL", "DEF", "ARQ", "APT", "OPT", "EVN.CRT")
NEGATIONS = ("", "false", "true", "yes")
STATUSES = (
    "",
    "active",
    "completed",
    "aborted",
    "cancelled",
    "held",
    "suspended",
    "new",
    "nullified",
    "obsolete",
    "bogus",
)


def statement(kind: str, mood: str, negation: str, status: str) -> bytes:
    element, template, inside, _ = KINDS[kind]
    attributes = (f' moodCode="{mood}"' if mood else "") + (f' negationInd="{negation}"' if negation else "")
    code = f'<statusCode code="{status}"/>' if status else ""
    return document(
        section(f'<{element}{attributes}><templateId root="{template}"/>{code}{inside}</{element}>', loinc="1-8")
    )


def verdict(kind: str, data: bytes) -> str:
    """What was made: nothing, or the elements that say whether it happened."""
    found = resources(data, KINDS[kind][3])
    if not found:
        return "-"
    (made,) = found
    parts = [str(made[name]) for name in ("status", "docStatus") if name in made]
    parts += ["doNotPerform"] if made.get("doNotPerform") else []
    for name in ("verificationStatus", "clinicalStatus"):
        parts += [coding["code"] for coding in made.get(name, {}).get("coding", ())]
    return " ".join(parts) or "made"


def cells() -> list[tuple[str, str, str, str]]:
    return list(product(KINDS, MOODS, NEGATIONS, STATUSES))


def read_cells() -> dict[tuple[str, str, str, str], str]:
    """Expected verdicts: rows name lists and `*`; the first that fits counts."""
    with CELLS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for cell in cells():
        for row in rows:
            wanted = (row["kind"], row["mood"], row["negation"], row["status"])
            if all(text == "*" or (value or "-") in text.split("|") for value, text in zip(cell, wanted, strict=True)):
                found[cell] = row["verdict"]
                break
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_cell(kind: str) -> None:
    expected = read_cells()
    wrong = {}
    for cell in cells():
        if cell[0] == kind:
            found = verdict(kind, statement(*cell))
            if found != expected[cell]:
                wrong[cell] = (found, expected[cell])
    assert not wrong


POSITIVE = {"completed", "final", "finished", "in-progress", "active", "current", "made", "current final"}


def test_the_table_itself_is_safe() -> None:
    """Whatever the table says: no cell that is negated, not an event or without a good status is a positive fact."""
    for (kind, mood, negation, _), found in read_cells().items():
        if kind == "Medication" and negation == "true":
            assert found == "-" or "doNotPerform" in found or found == "entered-in-error"
        elif negation in ("true", "yes"):
            assert found not in POSITIVE, (kind, mood, negation)
        if mood not in ("", "EVN") and not (kind == "Medication" and mood in ("INT", "RQO")):
            assert found == "-", (kind, mood)


def test_a_refusal_is_said_and_its_leaves_are_residue() -> None:
    outcome = mapped(statement("Procedure", "INT", "", "active"))
    assert any("no Procedure is made" in issue.text for issue in outcome.issues)
    assert {reason for path, reason in outcome.residue if "/procedure[1]" in path} == {"set-aside"}


def test_statements_about_somebody_else_make_nothing() -> None:
    subject = '<subject><relatedSubject classCode="PRS"><code code="FTH"/></relatedSubject></subject>'
    for kind, (element, template, inside, type_) in KINDS.items():
        text = f'<{element} moodCode="EVN"><templateId root="{template}"/><statusCode code="completed"/>{subject}{inside}</{element}>'
        assert not resources(document(section(text, loinc="1-8")), type_), kind


ANY_ACT = st.sampled_from(sorted({kind[0] for kind in KINDS.values()} | {"supply"}))


@st.composite
def nested(draw: st.DrawFn, depth: int = 0) -> str:
    """Statements in statements, of any class with any template; the innermost ones are negated."""
    element = draw(ANY_ACT)
    template = draw(
        st.sampled_from(
            [kind[1] for kind in KINDS.values()] + [f"{C}{n}" for n in (3, 9, 19, 20, 26, 27, 28, 30, 80, 147)]
        )
    )
    negated = depth > 0 and draw(st.booleans())
    inside = f"{CODE}{TIME}{VALUE.replace('38341003', 'NEGATED' if negated else '38341003')}"
    if depth < 3:
        link = draw(st.sampled_from(["SUBJ", "MFST", "RSON", "COMP", "REFR"]))
        tag = "component" if element == "organizer" else "entryRelationship"
        inner = "".join(draw(st.lists(nested(depth + 1), max_size=2))).replace(
            CODE, CODE.replace("80146002", "NEGATED") if negated else CODE
        )
        inside += f'<{tag} typeCode="{link}">{inner}</{tag}>' if inner else ""
    if negated:
        inside = inside.replace("80146002", "NEGATED").replace("38341003", "NEGATED")
    return f'<{element} moodCode="EVN"{" negationInd=" + chr(34) + "true" + chr(34) if negated else ""}><templateId root="{template}"/><statusCode code="completed"/>{inside}</{element}>'


_SAFE = ("not-done", "entered-in-error")


@given(nested())
def test_no_negated_statement_is_a_positive_fact_however_it_is_nested(text: str) -> None:
    for made in resources(document(section(text))):
        if made["resourceType"] in ("Composition", "Provenance") or "NEGATED" not in str(
            {k: v for k, v in made.items() if k != "text"}
        ):
            continue
        assert _denied(made), made


def _denied(made: dict[str, Any]) -> bool:
    codes = [coding["code"] for coding in made.get("verificationStatus", {}).get("coding", ())]
    return made.get("status") in _SAFE or bool(made.get("doNotPerform")) or "refuted" in codes
