"""map() is a pure function: what it remembers makes it faster, never different (architecture, "map")."""

from __future__ import annotations

from pathlib import Path

from adapters.hl7v2 import Message
from mappings import PUBLISHED_NAMESPACE, EffectiveMap, MapSettings, bundle, load
from tests.mappings.hl7v2.corpus import messages
from tests.mappings.hl7v2.oru import OBR, PID, body
from tests.mappings.hl7v2.test_marker import shapes

_SETTINGS = MapSettings(PUBLISHED_NAMESPACE, zone="UTC")
_OBX = "OBX|1|NM|718-7^Hb^LN||13.2|g/dL^^UCUM||N|||F"


def content(effective: EffectiveMap, message: Message) -> tuple[object, ...]:
    """All that a caller can see of an outcome."""
    mapped = effective.map(message, _SETTINGS)
    return (
        bundle(mapped, "https://tabellion.invalid/fhir"),
        mapped.residue,
        mapped.excused,
        mapped.issues,
        mapped.leaves,
    )


def differing(found: list[tuple[str, Message]]) -> list[str]:
    """Names of messages that one order of the same messages makes different from the other order."""
    forwards, backwards = load(), load()
    first = [content(forwards, message) for _, message in found]
    second = [content(backwards, message) for _, message in reversed(found)]
    return [name for (name, _), one, two in zip(found, first, reversed(second), strict=True) if one != two]


def test_an_order_without_orc_is_the_same_after_one_with_orc() -> None:
    alone, after = load(), load()
    with_orc = body(PID, "ORC|RE|P1^HIS|F1^LAB", OBR, _OBX)
    without = body(PID, OBR, _OBX)
    for _ in range(3):
        after.map(with_orc, _SETTINGS)
    assert content(after, without) == content(alone, without)


def test_no_sample_depends_on_another() -> None:
    assert differing(list(messages(None))) == []


def test_no_message_depends_on_another(shared_data: Path) -> None:
    assert differing(list(shapes(messages(shared_data)))) == []


def beside_others(found: list[tuple[str, Message]]) -> list[str]:
    """Names of messages that are different when they are mapped side by side with others."""
    alone, together = load(), load()
    odd: list[str] = []
    for start in range(0, len(found), 13):
        some = found[start : start + 13]
        many = together.map_many([message for _, message in some], _SETTINGS)
        for (name, message), mapped in zip(some, many, strict=True):
            if alone.map(message, _SETTINGS).to_bytes() != mapped.to_bytes():
                odd.append(name)
    return odd


def test_side_by_side_samples_say_what_they_say_alone() -> None:
    assert beside_others([each for each in messages(None) for _ in range(3)]) == []


def test_side_by_side_shared_messages_say_what_they_say_alone(shared_data: Path) -> None:
    # those alike next to each other: they share a layout
    found = sorted(messages(shared_data), key=lambda each: [segment.name for segment in each[1].segments])
    assert beside_others(found) == []
