"""The mappings room: rule tables as data, the engine that compiles and runs them, ids, the Bundle.

`load()` gives the effective map; `.map(message, settings)` turns a read message into `Mapped`; `bundle` writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.bundle import bundle, resource
from mappings.composition import compose
from mappings.entities import hash_entity
from mappings.errors import MapError, MapErrors, MappingError
from mappings.ids import PUBLISHED_NAMESPACE
from mappings.values import Change, Element, Mapped, MapSettings, Part

if TYPE_CHECKING:
    from mappings.engine.effective import EffectiveMap

__all__ = [
    "PUBLISHED_NAMESPACE",
    "Change",
    "EffectiveMap",
    "Element",
    "MapError",
    "MapErrors",
    "MapSettings",
    "Mapped",
    "MappingError",
    "Part",
    "bundle",
    "compose",
    "hash_entity",
    "load",
    "load_content",
    "read_yaml",
    "resource",
]


def load(overlays: Sequence[str | Path] = ()) -> EffectiveMap:
    """The built-in maps under these overlay folders, later over earlier. Raises MapError, MapErrors."""
    from mappings.engine.effective import load as load_effective

    return load_effective(overlays)


def load_content(content: bytes) -> EffectiveMap:
    """An effective map from its own `.content`, as kept by hash."""
    from mappings.engine.effective import load_content as load_effective

    return load_effective(content)


def read_yaml(data: bytes, file: str) -> object:
    """A YAML file without resolvers, as map files are read: `NO` and `010` stay texts. Raises MapError."""
    from mappings.engine.yamlfile import read

    return read(data, file)


def __getattr__(name: str) -> object:
    # the engine is loaded only by those who run it
    if name == "EffectiveMap":
        from mappings.engine.effective import EffectiveMap

        return EffectiveMap
    raise AttributeError(name)
