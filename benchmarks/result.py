"""What a benchmark says: one row per comparison, and whether its limit holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["Row", "broken", "table"]


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside what it is compared with in the same run.

    `ratio` = figure / peer. `wanted`: the ratio it should be at least (`most`: at most). `hard`: a wanted ratio that is
    missed fails the run; else it is reported. `size`: bytes per message or record. `share`: CPU time / wall time of
    what was measured (1.0 = one core kept busy); None where it can't be told.
    """

    benchmark: str
    figure: float
    unit: str
    peer: str
    peer_figure: float
    ratio: float
    wanted: float | None = None
    most: bool = False
    hard: bool = False
    size: float = 0.0
    share: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the wanted ratio is reached; None: nothing is wanted."""
        if self.wanted is None:
            return None
        return self.ratio <= self.wanted if self.most else self.ratio >= self.wanted

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self) | {"holds": self.holds}


def broken(rows: Sequence[Row]) -> list[Row]:
    """Rows whose limit must hold and doesn't."""
    return [row for row in rows if row.hard and row.holds is False]


_HEAD = ("benchmark", "figure", "", "compared with", "its figure", "ratio", "wanted", "", "bytes", "cores", "note")
_LEFT = {0, 2, 3, 7, 10}


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in _LEFT else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    wanted = "" if row.wanted is None else f"{'<=' if row.most else '>='} {row.wanted:g}"
    verdict = "" if row.holds is None else "holds" if row.holds else "BROKEN" if row.hard else "missed"
    return (
        row.benchmark,
        _number(row.figure),
        row.unit,
        row.peer,
        _number(row.peer_figure),
        f"{row.ratio:.2f}",
        wanted,
        verdict,
        _number(row.size) if row.size else "",
        "" if row.share is None else f"{row.share:.2f}",
        row.note,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
