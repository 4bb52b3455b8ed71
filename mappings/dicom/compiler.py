"""The compiler of rows: each read once, checked against R4 and PS3.6 at load.

The form is that of the other maps (docs/mappings.md); `from` is as in `mappings.dicom.sources`.
"""

from __future__ import annotations

from typing import Any

from adapters.fhir import Element as Definition
from adapters.fhir import UnknownElement, definitions
from mappings.dicom.form import Written, literal
from mappings.dicom.placing import Constant, placer, putter, register_path, repeating
from mappings.dicom.rows import Row
from mappings.dicom.sources import compile_when
from mappings.dicom.values import Library, compile_values
from mappings.engine.yamlfile import line_of
from mappings.errors import MapError

__all__ = ["compile_rows"]


def compile_rows(raw: Any, type_: str, library: Library, file: str, base: str = "") -> tuple[Row, ...]:
    """Compile the rows of one map whose object is of this FHIR type, or the element `base` of it. Raises MapError."""
    if not isinstance(raw, list):
        raise MapError(file, line_of(raw), "rows are a list")
    return tuple(_Compiler(each, type_, library, file, base).compile() for each in raw)


class _Compiler:
    def __init__(self, raw: Any, type_: str, library: Library, file: str, base: str) -> None:
        self.row = Written(raw, file)
        self.type = type_
        self.base = f"{base}." if base else ""
        self.library = library

    def compile(self) -> Row:
        raw = self.row.raw
        if "first" in raw:
            choices = compile_rows(raw["first"], self.type, self.library, self.row.file, self.base.removesuffix("."))
            one = choices[0]
            return Row(
                str(raw.get("id", one.id)), one.path, one.slot, one.repeats, one.values, one.place, one.put, None,
                self.row.says("required"), False, one.level, one.fold, one.rule, choices,
            )  # fmt: skip
        steps = self._steps()
        consts = self._consts(steps)
        values = compile_values(self.row, steps[-1], self.library)
        slot = str(raw.get("slot", "")) or self.row.usual_slot
        at = repeating(steps)
        return Row(
            id=str(raw.get("id", f"{raw.get('to', raw.get('extension', ''))}:{slot}")),
            path=register_path(steps, at),
            slot=slot if at is not None else "",
            repeats=at is not None,
            values=values,
            place=placer(steps, at, consts),
            put=putter(steps, consts),
            when=compile_when(raw.get("when"), self.row.file, self.row.line),
            required=self.row.says("required"),
            kept=self.row.says("kept"),
            level=str(raw.get("level", "study")),
            fold=str(raw.get("fold", "")),
            rule=f"dicom/{self.row.file}:{self.row.line}",
        )

    def _steps(self) -> tuple[Definition, ...]:
        raw = self.row.raw
        path = f"extension.value{_capital(str(raw.get('value', 'string')))}" if "extension" in raw else raw.get("to")
        if path is None:
            raise self.row.error("a row says `to`, `extension` or `first`")
        try:
            return definitions().steps(self.type, f"{self.base}{path}")[self.base.count(".") :]
        except UnknownElement as error:
            raise self.row.error(str(error)) from error

    def _consts(self, steps: tuple[Definition, ...]) -> list[Constant]:
        raw = self.row.raw
        given = dict(raw.get("set", {})) if isinstance(raw.get("set"), dict) and self.row.sourced else {}
        if "extension" in raw:
            given["url"] = raw["extension"]
        at = repeating(steps)
        found = []
        for path, value in given.items():
            try:
                if at is not None:
                    before = self.base + ".".join(step.name for step in steps[: at + 1])
                    inner = definitions().steps(self.type, f"{before}.{path}")[before.count(".") + 1 :]
                else:
                    inner = definitions().steps(self.type, f"{self.base}{path}")[self.base.count(".") :]
            except UnknownElement as error:
                raise self.row.error(str(error)) from error
            self.row.must_allow(inner[-1], str(value))
            found.append((inner, literal(value)))
        return found


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
