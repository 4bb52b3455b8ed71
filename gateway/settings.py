"""The configuration as commands use it: file and environment read once, faults as usage errors."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import UsageError

if TYPE_CHECKING:
    from gateway.conversion.converter import Converter
    from pipelines.settings import Settings

__all__ = ["converter", "load_settings"]


def load_settings(path: Path | None) -> Settings:
    """Settings from file and environment. Raises UsageError with every fault."""
    from pipelines.configuration import load
    from pipelines.errors import SettingsError

    try:
        return load(path, os.environ)
    except SettingsError as error:
        raise UsageError(str(error)) from error


def converter(
    config: Path | None,
    channel: str | None,
    zone: str | None = None,
    base: str | None = None,
    *,
    overlays: tuple[str, ...] = (),
    explain: bool = False,
    data: Path | None = None,
) -> Converter:
    """What converts files: as a channel does, or with the defaults. `overlays` are further ones. Raises UsageError.

    A channel's overlays, translation plan and check concern its own format; files of other formats are converted with
    the built-in maps. `data`: the data folder whose terminology packs the plan may use.
    """
    from gateway.conversion.converter import Converter
    from mappings import PUBLISHED_NAMESPACE
    from pipelines.channels import Channel

    settings = load_settings(config)
    chosen = Channel("convert")
    if channel is not None:
        if channel not in settings.channels:
            raise UsageError(f"{config} has no channel {channel!r}; it has {', '.join(settings.channels)}")
        chosen = settings.channels[channel]
    if zone is not None:
        chosen = replace(chosen, zone=zone)
        for fault in chosen.faults():
            raise UsageError(f"--zone: {fault}")
    layers = (*chosen.overlays, *overlays)
    return Converter(
        chosen.map_settings(PUBLISHED_NAMESPACE, base or settings.service.base),
        {chosen.format: layers} if layers else {},
        chosen.check,
        explain,
        {chosen.format: chosen.translation} if chosen.translation else {},
        None if data is None else data / "terminology",
    )
