"""Which rows of a release are in force: all of a Snapshot; of Full files the latest of each id that the release knows.

A Full file holds every version ever published, of several modules; what counts is the latest effectiveTime per id
within the module dependencies of the release (RF2 specification, "Module Dependency Reference Set").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from terminology.rf2.release import File, Release

__all__ = ["Current"]

_STAMP = ("id", "effectiveTime", "active", "moduleId")


class Current:
    """Rows in force of one release."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._limits = _limits(release) if release.type == "Full" else {}

    def rows(self, file: File, columns: Sequence[str]) -> Iterator[tuple[bool, tuple[str, ...]]]:
        """(active, the named columns) of each row in force."""
        found = self._release.rows(file, (*_STAMP, *columns))
        if self._release.type == "Snapshot":
            for _, _, active, _, *rest in found:
                yield active == "1", tuple(rest)
            return
        latest: dict[str, tuple[str, bool, tuple[str, ...]]] = {}
        for id_, time, active, module, *rest in found:
            if self._limits and time > self._limits.get(module, ""):
                continue
            if id_ not in latest or time > latest[id_][0]:
                latest[id_] = (time, active == "1", tuple(rest))
        for _, is_active, row in latest.values():
            yield is_active, row


def _limits(release: Release) -> Mapping[str, str]:
    """Module → the latest effectiveTime of it that belongs to the release; {}: the release doesn't say."""
    limits: dict[str, str] = {}
    newest: dict[tuple[str, str], tuple[str, str, str]] = {}
    columns = ("effectiveTime", "active", "moduleId", "sourceEffectiveTime", "targetEffectiveTime")
    for file in release.named("Refset", "ModuleDependency"):
        for time, active, module, source, target, on in release.rows(file, (*columns, "referencedComponentId")):
            if active != "1" or source > release.date:
                continue
            if (module, on) not in newest or time > newest[module, on][0]:
                newest[module, on] = (time, source, target)
    for (module, on), (_, source, target) in newest.items():
        limits[module] = max(limits.get(module, ""), source)
        limits[on] = max(limits.get(on, ""), target)
    return limits
