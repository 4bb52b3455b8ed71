"""The committed R4 table: whole, unchanged, and saying what the specification says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from adapters.fhir import PRIMITIVES, Definitions, UnknownElement, definitions
from adapters.fhir.definitions import Home
from adapters.fhir.primitives import CODE_RULES

# What tools/r4_table.py prints for hl7.fhir.r4.examples 4.0.1; another hash means another table.
SHA256 = "80a9ba43413f69dfb5b320259d3a22b3b62a9e48933df58a04b5e8fa9bb403ef"


@pytest.fixture
def table() -> Definitions:
    return definitions()


def test_the_table_is_the_one_that_was_made_and_checked(table: Definitions) -> None:
    assert table.source == "hl7.fhir.r4.examples 4.0.1"
    assert table.sha256 == SHA256
    assert (len(table.resources), len(table.primitives), len(table.types)) == (146, 20, 209)


def test_every_name_in_the_table_leads_somewhere(table: Definitions) -> None:
    pending: list[Home] = [(name, "") for name in table.types if not table.is_primitive(name)]
    seen = set(pending)
    elements = 0
    for home in pending:
        for name, element in table.children(home).items():
            elements += 1
            assert set(element.types) <= table.types, (home, name)
            assert set(element.targets) <= table.resources, (home, name)
            assert element.max == 0 or element.min <= element.max
            assert name.endswith("[x]") or len(element.types) == 1
            if element.binding is not None and element.binding.strength == "required":
                allowed = element.binding.allowed
                assert allowed is not None
                assert allowed.codes or allowed.rules, (home, name)
            if element.home is not None and element.home not in seen:
                seen.add(element.home)
                pending.append(element.home)
    assert elements > 8_000


def test_each_primitive_has_a_check_and_each_rule_is_known(table: Definitions) -> None:
    assert set(PRIMITIVES) == set(table.primitives) - {"xhtml"}
    lists = {"currencies", "mimetypes", "ucum-units"}
    rules = {rule for name in lists for rule in table.codes(name).rules}  # type: ignore[union-attr]
    assert rules <= set(CODE_RULES)


# type, path, types, min, max, choice, targets
FACTS: list[tuple[str, str, str, int, int, str, str]] = [
    ("Patient", "id", "id", 0, 1, "", ""),
    ("Patient", "name", "HumanName", 0, 0, "", ""),
    ("Patient", "name.given", "string", 0, 0, "", ""),
    ("Patient", "name.family", "string", 0, 1, "", ""),
    ("Patient", "birthDate", "date", 0, 1, "", ""),
    ("Patient", "_birthDate", "Element", 0, 1, "", ""),
    ("Patient", "_birthDate.extension", "Extension", 0, 0, "", ""),
    ("Patient", "name._given", "Element", 0, 0, "", ""),
    ("Patient", "deceased[x]", "boolean dateTime", 0, 1, "deceased[x]", ""),
    ("Patient", "deceasedDateTime", "dateTime", 0, 1, "deceased[x]", ""),
    ("Patient", "generalPractitioner", "Reference", 0, 0, "", "Organization Practitioner PractitionerRole"),
    ("Patient", "contact.name.given", "string", 0, 0, "", ""),
    ("Patient", "contained", "Resource", 0, 0, "", ""),
    ("Patient", "meta.lastUpdated", "instant", 0, 1, "", ""),
    ("Patient", "text.div", "xhtml", 1, 1, "", ""),
    ("Encounter", "status", "code", 1, 1, "", ""),
    ("Encounter", "class", "Coding", 1, 1, "", ""),
    ("Encounter", "hospitalization.admitSource.coding.code", "code", 0, 1, "", ""),
    ("Encounter", "length.value", "decimal", 0, 1, "", ""),
    ("Observation", "valueQuantity.value", "decimal", 0, 1, "", ""),
    ("Observation", "subject", "Reference", 0, 1, "", "Device Group Location Patient"),
    ("Observation", "component.referenceRange.low.value", "decimal", 0, 1, "", ""),
    ("Condition", "onsetAge.value", "decimal", 0, 1, "", ""),
    ("Provenance", "target", "Reference", 1, 0, "", ""),
    ("Bundle", "entry.link.url", "uri", 1, 1, "", ""),
    ("Questionnaire", "item.item.item.linkId", "string", 1, 1, "", ""),
    ("Extension", "valueReference", "Reference", 0, 1, "value[x]", ""),
    ("Timing", "repeat.boundsPeriod.start", "dateTime", 0, 1, "", ""),
]


@pytest.mark.parametrize(("name", "path", "types", "least", "most", "choice", "targets"), FACTS)
def test_facts_of_the_specification(
    table: Definitions, name: str, path: str, types: str, least: int, most: int, choice: str, targets: str
) -> None:
    element = table.resolve(name, path)
    assert (element.types, element.min, element.max) == (tuple(types.split()), least, most)
    assert (element.choice, element.targets) == (choice, tuple(targets.split()))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Patients", "name"),
        ("Patient", "names"),
        ("Patient", "name.given.x"),
        ("Patient", "_name"),
        ("Patient", "birthDate.value"),
        ("Observation", "value"),
        ("Observation", "valueMoney"),
        ("Observation", "value[x].code"),
        ("Patient", ""),
    ],
)
def test_what_r4_does_not_have_is_named(table: Definitions, name: str, path: str) -> None:
    with pytest.raises(UnknownElement) as caught:
        table.resolve(name, path)
    assert caught.value.path.startswith(name)


def test_steps_tell_where_a_path_repeats(table: Definitions) -> None:
    steps = table.steps("Encounter", "participant.individual.reference")
    assert [step.repeats for step in steps] == [True, False, False]
    assert steps[1].targets == ("Practitioner", "PractitionerRole", "RelatedPerson")


def test_required_codes(table: Definitions) -> None:
    def codes(name: str, path: str) -> set[str]:
        binding = table.resolve(name, path).binding
        assert binding is not None
        assert binding.allowed is not None
        return set(binding.allowed.codes)

    assert codes("Patient", "gender") == {"male", "female", "other", "unknown"}
    assert codes("Bundle", "entry.request.method") == {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}
    assert "banana" not in codes("Observation", "status")
    assert codes("Encounter", "status") >= {"planned", "in-progress", "finished", "cancelled", "entered-in-error"}
    assert codes("Condition", "clinicalStatus") == {
        "active",
        "recurrence",
        "relapse",
        "inactive",
        "remission",
        "resolved",
    }
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    allowed = table.resolve("Condition", "clinicalStatus").binding.allowed  # type: ignore[union-attr]
    assert allowed is not None
    assert set(allowed.systems) == {system}
    mime = table.resolve("Attachment", "contentType").binding
    assert mime is not None
    assert mime.allowed is not None
    assert mime.allowed.rules == ("mime",)
    example = table.resolve("Encounter", "type").binding
    assert example is not None
    assert (example.strength, example.allowed) == ("example", None)


def test_the_table_is_read_quickly_and_only_when_asked_for() -> None:
    """In a fresh interpreter: importing the package leaves the table alone, reading it takes well under 150 ms."""
    program = (
        "import time, adapters.fhir as f; from adapters.fhir.definitions import definitions as d;"
        "assert d.cache_info().currsize == 0; start = time.perf_counter();"
        "d().resolve('Patient', 'name.given'); print(time.perf_counter() - start)"
    )
    fastest = min(float(_run(program)) for _ in range(3))
    assert fastest < 0.15


def test_what_is_compiled_for_every_type_and_level_fits_into_60_mib() -> None:
    """Resident memory of a fresh interpreter: after the closures of all resource types, less before the import."""
    program = (
        "import os; page = os.sysconf('SC_PAGE_SIZE');"
        "size = lambda: int(open('/proc/self/statm').read().split()[1]) * page; before = size();"
        "from adapters.fhir import definitions as d, validate;"
        "[validate({'resourceType': kind}, level) for level in ('structure', 'full') for kind in d().resources];"
        "print(size() - before)"
    )
    assert int(_run(program)) < 60 * 2**20


def _run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


def test_what_was_built_once_is_kept(table: Definitions) -> None:
    assert table.children(("Patient", "")) is table.children(("Patient", ""))
    assert definitions() is table
