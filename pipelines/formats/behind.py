"""The maps of a format behind its reader: `Maps` of bytes over effective maps of what the reader makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pipelines.said import patients_of

if TYPE_CHECKING:
    from mappings import Mapped, MapSettings

__all__ = ["Behind", "Effective", "unread"]


class Effective(Protocol):
    """Effective maps of a format's own values."""

    @property
    def hash(self) -> str: ...

    @property
    def content(self) -> bytes: ...

    def map(self, value: Any, settings: MapSettings, /) -> Mapped: ...

    def explain(self, value: Any, settings: MapSettings, /) -> Sequence[Any]: ...

    def check(self) -> None: ...


Kind = TypeVar("Kind", bound=Effective)


class Behind(Generic[Kind]):
    """Reads a unit, then maps it."""

    def __init__(self, effective: Kind, read: Callable[[bytes], Any]) -> None:
        self.effective = effective
        self.read = read

    @property
    def hash(self) -> str:
        return self.effective.hash

    @property
    def content(self) -> bytes:
        return self.effective.content

    def map(self, body: bytes, settings: MapSettings) -> Mapped:
        return self.effective.map(self.read(body), settings)

    def map_many(self, bodies: Sequence[bytes], settings: MapSettings) -> list[Mapped]:
        return [self.map(body, settings) for body in bodies]

    def explain(self, body: bytes, settings: MapSettings) -> Sequence[str]:
        return self.effective.explain(self.read(body), settings)

    def patients(self, body: bytes, settings: MapSettings) -> tuple[str, ...]:
        """Whatever can be read of it names its patients."""
        return patients_of(self.effective.map(self.read(body), settings))

    def check(self) -> None:
        self.effective.check()


def unread(body: bytes) -> bytes:
    """For maps that read for themselves."""
    return body
