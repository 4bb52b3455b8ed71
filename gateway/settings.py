"""The configuration as commands use it: file and environment read once, faults as usage errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import UsageError

if TYPE_CHECKING:
    from mappings import MapSettings
    from pipelines.settings import Settings

__all__ = ["load_settings", "map_settings"]


def load_settings(path: Path | None) -> Settings:
    """Settings from file and environment. Raises UsageError with every fault."""
    from pipelines.errors import SettingsError
    from pipelines.settings import load

    try:
        return load(path, os.environ)
    except SettingsError as error:
        raise UsageError(str(error)) from error


def map_settings(
    config: Path | None, channel: str | None, zone: str | None, base: str | None
) -> tuple[MapSettings, tuple[str, ...]]:
    """What `convert` runs the maps with, and the overlays: a channel's or the defaults. Raises UsageError."""
    from mappings import PUBLISHED_NAMESPACE
    from pipelines.channels import Channel

    settings = load_settings(config)
    chosen = Channel("convert")
    if channel is not None:
        if channel not in settings.channels:
            raise UsageError(f"{config} has no channel {channel!r}; it has {', '.join(settings.channels)}")
        chosen = settings.channels[channel]
    if zone is not None:
        from dataclasses import replace

        chosen = replace(chosen, zone=zone)
        for fault in chosen.faults():
            raise UsageError(f"--zone: {fault}")
    return chosen.map_settings(PUBLISHED_NAMESPACE, base or settings.service.base), chosen.overlays
