"""The mapper: bytes of a message → what it says, or why not. Pure; run inline or in processes (`pipelines.pool`).

This is the one boundary where any exception becomes a dead letter: whatever a message does to the reader or the maps,
it costs that message and no other. A failure's text names classes, places and our own lines, never a value.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from mappings import Mapped, MappingError, MapSettings
from pipelines import journey
from pipelines.channels import Channel
from pipelines.errors import CheckFailed, MapperFailed
from pipelines.formats import Maps, Source, maps, source
from pipelines.journey import Translator
from pipelines.ownership import ownership
from pipelines.profiles import Breach, Profile, breaches, flagged, profile, refuses
from pipelines.said import Spoken
from pipelines.search import search_key
from pipelines.settings import Settings
from pipelines.translation import translation
from pipelines.validation import Validator, validator
from terminology import TerminologyError

BREACHES_MAX = 64  # of one message that its sender is told of
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class MapperConfig:
    """All that a mapper needs to know; crosses to its process once, at start."""

    channels: Mapping[str, Channel]
    namespace: UUID
    base: str
    packs: Path | None = None  # folder of imported terminology packs
    packages: Path | None = None  # folder of added FHIR packages


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """Why a message says nothing. `patients`: whose message it is, as far as that could be read; `breaches` of a
    profile, as (severity, issue-type, place, text); `parts`: the entries that a continued message is made of."""

    cause: str
    place: str
    text: str
    patients: tuple[str, ...] = ()
    breaches: tuple[tuple[str, str, str, str], ...] = ()
    parts: tuple[int, ...] = ()


Result = Spoken | Failure

# class of the error → cause of the dead letter, first fit; before these the format's own (`Source.causes`)
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (CheckFailed, "invalid"),
    (MapperFailed, "channel"),
    (MappingError, "mapping"),
    (TerminologyError, "terminology"),
)


@dataclass(frozen=True, slots=True)
class _Route:
    """What one channel's messages are mapped with."""

    channel: Channel
    source: Source
    maps: Maps
    settings: MapSettings
    level: str
    translator: Translator | None
    validator: Validator
    profile: Profile | None


class Mapper:
    """Maps messages of the configured channels, each with its own format, settings and effective maps."""

    def __init__(self, config: MapperConfig) -> None:
        self._config = config
        self._channels = config.channels
        self._routes: dict[str, _Route] = {}
        self._ownership = ownership()
        self._key = search_key(config.namespace)

    def effective(self, channel: str) -> Maps:
        """The effective maps of a channel; loading takes a while the first time."""
        return self._route(channel).maps

    def load_all(self) -> dict[str, Maps]:
        """Load every channel's maps now: a broken overlay must stop the start, not the first message."""
        return {name: self.effective(name) for name in self._channels}

    def map(self, channel: str, body: bytes) -> Result:
        """One message of a channel."""
        causes: tuple[tuple[type[Exception], str], ...] = ()
        try:
            route = self._route(channel)
            causes = route.source.causes
            found, kept_out = _admitted(route, body)
            if kept_out is not None:
                return kept_out
            return self._carried(route, body, route.maps.map(body, route.settings), found)
        except Exception as error:  # noqa: BLE001 (the boundary, see above)
            return replace_patients(failure(error, causes), self.patients(channel, body))

    def map_many(self, jobs: Sequence[tuple[str, bytes]]) -> list[Result]:
        """Some messages, as (channel, bytes), each as `map` would; those of one channel are mapped together."""
        results: dict[int, Result] = {}
        channels: dict[str, list[int]] = {}
        for at, (channel, _) in enumerate(jobs):
            channels.setdefault(channel, []).append(at)
        for channel, places in channels.items():
            try:
                results.update(self._together(channel, places, jobs))
            except Exception:  # noqa: BLE001 (the boundary: one of them fails, and alone it costs no other)
                results.update({at: self.map(*jobs[at]) for at in places})
        return [results[at] for at in range(len(jobs))]

    def _together(self, channel: str, places: list[int], jobs: Sequence[tuple[str, bytes]]) -> dict[int, Result]:
        route = self._route(channel)
        results: dict[int, Result] = {}
        admitted: list[tuple[int, bytes, tuple[Breach, ...]]] = []
        for at in places:
            body = jobs[at][1]
            found, kept_out = _admitted(route, body)
            if kept_out is not None:
                results[at] = kept_out
            else:
                admitted.append((at, body, found))
        mapped = route.maps.map_many([body for _, body, _ in admitted], route.settings)
        for (at, body, found), each in zip(admitted, mapped, strict=True):
            try:
                results[at] = self._carried(route, body, each, found)
            except Exception as error:  # noqa: BLE001 (the boundary, see above)
                results[at] = replace_patients(failure(error, route.source.causes), self.patients(channel, body))
        return results

    def _carried(self, route: _Route, body: bytes, mapped: Mapped, found: tuple[Breach, ...]) -> Spoken:
        """What a mapped message says, translated and checked, ready to be settled."""
        proven = journey.proven(
            mapped, body, route.maps, route.settings, route.level, route.translator, route.validator
        )
        return journey.carry(flagged(proven, found), route.channel, self._ownership, self._key)

    def patients(self, channel: str, body: bytes) -> tuple[str, ...]:
        """Whose message it is, from what names its patients alone; () if not even that can be read."""
        try:
            route = self._route(channel)
            return route.maps.patients(body, route.settings)
        except Exception:  # noqa: BLE001 (the boundary: the message has failed already, and this is best effort)
            return ()

    def _route(self, name: str) -> _Route:
        found = self._routes.get(name)
        if found is None:
            found = self._routes[name] = self._made(name)
        return found

    def _made(self, name: str) -> _Route:
        channel = self._channels.get(name)
        if channel is None:
            raise MapperFailed("the message's channel is not configured any more: configure it again and replay")
        row = source(channel.format)
        known = validator(self._config.packages)
        return _Route(
            channel,
            row,
            row.validating(maps(channel.format, channel.overlays), known),
            channel.map_settings(self._config.namespace, self._config.base),
            row.level(channel.check),
            translation(channel.translation, self._config.packs),
            known,
            profile(channel.profile),
        )


def _admitted(route: _Route, body: bytes) -> tuple[tuple[Breach, ...], Failure | None]:
    """The breaches of the channel's profile, and why the message goes no further, if so."""
    refused = route.source.refuses(route.channel, body)
    if refused is not None:
        return (), Failure("refused", refused.place, refused.text)
    found = () if route.profile is None else breaches(body, route.profile)
    if found and route.channel.answer_after == "map" and refuses(found):
        return found, _breached(found)
    return found, None


def config_of(
    settings: Settings, namespace: UUID, packs: Path | None = None, packages: Path | None = None
) -> MapperConfig:
    """What mappers need of the settings. `packs`, `packages`: the data folder's terminology packs and FHIR packages."""
    return MapperConfig(settings.channels, namespace, settings.service.base, packs, packages)


def failure(error: Exception, causes: tuple[tuple[type[Exception], str], ...] = ()) -> Failure:
    """The dead letter of an exception. Only our own errors' texts are known to hold no values."""
    cause = next((name for kind, name in (*causes, *_CAUSES) if isinstance(error, kind)), "error")
    place = getattr(error, "place", "")
    if cause != "error":
        return Failure(cause, place if isinstance(place, str) else "", str(error))
    frame = traceback.extract_tb(error.__traceback__)[-1]
    path = Path(frame.filename)
    where = path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else path.name
    return Failure("error", "", f"{type(error).__name__} at {where}:{frame.lineno}")


def _breached(found: tuple[Breach, ...]) -> Failure:
    """Refused by its profile. It marks no patient: the sender is told, and nobody has to wait until it is solved."""
    rows = tuple((each.issue.severity, each.issue.code, each.place, each.issue.text) for each in found[:BREACHES_MAX])
    first = next(row for row in rows if row[0] == "error")
    return Failure("profile", first[2], first[3], (), rows)


def replace_patients(found: Failure, patients: tuple[str, ...]) -> Failure:
    """The same failure with the patients it marks."""
    return Failure(found.cause, found.place, found.text, patients)
