"""A unique marker in every leaf of every message at hand: carried, or said to be left out; never neither."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from adapters.hl7v2 import Message, read
from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle
from tests.mappings.hl7v2.corpus import messages
from tests.mappings.hl7v2.oru import effective
from tests.mappings.marker import lost, marked

# leaves whose meaning a rule writes in another form than their text
_BY_MEANING = re.compile(
    r"OBX\[\d+\]-5\[\d+\]\.3\.1"  # the separator of an SN is the type of the value
)


def shapes(found: Iterator[tuple[str, Message]]) -> Iterator[tuple[str, Message]]:
    """One message of each shape: segments and their valued fields (a generator's thousand are of few)."""
    seen = set()
    for name, message in found:
        shape = tuple(
            (segment.name, tuple(index for index, text in enumerate(segment.fields) if text))
            for segment in message.segments
        )
        if shape not in seen:
            seen.add(shape)
            yield name, message


def neither(found: Iterator[tuple[str, Message]]) -> list[str]:
    """`name path` of each marker that is neither carried nor said."""
    settings = MapSettings(PUBLISHED_NAMESPACE, zone="UTC")
    gone = []
    for name, message in shapes(found):
        body, places = marked(message)
        mapped = effective().map(read(body), settings)
        content = bundle(mapped, "https://tabellion.invalid/fhir").decode()
        gone += [f"{name} {where}" for where in lost(mapped, content, places, lambda p: bool(_BY_MEANING.fullmatch(p)))]
    return gone


def test_no_marker_of_our_samples_is_lost() -> None:
    assert neither(messages(None)) == []


def test_no_marker_of_the_shared_messages_is_lost(shared_data: Path) -> None:
    assert neither(messages(shared_data)) == []
