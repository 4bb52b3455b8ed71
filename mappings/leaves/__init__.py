"""Leaf functions: text to FHIR values. Each module of this package has a table LEAVES; `leaves()` joins them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from mappings.leaves.base import Invalid, Leaf, LeafContext, LeafFunction, LeafResult, Partly

__all__ = ["Invalid", "Leaf", "LeafContext", "LeafFunction", "LeafResult", "Partly", "leaves"]


@functools.cache
def leaves() -> Mapping[str, Leaf]:
    """Every leaf function by name. Raises ValueError if two modules use one name."""
    found: dict[str, Leaf] = {}
    for module in sorted(info.name for info in iter_modules(__path__)):
        table: Mapping[str, Leaf] = getattr(import_module(f"{__name__}.{module}"), "LEAVES", {})
        for name, leaf in table.items():
            if name in found:
                raise ValueError(f"two leaf functions are called {name}: the second is in mappings/leaves/{module}.py")
            found[name] = leaf
    return found
