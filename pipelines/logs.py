"""Structured logs: one JSON object per line, and no patient data by construction.

Only fields of this table are written, each cut to its form: words and numbers of ours, ids that are keyed hashes, never
text from a message. What a field refuses is written as `?`, so that a slip shows in the log as a slip.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,127}")
_PLACE = re.compile(r"[A-Z][A-Z0-9]{2}(\[\d+\])?(-\d+(\[\d+\])?(\.\d+)*)?|")
_HEX = re.compile(r"[0-9a-f]{0,64}")


def _word(value: object) -> object:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else "?"


def _number(value: object) -> object:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else "?"


def _place(value: object) -> object:
    return value if isinstance(value, str) and _PLACE.fullmatch(value) else "?"


def _digest(value: object) -> object:
    text = value.hex() if isinstance(value, bytes) else value
    return text if isinstance(text, str) and _HEX.fullmatch(text) else "?"


def _ours(value: object) -> object:
    """Sentences of our own, fixed in the source; whoever logs one answers for it."""
    return value[:400] if isinstance(value, str) else "?"


FIELDS: Mapping[str, Callable[[object], object]] = {
    "address": _word,
    "attempts": _number,
    "backlog": _number,
    "batch": _number,
    "cause": _word,
    "channel": _word,
    "code": _word,
    "count": _number,
    "entry": _number,
    "error": _word,  # the class of an exception
    "kind": _word,
    "map_hash": _digest,
    "ms": _number,
    "peer": _word,
    "pid": _number,
    "place": _place,
    "process": _word,
    "records": _number,
    "seconds": _number,
    "sha256": _digest,
    "size": _number,
    "status": _word,
    "text": _ours,
    "topic": _word,
    "version": _word,
}


class Log:
    """Writes to a stream, from `level` on; the event is a word like `writer.started`."""

    def __init__(
        self, stream: TextIO | None = None, level: str = "info", clock: Callable[[], float] = time.time
    ) -> None:
        self._stream = stream
        self._least = LEVELS[level]
        self._clock = clock

    def debug(self, event: str, **fields: object) -> None:
        """For whoever debugs."""
        self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Normal working."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something someone should look at."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Something does not work."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        if LEVELS[level] < self._least:
            return
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        line = {"time": now.replace("+00:00", "Z"), "level": level, "event": _word(event)}
        line |= {str(name): _field(name, value) for name, value in fields.items()}
        stream = self._stream or sys.stderr
        stream.write(json.dumps(line, ensure_ascii=True) + "\n")  # one write: lines of several processes stay whole
        stream.flush()


def _field(name: str, value: object) -> object:
    form = FIELDS.get(name)
    return "?" if form is None else form(value)
