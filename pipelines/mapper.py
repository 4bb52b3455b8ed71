"""The mapper: bytes of a message → what it says, or why not. Pure; run inline or in processes (`pipelines.pool`).

This is the one boundary where any exception becomes a dead letter: whatever a message does to the reader or the maps,
it costs that message and no other. A failure's text names classes, places and our own lines, never a value.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from adapters.hl7v2 import HeaderError, Hl7Error, LimitError, read
from adapters.hl7v2.mllp import HeaderUnusable, peek, trim
from mappings import MappingError, MapSettings, load
from pipelines import journey
from pipelines.channels import Channel
from pipelines.errors import CheckFailed, MapperFailed
from pipelines.ownership import ownership
from pipelines.said import Spoken, patients_of
from pipelines.search import search_key
from pipelines.settings import Settings

if TYPE_CHECKING:
    from mappings import EffectiveMap

_PATIENT_LINES = re.compile(rb"(?:\A|(?<=[\r\n]))(?:MSH|EVN|PID|MRG)[^\r\n]*")
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class MapperConfig:
    """All that a mapper needs to know; crosses to its process once, at start."""

    channels: Mapping[str, Channel]
    namespace: UUID
    base: str


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """Why a message says nothing. `patients`: whose message it is, as far as that could be read."""

    cause: str
    place: str
    text: str
    patients: tuple[str, ...] = ()


Result = Spoken | Failure

# class of the error → cause of the dead letter, first fit
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (HeaderError, "header"),
    (HeaderUnusable, "header"),
    (LimitError, "limit"),
    (Hl7Error, "structure"),
    (CheckFailed, "invalid"),
    (MapperFailed, "channel"),
    (MappingError, "mapping"),
)


class Mapper:
    """Maps messages of the configured channels, each with its own settings and effective map."""

    def __init__(self, config: MapperConfig) -> None:
        self._config = config
        self._channels = config.channels
        self._settings: dict[str, MapSettings] = {}
        self._ownership = ownership()
        self._key = search_key(config.namespace)

    def effective(self, channel: str) -> EffectiveMap:
        """The effective map of a channel; loading takes a while the first time."""
        return _effective(self._channel(channel).overlays)

    def load_all(self) -> dict[str, EffectiveMap]:
        """Load every channel's map now: a broken overlay must stop the start, not the first message."""
        return {name: self.effective(name) for name in self._channels}

    def map(self, channel: str, body: bytes) -> Result:
        """One message of a channel."""
        try:
            refused = self._channel(channel).refuses(peek(trim(body)))
            if refused is not None:
                return Failure("refused", f"MSH-{refused.field}" if refused.field else "", refused.text)
            settings = self._map_settings(channel)
            return journey.carry(
                body, self.effective(channel), settings, self._channel(channel), self._ownership, self._key
            )
        except Exception as error:  # noqa: BLE001 (the boundary, see above)
            return replace_patients(failure(error), self.patients(channel, body))

    def patients(self, channel: str, body: bytes) -> tuple[str, ...]:
        """Whose message it is, from its header and patient segments alone; () if not even that can be read."""
        try:
            about = read(b"\r".join(_PATIENT_LINES.findall(body)))
            return patients_of(self.effective(channel).map(about, self._map_settings(channel)))
        except Exception:  # noqa: BLE001 (the boundary: the message has failed already, and this is best effort)
            return ()

    def _channel(self, name: str) -> Channel:
        found = self._channels.get(name)
        if found is None:
            raise MapperFailed("the message's channel is not configured any more: configure it again and replay")
        return found

    def _map_settings(self, name: str) -> MapSettings:
        if name not in self._settings:
            self._settings[name] = self._channel(name).map_settings(self._config.namespace, self._config.base)
        return self._settings[name]


def config_of(settings: Settings, namespace: UUID) -> MapperConfig:
    """What mappers need of the settings."""
    return MapperConfig(settings.channels, namespace, settings.service.base)


@cache
def _effective(overlays: tuple[str, ...]) -> EffectiveMap:
    return load(overlays)


def failure(error: Exception) -> Failure:
    """The dead letter of an exception. Only our own errors' texts are known to hold no values."""
    cause = next((name for kind, name in _CAUSES if isinstance(error, kind)), "error")
    place = getattr(error, "place", "")
    if cause != "error":
        return Failure(cause, place if isinstance(place, str) else "", str(error))
    frame = traceback.extract_tb(error.__traceback__)[-1]
    path = Path(frame.filename)
    where = path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else path.name
    return Failure("error", "", f"{type(error).__name__} at {where}:{frame.lineno}")


def replace_patients(found: Failure, patients: tuple[str, ...]) -> Failure:
    """The same failure with the patients it marks."""
    return Failure(found.cause, found.place, found.text, patients)
