"""What a pack says of itself; stands in the pack and in the list of packs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from terminology.errors import PackDamaged
from terminology.packs.schema import KINDS

__all__ = ["BUILDER", "KINDS", "Manifest"]

BUILDER = "1"  # goes up when the same source makes other content


@dataclass(frozen=True, slots=True)
class Manifest:
    """`system`: what the codes are of, or are translated from; `target`: into what, '' for code systems.

    `digest`: SHA-256 over the content (see `builder`), the same on every machine and with every SQLite; it names the
    pack in Provenance. `source_sha256`: of the file that was imported.
    """

    kind: str
    system: str
    version: str
    title: str
    licence: str
    source: str
    source_sha256: str
    digest: str
    target: str = ""
    content: str = "complete"  # of codes: or "fragment", which lacks some
    builder: str = BUILDER
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """In words, for people and Provenance."""
        into = f" to {self.target}" if self.target else ""
        return f"{self.system}{into} {self.version}"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {**asdict(self), "counts": dict(self.counts)}

    @classmethod
    def from_json(cls, value: object) -> Manifest:
        """What `to_json` made. Raises PackDamaged."""
        if not isinstance(value, dict):
            raise PackDamaged("a manifest is not an object")
        counts = value.get("counts", {})
        texts = {key: text for key, text in value.items() if key != "counts"}
        if not isinstance(counts, dict) or not all(isinstance(number, int) for number in counts.values()):
            raise PackDamaged("a manifest's counts are not numbers")
        if not all(isinstance(text, str) for text in texts.values()) or texts.get("kind") not in KINDS:
            raise PackDamaged("a manifest is not of the form that this release knows")
        try:
            return cls(**texts, counts=counts)
        except TypeError as error:
            raise PackDamaged("a manifest lacks something or says too much") from error
