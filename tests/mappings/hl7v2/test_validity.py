"""Every resource of every message at hand is valid: our R4 table with its Bundle rules, and fhir.resources.R4B."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from adapters.fhir import decode_trusted, validate_bundle
from adapters.hl7v2 import Message
from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle
from tests.mappings.hl7v2.corpus import messages
from tests.mappings.hl7v2.oru import effective

_ZONES = (None, "Europe/Berlin")


def bundles(found: Iterator[tuple[str, Message]]) -> Iterator[tuple[str, bytes]]:
    """(name, Bundle) of each message, every second one as of a channel with a zone."""
    for number, (name, message) in enumerate(found):
        settings = MapSettings(PUBLISHED_NAMESPACE, zone=_ZONES[number % 2])
        yield name, bundle(effective().map(message, settings), "https://tabellion.invalid/fhir")


@cache
def model(kind: str) -> Any:
    """The class of fhir.resources for a type."""
    return get_fhir_model_class(kind)


def accept(content: bytes) -> None:
    """Raises ValidationError. The library has no `_valueX` inside an Extension, which R4 allows: left out here."""
    for entry in json.loads(content)["entry"]:
        model(entry["resource"]["resourceType"]).model_validate(_plain(entry["resource"]))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        inside = "url" in value
        return {name: _plain(each) for name, each in value.items() if not (inside and name.startswith("_value"))}
    return value


def findings(found: Iterator[tuple[str, bytes]]) -> list[str]:
    """Errors of our own validator."""
    return [
        f"{name} {finding.expression}: {finding.text}"
        for name, content in found
        for finding in validate_bundle(decode_trusted(content))
        if finding.severity == "error"
    ]


def test_our_samples_are_valid() -> None:
    assert findings(bundles(messages(None))) == []


def test_the_shared_messages_are_valid(shared_data: Path) -> None:
    assert findings(bundles(messages(shared_data))) == []


def test_the_samples_are_valid_for_another_library() -> None:
    for _, content in bundles(messages(None)):
        accept(content)


def test_one_message_in_twelve_is_valid_for_another_library(shared_data: Path) -> None:
    for number, (_, content) in enumerate(bundles(messages(shared_data))):
        if number % 12 == 0:
            accept(content)
