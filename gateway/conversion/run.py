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
    from adapters.issue import Issue

__all__ = ["Options", "convert", "refuse_full"]

_WINDOW = 4  # jobs under way per process: bounds memory, keeps every process busy
_CHUNK = 32  # messages per job
_NAMES = {"hl7v2": "HL7 v2", "cda": "a CDA document", "dicom": "DICOM", "fhir": "FHIR"}


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    paths: Sequence[str]
    format: str
    out: Path | None
    report: str | None
    jobs: int
    converter: Converter


@dataclass(frozen=True, slots=True)
class _Unit:
    """One line of the report to be: a unit to convert, or a line that is already known."""

    source: Source
    index: int | None
    format: str = ""
    body: bytes = b""
    found: tuple[Issue, ...] = ()
    line: Line | None = None


def convert(options: Options) -> int:
    """Run; give the exit code: 0, or 1 if a unit failed. Raises UsageError and InputError."""
    worst = 0
    count = 0
    shared: _Shared = {}
    progress = Progress("converted")
    with ExitStack() as stack:
        table = None if options.report or options.converter.explain else Table(sys.stdout)
        report = _report(options, stack)
        for unit, result in _results(options):
            count += 1
            worst = max(worst, result.line["status"] == "failed")
            bundle = _keep(options.out, unit, result, shared)
            line: Line = {"source": printable(unit.source.name), "index": unit.index}
            line |= {key: result.line[key] for key in ("sha256", "format", "type", "status")}
            line["bundle"] = bundle
            line |= {key: value for key, value in result.line.items() if key not in line}
            if report is not None:
                report.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            if table is not None:
                table.row(line)
            if options.converter.explain:
                _explain(line, result)
            progress.advance()
        _write_shared(options, shared)
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
    from pipelines.formats import FORMATS

    for source in walk(options.paths):
        data = source.read()
        found = detect(data)
        if found is None and options.format != "auto" and source.named:
            found = options.format
        if found is None:
            yield _Unit(source, None, line=_no_unit(source, data, options.format))
        elif options.format not in ("auto", found):
            asked = _NAMES[options.format]
            yield _Unit(source, None, line=_left_out(source, data, found, f"{_NAMES[found]}; {asked} was asked for"))
        elif found not in FORMATS:
            yield _Unit(source, None, line=_left_out(source, data, found, f"{_NAMES[found]} is not converted yet"))
        else:
            yield from _units_of(source, data, found)


def _units_of(source: Source, data: bytes, found: str) -> Iterator[_Unit]:
    from pipelines.formats import source as row

    empty = True
    for unit in row(found).units(data):
        empty = False
        if unit.envelope:
            yield _Unit(source, None, line=_envelope(found, unit.envelope, data, unit.issues))
        else:
            yield _Unit(source, unit.index, found, unit.body, unit.issues)
    if empty:
        yield _Unit(source, None, line=_no_unit(source, data, found))


def _envelope(format_: str, kind: str, data: bytes, issues: Sequence[Issue]) -> Line:
    line = failed(data, format_, "", time.perf_counter())
    status = "partial" if issues else "ok"
    return line | {"type": kind, "status": status, "issues": [issue_line(issue) for issue in issues]}


def _left_out(source: Source, data: bytes, found: str | None, text: str) -> Line:
    if source.named:
        return failed(data, found, text, time.perf_counter(), "not-supported" if found else "structure")
    return _skipped(data, found, text)


def _no_unit(source: Source, data: bytes, asked: str) -> Line:
    from pipelines.formats import FORMATS
    from pipelines.formats import source as row

    nouns = [row(name).noun for name in FORMATS if asked in ("auto", name)]
    return _left_out(source, data, None, f"no {' or '.join(nouns)}")


def _skipped(data: bytes, found: str | None, text: str) -> Line:
    issue = {"severity": "information", "code": "not-supported", "path": None, "expression": None, "text": text}
    return failed(data, found, text, time.perf_counter()) | {"status": "skipped", "issues": [issue]}


def _results(options: Options) -> Iterator[tuple[_Unit, Result]]:
    """Each unit with its result, in walk order, whatever the number of processes."""
    from mappings import MappingError
    from pipelines.errors import SettingsError

    converter = options.converter
    try:
        converter.prepare()  # before any process starts
    except (MappingError, SettingsError) as error:
        raise UsageError(str(error)) from error
    if options.jobs == 1:
        for unit in _units(options):
            yield unit, _one(converter, unit)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context, initializer=_start, initargs=(converter,)) as pool:
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


_worker: list[Converter] = []  # the one converter of a pool process


def _start(converter: Converter) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, too, and ends the pool
    _worker.append(converter)


def _many(chunk: list[_Unit]) -> list[Result]:
    return [_one(_worker[0], unit) for unit in chunk]


def _one(converter: Converter, unit: _Unit) -> Result:
    if unit.line is not None:
        return Result(unit.line, None)
    return converter.unit(unit.format, unit.body, unit.found)


_Shared = dict[tuple[str, str], list[bytes]]
"""(format, place) → what the units there said, in walk order."""


def _keep(out: Path | None, unit: _Unit, result: Result, shared: _Shared) -> str | None:
    """Write a unit's Bundle, or put it to those it shares one with; the path below `out` as the report shows it."""
    if out is None or result.bundle is None:
        return None
    if result.place:
        shared.setdefault((unit.format, result.place), []).append(result.bundle)
        return result.place
    relative = f"{unit.source.argument}/{unit.source.relative}.{unit.index or 0:06d}.json"
    _write(out, relative, result.bundle)
    return printable(relative.replace(os.sep, "/"))


def _write_shared(options: Options, shared: _Shared) -> None:
    """The Bundles of several units, once all have been read."""
    from mappings import Mapped, bundle
    from pipelines.formats import source

    for (format_, place), parts in shared.items():
        together = source(format_).together
        assert together is not None
        assert options.out is not None
        mapped = together.join([Mapped.from_bytes(part) for part in parts])
        _write(options.out, place, bundle(mapped, options.converter.settings.base) + b"\n")


def _write(out: Path, relative: str, data: bytes) -> None:
    """Write a Bundle aside and rename it."""
    target = out / relative
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(target.name + ".part")
        aside.write_bytes(data)
        os.replace(aside, target)
    except OSError as error:
        raise InputError(f"can't write {printable(str(target))}: {error.strerror}") from error


def refuse_full(out: Path | None, force: bool) -> None:
    """A folder that holds something is not written into unless forced. Raises UsageError."""
    if out is not None and not force and out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty: name another folder, or add --force to write into it")
