"""Which channels an operator has stopped: kept over restarts, for whoever stopped one had a reason."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.database import write_durably

__all__ = ["Stopped"]


class Stopped:
    """A set of channel names in a file of the data folder. A file that can't be read counts as none stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = _read(path)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def stop(self, name: str) -> None:
        """Durable on return."""
        self._put(self._names | {name})

    def start(self, name: str) -> None:
        """Durable on return."""
        self._put(self._names - {name})

    def _put(self, names: frozenset[str]) -> None:
        if names != self._names:
            write_durably(self._path, json.dumps(sorted(names)).encode())
            self._names = names


def _read(path: Path) -> frozenset[str]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return frozenset()
    return frozenset(name for name in found if isinstance(name, str)) if isinstance(found, list) else frozenset()
