"""Code tables of the v2-to-FHIR guide: its vocabulary CSVs and our review -> mappings/tables/*.csv.

    python -m tools.guide_tables FOLDER_OF_GUIDE_CSVS

FOLDER holds `codesystems/HL7 Concept Map_ NAME - Sheet1.csv`. The review (tools/guide_tables_review.csv) adds,
replaces or removes rows, each with a reason; it is applied after the guide, so that the guide can be updated without
losing a decision.
Rows of the guide without a target stay as known codes without a target. Rows without a source code are dropped: they
only list the FHIR value set; for languages alone (BCP 47 on both sides) the target doubles as the source.
"""

import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import mappings

ROOT = Path(__file__).resolve().parent.parent
REVIEW = ROOT / "tools" / "guide_tables_review.csv"
TABLES = Path(mappings.__file__).parent / "tables"
V2 = "http://terminology.hl7.org/CodeSystem/v2-"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: our name, the guide's name, the HL7 table of the source codes, what a miss does."""

    name: str
    guide: str
    source: str  # four digits of the HL7 table, '' where the source is no v2 table
    miss: str


TABLE_LIST = (
    Table("AddressType", "AddressType[Type]", "0190", "none"),
    Table("AddressUse", "AddressType[Use]", "0190", "none"),
    Table("AdministrativeSex", "AdministrativeSex", "0001", "error"),
    Table("AdmissionType", "AdmissionType", "0007", "keep"),
    Table("AllergenType", "AllergenType[AllergyIntoleranceOriginalCategory]", "0127", "keep"),
    Table("AllergyCategory", "AllergenType[AllergyIntoleranceCategory]", "0127", "none"),
    Table("AllergyCriticality", "AllergySeverity[AllergyIntolerance.criticality]", "0128", "none"),
    Table("AllergyCriticalityOriginal", "AllergySeverity[AllergyIntolerance.criticality-original]", "0128", "keep"),
    Table("AllergyReactionSeverity", "AllergySeverity[AllergyIntolerance.reaction.severity]", "0128", "none"),
    Table("AllergyType", "AllergyType", "0127", "none"),
    Table("AmbulatoryStatus", "AmbulatoryStatus", "0009", "keep"),
    Table("BedStatus", "BedStatus", "0116", "keep"),
    Table("ConfidentialityClassification", "ConfidentialityClassification", "", "keep"),
    Table("ContactRole", "ContactRole", "0131", "keep"),
    Table("CountryCode", "CountryCode", "0399", "keep"),
    Table("DegreeLicenseCertificate", "DegreeLicenseCertificate", "0360", "keep"),
    Table("DiagnosisType", "DiagnosisType", "0052", "keep"),
    Table("DietType", "DietType", "0114", "keep"),
    Table("DischargeDisposition", "DischargeDisposition", "0112", "keep"),
    Table("DischargedToLocation", "DischargedToLocation", "0113", "keep"),
    Table("EncounterClass", "PatientClass[EncounterClass]", "0004", "keep"),
    Table("EncounterPriority", "EncounterPriority", "0217", "keep"),
    Table("EncounterStatus", "PatientClass[EncounterStatus]", "0004", "unknown"),
    Table("EventReason", "EventReason", "0062", "keep"),
    Table("FinancialClass", "FinancialClass", "0064", "keep"),
    Table("HospitalService", "HospitalService", "0069", "keep"),
    Table("IdentifierType", "IdentifierType", "0203", "keep"),
    Table("LivingWillCode", "LivingWillCode", "0315", "keep"),
    Table("MaritalStatus", "MaritalStatus", "0002", "keep"),
    Table("ModeOfArrivalCode", "ModeOfArrivalCode", "0430", "keep"),
    Table("NameAssemblyOrder", "NameAssemblyOrder", "0444", "none"),
    Table("NameUse", "NameType", "0200", "none"),
    Table("PrimaryLanguage", "PrimaryLanguage", "0296", "keep"),
    Table("MessageLanguage", "PrincipalLanguageOfMessage", "", "none"),
    Table("ProcessingID", "ProcessingID", "0103", "keep"),
    Table("ProcessingMode", "ProcessingMode", "0207", "keep"),
    Table("ReadmissionIndicator", "ReadmissionIndicator", "0092", "keep"),
    Table("Relationship", "Relationship", "0063", "keep"),
    Table("Religion", "Religion", "0006", "keep"),
    Table("SecurityHandling", "SecurityLabelHandlingInstructions", "", "keep"),
    Table("TelecomSystem", "TelecommunicationEquipmentType", "0202", "none"),
    Table("TelecomUse", "TelecommunicationUseCode", "0201", "none"),
    Table("UniversalIDType", "UniversalIDType", "0301", "keep"),
    Table("VIPIndicator", "VIPIndicator", "0099", "keep"),
    Table("AdditivePreservative", "AdditivePreservative", "0371", "keep"),
    Table("BodySite", "BodySite", "0163", "keep"),
    Table("CommentType", "CommentType", "0364", "keep"),
    Table("ConfidentialityCode", "ConfidentialityCode", "0177", "keep"),
    Table("DiagnosticServiceSectionID", "DiagnosticServiceSectionID", "0074", "keep"),
    Table("InterpretationCodes", "InterpretationCodes", "0078", "keep"),
    Table("NatureOfAbnormalTesting", "NatureOfAbnormalTesting", "0080", "keep"),
    Table("OrderType", "OrderType", "0482", "keep"),
    Table("SpecimenCollectionMethod", "SpecimenCollectionMethod", "0488", "keep"),
    Table("SpecimenCondition", "SpecimenCondition", "0493", "keep"),
    Table("SpecimenType", "SpecimenType", "0487", "keep"),
)
TARGET_IS_SOURCE = {"PrimaryLanguage", "MessageLanguage"}

Row = tuple[str, str, str, str]  # code, target, system, display


def guide_rows(text: Iterable[str], target_is_source: bool) -> list[Row]:
    """Rows of one concept map; columns: 0 code, 6 target, then display and system."""
    rows: list[Row] = []
    system = ""
    for cells in list(csv.reader(text))[2:]:
        cell = [" ".join(each.split()) for each in cells] + [""] * 10
        code, target = cell[0], cell[6]
        # the columns after the target shift: 8 display, 9 system; or 7 display, 8 system; or 7 display, 9 system
        named = next((text for text in cell[7:10] if text.startswith(("http", "urn:"))), "")
        display = next((text for text in (cell[8], cell[7]) if text and text != named), "")
        system = named or system  # languages name it in their first row only
        if not code and target_is_source:
            code = target
        if code:
            rows.append((code, target, system if target else "", display if target else ""))
    return rows


def reviewed(rows: list[Row], review: list[dict[str, str]]) -> list[Row]:
    """The guide's rows with our decisions: `set` replaces all rows of a code (or adds), `drop` removes them."""
    decided = {line["code"] for line in review}
    kept = [row for row in rows if row[0] not in decided]
    added = [(r["code"], r["target"], r["system"], r["display"]) for r in review if r["action"] == "set"]
    return sorted(kept + added)


def table_text(table: Table, rows: list[Row]) -> str:
    """The CSV file with its two header lines."""
    lines = [f"# guide: {table.guide}, reviewed in tools/guide_tables_review.csv; written by tools/guide_tables.py"]
    if table.source:
        lines.append(f"# source: {V2}{table.source}")
    lines.append(f"# policy: miss={table.miss}")
    lines.append("code,target,system,display")
    for row in rows:
        lines.append(",".join(quoted(cell) for cell in row))
    return "\n".join(lines) + "\n"


def quoted(cell: str) -> str:
    """A CSV cell, quoted only where it must be."""
    return '"' + cell.replace('"', '""') + '"' if any(c in cell for c in ',"#') else cell


def tables(guide: Path) -> dict[str, str]:
    """File name -> text of every table."""
    with REVIEW.open(encoding="utf-8", newline="") as file:
        review = list(csv.DictReader(line for line in file if not line.startswith("#")))
    unknown = {line["table"] for line in review} - {table.name for table in TABLE_LIST}
    if unknown:
        raise SystemExit(f"review names tables that do not exist: {sorted(unknown)}")
    texts = {}
    for table in TABLE_LIST:
        path = guide / "codesystems" / f"HL7 Concept Map_ {table.guide} - Sheet1.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = guide_rows(file, table.name in TARGET_IS_SOURCE)
        mine = [line for line in review if line["table"] == table.name]
        texts[f"{table.name}.csv"] = table_text(table, reviewed(rows, mine))
    return texts


def main() -> None:
    """Write every table."""
    for name, text in tables(Path(sys.argv[1])).items():
        (TABLES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
