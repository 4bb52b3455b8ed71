"""A channel's conformance profile (docs/hl7v2.md): what its sender agreed to. Breaches are flagged, no more."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.hl7v2 import read
from adapters.hl7v2.conformance import Profile, ProfileError, read_profile
from mappings import MappingError, read_yaml
from pipelines.errors import SettingsError

if TYPE_CHECKING:
    from mappings import Mapped

__all__ = ["Profile", "flagged", "profile"]


@lru_cache(maxsize=64)
def profile(file: str) -> Profile | None:
    """The profile in a YAML file; None for no file. Raises SettingsError naming file and rule."""
    if not file:
        return None
    try:
        return read_profile(read_yaml(Path(file).read_bytes(), Path(file).name))
    except OSError as error:
        raise SettingsError(f"profile {file}: {error.strerror}") from error
    except (MappingError, ProfileError) as error:
        raise SettingsError(f"profile {file}: {error}") from error


def flagged(mapped: Mapped, body: bytes, kept: Profile) -> Mapped:
    """The message with an issue for each breach, by segment-field-component."""
    found = tuple(kept.findings(read(body)))
    return replace(mapped, issues=(*mapped.issues, *found)) if found else mapped
