"""Any one mutation of any kind, anywhere in a valid resource, is found at its place; the oracle finds no more."""

from __future__ import annotations

from copy import deepcopy

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.fhir import encode, validate
from tests.adapters.fhir.mutations import KINDS, sites
from tests.adapters.fhir.samples import RESOURCES, Resource

PLACES = {
    kind: [
        (number, place)
        for number, sample in enumerate(RESOURCES)
        for place, site in enumerate(sites(deepcopy(sample)))
        if happens(site)
    ]
    for kind, (happens, _) in KINDS.items()
}


LEAST = {"script in the narrative": 1, "code without system": 4, "extension that says nothing": 3}


def mutate(kind: str, number: int, place: int) -> tuple[Resource, str]:
    """The sample with one change, and the expression where it must be found."""
    changed = deepcopy(RESOURCES[number])
    return changed, KINDS[kind][1](sites(changed)[place])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_place_of_a_kind(kind: str) -> None:
    assert len(PLACES[kind]) >= LEAST.get(kind, 5)
    for number, place in PLACES[kind]:
        changed, expression = mutate(kind, number, place)
        found = [finding.expression for finding in validate(changed)]
        assert expression in found, (kind, expression, found)
        # whatever else is said concerns what holds the changed value or lies in it
        assert all(expression.startswith(other) or other.startswith(expression) for other in found), (expression, found)


@given(st.data())
def test_what_the_oracle_refuses_we_refuse(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    changed, _ = mutate(kind, *data.draw(st.sampled_from(PLACES[kind])))
    try:
        get_fhir_model_class(changed["resourceType"]).model_validate_json(encode(changed))
    except (ValidationError, TypeError, AttributeError):  # it stumbles over what is no text where it expects a url
        assert validate(changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceType", "id", "name", "contained", "extension", "url", "valueString", "reference"])
            | st.sampled_from(
                ["entry", "resource", "fullUrl", "code", "coding", "subject", "_id", "text", "div", "period"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(st.sampled_from(["Patient", "Observation", "Bundle", "Parameters", "x"]), JSON)
def test_any_value_gets_findings_never_an_exception(name: str, value: object) -> None:
    assert isinstance(validate(value), list)
    if isinstance(value, dict):
        assert isinstance(validate({**value, "resourceType": name}), list)


@given(st.data())
def test_any_value_at_any_place_gets_findings_never_an_exception(data: st.DataObject) -> None:
    changed = deepcopy(data.draw(st.sampled_from(RESOURCES)))
    site = data.draw(st.sampled_from(sites(changed)))
    site.owner[site.key] = data.draw(JSON)
    assert isinstance(validate(changed), list)
