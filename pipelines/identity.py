"""Identity consistency: does what a message says of a person contradict who the patient is known to be?

The case is a man's CT under a woman's name: a wrong number typed at a console, and from then on one person's images
stand in another's record. Compared are sex, birth date and name, wherever both sides say something definite. The owner
of demographics (ADT, see `ownership.yaml`) never contradicts: it is who says what is known. It is asked again when the
owner has spoken: studies and documents that came before are then found, too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

__all__ = ["HEADER", "NOBODY", "Claim", "Person", "contradictions", "person_of"]

HEADER = "tabellion-identity"  # header of a record that speaks of somebody who may be another: the elements that differ
_DEFINITE = frozenset({"male", "female"})


class Person(msgspec.Struct, array_like=True, frozen=True):
    """What is compared: sex, birth date to the precision it has, every word of every name."""

    gender: str = ""
    birth: str = ""
    words: tuple[str, ...] = ()


NOBODY = Person()


class Claim(msgspec.Struct, array_like=True, frozen=True):
    """What one study or document says of its patient."""

    patient: str
    subject: str  # 'ImagingStudy/<id>'; of a message that is no study or document ''
    person: Person


def person_of(resource: Mapping[str, Any]) -> Person:
    """Of a Patient resource."""
    words = [word for name in _listed(resource.get("name")) for word in _words(name)]
    return Person(_text(resource.get("gender")), _text(resource.get("birthDate")), tuple(dict.fromkeys(words)))


def contradictions(known: Person, said: Person) -> tuple[str, ...]:
    """The elements that can't both be true of one person."""
    found = []
    if known.gender != said.gender and {known.gender, said.gender} <= _DEFINITE:
        found.append("gender")
    precision = min(len(known.birth), len(said.birth))
    if precision and known.birth[:precision] != said.birth[:precision]:
        found.append("birthDate")
    if _other_name(known.words, said.words):
        found.append("name")
    return tuple(found)


def _other_name(known: Iterable[str], said: Iterable[str]) -> bool:
    """No word in common in a script that both are written in: a maiden name or a missing part is no other name."""
    ours, theirs = _by_script(known), _by_script(said)
    common = ours.keys() & theirs.keys()
    return bool(common) and not any(ours[script] & theirs[script] for script in common)


def _by_script(words: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for word in words:
        found.setdefault(unicodedata.name(word[0], "?").partition(" ")[0], set()).add(word)
    return found


def _words(name: Any) -> list[str]:
    """Words of a HumanName, without case and accents; of Chinese, Japanese and Korean each sign is one."""
    if not isinstance(name, dict):
        return []
    parts = [_text(name.get("family")), *map(_text, _listed(name.get("given"))), _text(name.get("text"))]
    plain = "".join(
        each if each.isalpha() else " "
        for each in unicodedata.normalize("NFKD", " ".join(parts)).casefold()
        if not unicodedata.combining(each)
    )
    whole = unicodedata.normalize("NFC", plain)
    found = []
    for word in whole.split():
        found += list(word) if unicodedata.east_asian_width(word[0]) == "W" else [word]
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
