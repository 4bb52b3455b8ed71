"""Translating codes after a plan, against a dict that holds the same answers (the least that any look-up can cost).

Once: each code for the first time, read from the pack. Again: codes that come again, as they do in traffic. Step: the
whole step `translate` on registers, with issues and Provenance, per coding.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from statistics import median

from benchmarks.measure import Lap, compare, median_ratio
from benchmarks.result import Row

__all__ = ["BUDGET", "run"]

BUDGET = 100_000.0  # codings per second of a core in the step: 10 µs each
_PLAN = b"rows:\n- {id: dx, element: Condition.code, from: icd-9-cm, to: icd-10-cm}\n"
_CODINGS = 4  # diagnoses of one message in the step
_DICT = "dict of the same answers"


def run(quick: bool) -> list[Row]:
    """Rows for a single code, first and again, and for the step."""
    rounds, count = (5, 2_000) if quick else (11, 10_000)
    return [*_codes(rounds, count), *_rules(rounds, count // 10), *_step(rounds, count // 10)]


def _codes(rounds: int, count: int) -> list[Row]:
    from terminology import Shelf, Translator, parse_plan

    plan = parse_plan(_PLAN)
    row = Translator(plan, Shelf()).rows[0]
    codes = [str(found[0]) for found in row.pack.rows("SELECT DISTINCT source FROM gem ORDER BY source")]
    answers = {code: row.translate(code) for code in codes}
    fresh: list[Callable[[str], object]] = []

    def once(batch: Sequence[bytes]) -> None:
        translate = fresh.pop()
        for code in batch:
            translate(code.decode())

    def again(batch: Sequence[bytes]) -> None:
        for code in batch:
            row.translate(code.decode())

    def plain(batch: Sequence[bytes]) -> None:
        for code in batch:
            answers[code.decode()]

    chosen = random.Random(1)
    batches = [[code.encode() for code in chosen.sample(codes, min(count, len(codes)))] for _ in range(rounds)]
    fresh += [Translator(plan, Shelf()).rows[0].translate for _ in range(rounds)]
    laps = compare({"once": once, "again": again, _DICT: plain}, batches)
    return [_row(f"translate a code, {name}", laps[name], laps[_DICT], _DICT) for name in ("once", "again")]


def _step(rounds: int, count: int) -> list[Row]:
    from adapters.fhir import JsonValue
    from mappings import Change, Element, Mapped
    from pipelines.translation import translation

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_bytes(_PLAN)
        step = translation(str(path), None)
    assert step is not None
    system = "http://hl7.org/fhir/sid/icd-9-cm"
    codes = ["250.00", "001.0", "401.9", "806.04", "365.70"]

    def message(number: int) -> Mapped:
        changes = []
        for place in range(_CODINGS):
            coding: JsonValue = {"system": system, "code": codes[(number + place) % len(codes)], "display": "x"}
            elements = (Element("code", "", {"coding": [coding]}), Element("subject", "", {}))
            changes.append(Change("Condition", f"c{number}-{place}", "p", elements))
        changes.append(Change("Provenance", f"p{number}", None, ()))
        return Mapped("hl7v2", "ADT", None, None, "", b"", "", tuple(changes), (), (), (), (0, 0, 0, 0), "ok")

    messages = [message(number) for number in range(count // _CODINGS)]

    def whole(batch: Sequence[bytes]) -> None:
        for each in messages:
            step(each)

    def bare(batch: Sequence[bytes]) -> None:
        answers: dict[str, JsonValue] = {code: {"system": "x", "code": code} for code in codes}
        for each in messages:
            for change in each.changes:
                for element in change.elements:
                    value = element.value
                    if element.path == "code" and isinstance(value, dict):
                        coding = value["coding"]
                        assert isinstance(coding, list)
                        first = coding[0]
                        assert isinstance(first, dict)
                        coding = [*coding, answers[str(first["code"])]]

    batches = [[b""] * (count // _CODINGS * _CODINGS) for _ in range(rounds)]
    laps = compare({"step": whole, _DICT: bare}, batches)
    figure = median(lap.per_core for lap in laps["step"])
    budget = Row("the step translate", figure, "codings/s of a core", "budget", BUDGET, figure / BUDGET, 1.0, hard=True)
    return [_row("the step translate", laps["step"], laps[_DICT], "bare loop with a dict"), budget]


def _rules(rounds: int, count: int) -> list[Row]:
    """Map rules by age: every patient is another one, so that only what belongs to the code can be remembered."""
    from terminology import Age, Context, Request, Shelf, Translator, import_source, parse_plan
    from tools.terminology_samples import CONCEPTS, REFSET, sctid

    sample = Path(__file__).resolve().parent.parent / "sample_data" / "terminology" / "rf2"
    target = "http://hl7.org/fhir/sid/icd-10-cm"
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        import_source("rf2", Request(sample, data, refset=REFSET, target=target), data)
        row = Translator(parse_plan(_PLAN.replace(b"icd-9-cm", b"snomed")), Shelf(data)).rows[0]
        code = sctid(CONCEPTS["bronchitis"][0])
        first = date(1950, 1, 1).toordinal()
        births = [
            [date.fromordinal(first + each * count + number) for number in range(count)] for each in range(rounds)
        ]
        patients = [[Context(age=Age.at_onset(str(birth), "2026-02-28")) for birth in each] for each in births]
        answers = {context: "J40" for each in patients for context in each}
        turn = {"rules": iter(patients), _DICT: iter(patients)}

        def ours(batch: Sequence[bytes]) -> None:
            for context in next(turn["rules"]):
                row.translate(code, context)

        def plain(batch: Sequence[bytes]) -> None:
            for context in next(turn[_DICT]):
                answers[context]

        laps = compare({"rules": ours, _DICT: plain}, [[b""] * count for _ in range(rounds)])
    return [_row("translate by rules, any age", laps["rules"], laps[_DICT], _DICT)]


def _row(title: str, ours: Sequence[Lap], theirs: Sequence[Lap], peer: str) -> Row:
    return Row(
        title,
        median(lap.per_core for lap in ours),
        "codings/s of a core",
        peer,
        median(lap.per_core for lap in theirs),
        median_ratio(ours, theirs),
        share=median(lap.share for lap in ours),
    )
