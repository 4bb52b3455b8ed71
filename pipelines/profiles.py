"""A channel's conformance profile (docs/hl7v2.md): what its sender agreed to. Breaches are flagged; where the channel
answers after map, errors among them refuse the message (ADR 18)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.hl7v2 import read
from adapters.hl7v2.conformance import Breach, Profile, ProfileError, read_profile
from mappings import MappingError, read_yaml
from pipelines.errors import SettingsError

if TYPE_CHECKING:
    from mappings import Mapped

__all__ = ["Breach", "Profile", "breaches", "flagged", "profile", "refuses"]


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


def breaches(body: bytes, kept: Profile) -> tuple[Breach, ...]:
    """Where a message breaks the profile."""
    return tuple(kept.breaches(read(body)))


def refuses(found: tuple[Breach, ...]) -> bool:
    """Whether a message with these breaches isn't what was agreed to: one of them is an error."""
    return any(breach.issue.severity == "error" for breach in found)


def flagged(mapped: Mapped, found: tuple[Breach, ...]) -> Mapped:
    """The message with an issue for each breach, by segment-field-component."""
    return replace(mapped, issues=(*mapped.issues, *(breach.issue for breach in found))) if found else mapped
