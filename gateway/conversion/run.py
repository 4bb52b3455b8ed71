"""`convert` as a whole: walk, convert on any number of processes, write Bundles and the report in walk order."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gateway.conversion.converter import Converter, Line, Result, failed, issue_line
from gateway.conversion.detect import detect
from gateway.conversion.table import Table
from gateway.conversion.walk import Source, printable, walk
from gateway.errors import InputError, UsageError
from gateway.progress import Progress

if TYPE_CHECKING:
    from adapters.hl7v2 import Issue
    from mappings import MapSettings

__all__ = ["Options", "convert", "refuse_full"]

_WINDOW = 4  # jobs under way per process: bounds memory, keeps every process busy
_CHUNK = 32  # messages per job
_NOT_YET = {
    "cda": "CDA documents are not converted yet",
    "dicom": "DICOM is not converted yet",
    "fhir": "FHIR is not read yet",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    paths: Sequence[str]
    format: str
    out: Path | None
    report: str | None
    jobs: int
    explain: bool
    settings: MapSettings
    overlays: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Unit:
    """One line of the report to be: a message to convert, or a line that is already known."""

    source: Source
    index: int | None
    body: bytes = b""
    found: tuple[Issue, ...] = ()
    line: Line | None = None


def convert(options: Options) -> int:
    """Run; give the exit code: 0, or 1 if a unit failed. Raises UsageError and InputError."""
    worst = 0
    count = 0
    progress = Progress("converted")
    with ExitStack() as stack:
        table = None if options.report or options.explain else Table(sys.stdout)
        report = _report(options, stack)
        for unit, result in _results(options):
            count += 1
            worst = max(worst, result.line["status"] == "failed")
            bundle = _write(options.out, unit, result.bundle)
            line: Line = {"source": printable(unit.source.name), "index": unit.index}
            line |= {key: result.line[key] for key in ("sha256", "format", "type", "status")}
            line["bundle"] = bundle
            line |= {key: value for key, value in result.line.items() if key not in line}
            if report is not None:
                report.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            if table is not None:
                table.row(line)
            if options.explain:
                _explain(line, result)
            progress.advance()
        progress.finish()
        if table is not None:
            table.end()
    if options.out is not None:
        print("ids are made under the published namespace, a service has its own: don't mix the two", file=sys.stderr)
    if not count:
        print("nothing to convert was found", file=sys.stderr)
    return worst


def _report(options: Options, stack: ExitStack) -> IO[str] | None:
    if options.report is None:
        return None
    if options.report == "-":
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]  # a TextIOWrapper
        return sys.stdout
    try:
        return stack.enter_context(open(options.report, "w", encoding="utf-8", newline="\n"))
    except OSError as error:
        raise InputError(f"can't write the report {options.report}: {error.strerror}") from error


def _explain(line: Line, result: Result) -> None:
    print(f"# {line['source']} [{line['index']}] {line['type']}")
    for text in result.explanation:
        print(text)


def _units(options: Options) -> Iterator[_Unit]:
    """Every line of the report, in walk order."""
    for source in walk(options.paths):
        data = source.read()
        found = detect(data)
        if found == "hl7v2" or (options.format == "hl7v2" and found is None and source.named):
            yield from _messages(source, data)
        elif found is not None:
            yield _Unit(source, None, line=_other(source, data, found))
        else:
            yield _Unit(source, None, line=_no_message(source, data))


def _messages(source: Source, data: bytes) -> Iterator[_Unit]:
    from adapters.hl7v2 import units

    empty = True
    for unit in units(data):
        empty = False
        if unit.kind == "envelope":
            yield _Unit(source, None, line=_envelope(unit.type, data, unit.issues))
        else:
            yield _Unit(source, unit.index, unit.body, tuple(unit.issues))
    if empty:
        yield _Unit(source, None, line=_no_message(source, data))


def _envelope(kind: str | None, data: bytes, issues: Sequence[Issue]) -> Line:
    line = failed(data, "hl7v2", "", time.perf_counter())
    status = "partial" if issues else "ok"
    return line | {"type": kind, "status": status, "issues": [issue_line(issue) for issue in issues]}


def _other(source: Source, data: bytes, found: str) -> Line:
    if source.named:
        return failed(data, found, _NOT_YET[found], time.perf_counter(), "not-supported")
    return _skipped(data, found, _NOT_YET[found])


def _no_message(source: Source, data: bytes) -> Line:
    text = "no HL7 v2 message: no line begins with MSH and a separator"
    return failed(data, None, text, time.perf_counter()) if source.named else _skipped(data, None, text)


def _skipped(data: bytes, found: str | None, text: str) -> Line:
    issue = {"severity": "information", "code": "not-supported", "path": None, "expression": None, "text": text}
    return failed(data, found, text, time.perf_counter()) | {"status": "skipped", "issues": [issue]}


def _results(options: Options) -> Iterator[tuple[_Unit, Result]]:
    """Each unit with its result, in walk order, whatever the number of processes."""
    from mappings import MappingError

    try:
        # before any process starts: a faulty overlay is one plain error
        converter = _converter(options.settings, options.overlays, options.explain)
    except MappingError as error:
        raise UsageError(str(error)) from error
    if options.jobs == 1:
        for unit in _units(options):
            yield unit, _one(converter, unit)
        return
    context = get_context("spawn")
    start = (options.settings, options.overlays, options.explain)
    with ProcessPoolExecutor(options.jobs, context, initializer=_start, initargs=start) as pool:
        under_way: deque[tuple[list[_Unit], Future[list[Result]]]] = deque()
        try:
            for chunk in _chunks(_units(options)):
                under_way.append((chunk, pool.submit(_many, chunk)))
                if len(under_way) >= options.jobs * _WINDOW:
                    yield from _finished(under_way)
            while under_way:
                yield from _finished(under_way)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(under_way: deque[tuple[list[_Unit], Future[list[Result]]]]) -> Iterator[tuple[_Unit, Result]]:
    chunk, future = under_way.popleft()
    yield from zip(chunk, future.result(), strict=True)


def _chunks(units: Iterator[_Unit]) -> Iterator[list[_Unit]]:
    chunk: list[_Unit] = []
    for unit in units:
        chunk.append(unit)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _converter(settings: MapSettings, overlays: tuple[str, ...], explain: bool) -> Converter:
    from mappings import load

    return Converter(load(overlays), settings, explain)


_worker: list[Converter] = []  # the one converter of a pool process


def _start(settings: MapSettings, overlays: tuple[str, ...], explain: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, too, and ends the pool
    _worker.append(_converter(settings, overlays, explain))


def _many(chunk: list[_Unit]) -> list[Result]:
    return [_one(_worker[0], unit) for unit in chunk]


def _one(converter: Converter, unit: _Unit) -> Result:
    return Result(unit.line, None) if unit.line is not None else converter.message(unit.body, unit.found)


def _write(out: Path | None, unit: _Unit, data: bytes | None) -> str | None:
    """Write a Bundle aside and rename it; give its path below `out` as the report shows it."""
    if out is None or data is None:
        return None
    relative = f"{unit.source.argument}/{unit.source.relative}.{unit.index or 0:06d}.json"
    target = out / relative
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(target.name + ".part")
        aside.write_bytes(data)
        os.replace(aside, target)
    except OSError as error:
        raise InputError(f"can't write {printable(str(target))}: {error.strerror}") from error
    return printable(relative.replace(os.sep, "/"))


def refuse_full(out: Path | None, force: bool) -> None:
    """A folder that holds something is not written into unless forced. Raises UsageError."""
    if out is not None and not force and out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty: name another folder, or add --force to write into it")
