"""Counts over all messages at hand (mappings.md): the committed table, no more and no less."""

from __future__ import annotations

from pathlib import Path

from tests.mappings.hl7v2.corpus import messages
from tests.mappings.hl7v2.counts import REASONS, differences, read_differences


def test_the_samples_owe_nothing() -> None:
    assert [each for each in differences(messages(None)) if each.reason not in REASONS] == []


def test_every_difference_is_listed_by_message(shared_data: Path) -> None:
    assert sorted(differences(messages(shared_data))) == read_differences()


def test_every_listed_difference_has_one_of_the_allowed_reasons() -> None:
    listed = read_differences()
    assert [each for each in listed if each.reason not in REASONS] == []
