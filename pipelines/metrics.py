"""Metrics in the Prometheus text format 0.0.4: counters, gauges and histograms, nothing more.

Names and labels are fixed words of ours (channel names, codes), never content of messages. Each process has its own
registry; those without a surface leave a snapshot in the data folder, and the HTTP surface joins all texts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from threading import Lock

PREFIX = "tabellion_"
MAX_SERIES = 1000  # of one metric: labels that some input could multiply must not
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(slots=True)
class _Metric:
    kind: str
    help: str
    series: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict)
    bounds: tuple[float, ...] = ()
    spreads: dict[tuple[tuple[str, str], ...], tuple[tuple[int, ...], float]] = field(default_factory=dict)


class Registry:
    """All metrics of one process. Thread-safe."""

    def __init__(self) -> None:
        self._metrics: dict[str, _Metric] = {}
        self._lock = Lock()

    def counter(self, name: str, help_: str) -> Counter:
        """Declare a counter; its name ends in _total."""
        if not name.endswith("_total"):
            raise ValueError(f"counter {name} must end in _total")
        return Counter(self._declare(name, "counter", help_), self._lock)

    def gauge(self, name: str, help_: str) -> Gauge:
        """Declare a gauge."""
        return Gauge(self._declare(name, "gauge", help_), self._lock)

    def histogram(self, name: str, help_: str, bounds: tuple[float, ...]) -> Histogram:
        """Declare a histogram; `bounds` without the infinite one."""
        metric = self._declare(name, "histogram", help_)
        metric.bounds = bounds
        return Histogram(metric, self._lock)

    def _declare(self, name: str, kind: str, help_: str) -> _Metric:
        if not _NAME.fullmatch(name) or name in self._metrics:
            raise ValueError(f"metric {name}: not a name, or declared twice")
        metric = self._metrics[name] = _Metric(kind, help_)
        return metric

    def text(self) -> str:
        """Everything, in the order of declaration."""
        with self._lock:
            lines = []
            for name, metric in self._metrics.items():
                lines += [f"# HELP {PREFIX}{name} {metric.help}", f"# TYPE {PREFIX}{name} {metric.kind}"]
                lines += [f"{PREFIX}{name}{_labels(key)} {value:.17g}" for key, value in sorted(metric.series.items())]
                for key, (counts, total) in sorted(metric.spreads.items()):
                    lines += _spread(PREFIX + name, key, metric.bounds, counts, total)
        return "\n".join(lines) + "\n" if lines else ""


@dataclass(frozen=True, slots=True)
class Counter:
    """Only rises."""

    _metric: _Metric
    _lock: Lock

    def add(self, amount: float = 1, **labels: str) -> None:
        """Rise by `amount`."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            series = self._metric.series
            if key in series or len(series) < MAX_SERIES:
                series[key] = series.get(key, 0.0) + amount


@dataclass(frozen=True, slots=True)
class Gauge:
    """A value as it is now."""

    _metric: _Metric
    _lock: Lock

    def set(self, value: float, **labels: str) -> None:
        """Set."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            series = self._metric.series
            if key in series or len(series) < MAX_SERIES:
                series[key] = value


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a value was within each of some bounds."""

    _metric: _Metric
    _lock: Lock

    def set(self, counts: Sequence[int], total: float, **labels: str) -> None:
        """`counts` per bound and, last, beyond them, each for itself; `total`: the sum of all values."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            spreads = self._metric.spreads
            if key in spreads or len(spreads) < MAX_SERIES // len(counts):
                spreads[key] = (tuple(counts), total)


def _spread(
    name: str, key: tuple[tuple[str, str], ...], bounds: tuple[float, ...], counts: tuple[int, ...], total: float
) -> Iterator[str]:
    for bound, count in zip((*(f"{bound:g}" for bound in bounds), "+Inf"), accumulate(counts), strict=True):
        yield f"{name}_bucket{_labels((*key, ('le', bound)))} {count}"
    yield f"{name}_sum{_labels(key)} {total:.17g}"
    yield f"{name}_count{_labels(key)} {sum(counts)}"


def _labels(key: tuple[tuple[str, str], ...]) -> str:
    if not key:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in key) + "}"


def write_snapshot(folder: Path, text: str, process: str = "writer") -> None:
    """Leave a process's metrics where the HTTP surface finds them, whole or not at all; not fsynced, it's no state."""
    aside = folder / f".metrics-{process}.part"
    aside.write_text(text, encoding="utf-8")
    aside.chmod(0o600)
    os.replace(aside, folder / f"metrics-{process}.prom")


def read_snapshots(folder: Path) -> str:
    """The last snapshots of all processes, joined; '' if there are none."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("metrics-*.prom")))


def samples(text: str) -> Mapping[str, float]:
    """Series → value, from Prometheus text."""
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}
