"""Named conditions for what `when` can't say (mappings.md: at most 30, each tested, each naming its row)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from mappings.leaves.allergies import says_no_allergy

__all__ = ["PREDICATES", "Place", "Predicate"]


class Place(Protocol):
    """Where a condition is asked: a segment in its group."""

    @property
    def event(self) -> str:
        """MSH-9.2."""

    def text(self, path: str) -> str:
        """The first leaf at `OBX-5` or `OBX-5.1`, unescaped, '' without."""

    def texts(self, path: str) -> tuple[str, ...]:
        """The first leaf of each repetition."""

    def has(self, segment: str) -> bool:
        """Whether the group (below, then outward) holds such a segment."""

    def option(self, name: str) -> str:
        """The channel's option, or its default."""


Predicate = Callable[[Place], bool]

_CODING_SYSTEM = re.compile(r"HL7[0-9]{4}|SCT|LN|L|99[A-Z0-9]+")


def obr_speaks_of_specimen(at: Place) -> bool:
    """OBR[Specimen]: the guide makes a Specimen of every OBR; one of these fields must say that there was one."""
    return any(at.text(path) for path in ("OBR-9", "OBR-10", "OBR-14", "OBR-15", "OBR-39"))


def _allergen(at: Place) -> tuple[str, ...]:
    return tuple(at.text(path) for path in ("AL1-3.1", "AL1-3.2", "AL1-3.4", "AL1-3.5", "AL1-3.9"))


def names_allergen(at: Place) -> bool:
    """AL1-3: names something to be allergic to."""
    texts = _allergen(at)
    return any(texts) and not says_no_allergy(texts)


def states_no_allergy(at: Place) -> bool:
    """AL1-3: says that there is no allergy."""
    return says_no_allergy(_allergen(at))


def county_fits_address(at: Place) -> bool:
    """PID[Patient] PID-12: the county of the only address is not given in PID-11.9, or is the same."""
    return at.text("PID-11.9") in ("", at.text("PID-12"))


def episode_named(at: Place) -> bool:
    """PV1[Encounter] PV1-53, PV1-54: the visit names an episode of care."""
    return bool(at.text("PV1-53") or at.text("PV1-54"))


def insurer_named(at: Place) -> bool:
    """IN1[Coverage] payor: IN1-3 or IN1-4 names a company."""
    return bool(at.text("IN1-3") or at.text("IN1-4") or at.text("IN1-4.10") or at.text("IN1-4.3"))


def policy_holder_named(at: Place) -> bool:
    """IN1[Coverage] policyHolder: IN1-10 or IN1-11 names the group."""
    return bool(at.text("IN1-10") or at.text("IN1-11") or at.text("IN1-11.10"))


def obr_15_is_one_code(at: Place) -> bool:
    """OBR[Specimen] OBR-15: its third component names a coding system, so the field is a CWE and no SPS."""
    return bool(_CODING_SYSTEM.fullmatch(at.text("OBR-15.3")))


def obr_15_is_source(at: Place) -> bool:
    """OBR[Specimen] OBR-15: an SPS, as the standard has it."""
    return not obr_15_is_one_code(at)


def orderer_repeated(at: Place) -> bool:
    """OBR[ServiceRequest] OBR-16: the person of ORC-12 once more, by the same id and authority."""
    own = at.text("OBR-16.1")
    return bool(own) and own == at.text("ORC-12.1") and at.text("OBR-16.9") == at.text("ORC-12.9")


def orc_4_is_pair(at: Place) -> bool:
    """ORC[ServiceRequest] ORC-4: "if data type EIP is used": a component that has components of its own."""
    return any(at.text(path) for path in ("ORC-4.1.2", "ORC-4.1.3", "ORC-4.2.2", "ORC-4.2.3"))


PREDICATES: Mapping[str, Predicate] = {
    "county-fits-address": county_fits_address,
    "episode-named": episode_named,
    "insurer-named": insurer_named,
    "names-allergen": names_allergen,
    "says-no-allergy": states_no_allergy,
    "policy-holder-named": policy_holder_named,
    "obr-15-is-one-code": obr_15_is_one_code,
    "obr-15-is-source": obr_15_is_source,
    "obr-speaks-of-specimen": obr_speaks_of_specimen,
    "orc-4-is-pair": orc_4_is_pair,
    "orderer-repeated": orderer_repeated,
}
