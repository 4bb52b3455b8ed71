"""`tabellion terminology import|list|lookup|translate`: packs of codes and maps."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import Failed, InputError, UsageError
from gateway.folder import add_data_option

if TYPE_CHECKING:
    from terminology import Entry, Shelf, Translation

_DESCRIPTION = """\
Codes, names and maps between code systems. ICD-9-CM, ICD-10-CM, the General Equivalence Mappings between them, HL7's
tables, OIDs and UCUM come with the release; others are imported from files that you have the right to use (SNOMED CT,
LOINC, the WHO's ICD, your own ConceptMaps: docs/terminology.md). Systems are named by URI or by short name
(icd-9-cm, icd-10-cm, icd-10, snomed, loinc, ucum).
"""
_EXAMPLES = """\
examples:
  tabellion terminology list
  tabellion terminology import fhir sample_data/terminology/local-to-icd-10-cm.json
  tabellion terminology import rf2 SnomedCT_InternationalRF2.zip --licence "affiliate 123456"
  tabellion terminology import loinc Loinc.csv --version 2.81
  tabellion terminology lookup icd-10-cm E11.9
  tabellion terminology lookup ucum mm[Hg]
  tabellion terminology translate --from icd-9-cm --to icd-10-cm 250.00 806.04
  tabellion terminology translate --from snomed --to icd-10 CONCEPT --age 12 --sex female

exit codes: 0 done, 1 a code was not found or not translated to one code, 2 usage, 3 input or output
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="import|list|lookup|translate", required=True)
    importing = actions.add_parser("import", help="make packs of a file, folder or archive")
    importing.add_argument("kind", metavar="KIND", help="what it is; `import list` names all kinds")
    importing.add_argument("path", nargs="?", type=Path, metavar="PATH")
    importing.add_argument("--version", default="", metavar="V", help="version, where the source doesn't say it")
    importing.add_argument("--from", dest="source", default="", metavar="SYSTEM", help="system of the codes, ditto")
    importing.add_argument("--to", default="", metavar="SYSTEM", help="system of the targets, ditto")
    importing.add_argument("--refset", default="", metavar="ID", help="of RF2: this map refset (with --to)")
    importing.add_argument(
        "--licence", default="", metavar="TEXT", help="the terms under which you use it, kept with it"
    )
    listing = actions.add_parser("list", help="packs there are")
    listing.add_argument("--check", action="store_true", help="compare every file with its SHA-256")
    lookup = actions.add_parser("lookup", help="what a code means")
    lookup.add_argument("system", metavar="SYSTEM")
    lookup.add_argument("code", metavar="CODE")
    translate = actions.add_parser("translate", help="codes into another system")
    translate.add_argument("codes", nargs="+", metavar="CODE")
    translate.add_argument("--from", dest="source", required=True, metavar="SYSTEM")
    translate.add_argument("--to", required=True, metavar="SYSTEM")
    translate.add_argument("--edition", default="", metavar="V", help="version of the target's codes to check against")
    translate.add_argument("--policy", choices=("safe", "exact", "strict-rf2"), default="safe")
    translate.add_argument("--combination", choices=("refuse", "first"), default="refuse")
    translate.add_argument("--retired", choices=("refuse", "accept"), default="refuse")
    translate.add_argument(
        "--ancestors", action="store_true", help="an unmapped concept takes the nearest map above it"
    )
    translate.add_argument(
        "--reverse", action="store_true", help="CODEs of --to: list source codes that may map to them"
    )
    translate.add_argument("--sex", choices=("female", "male"), help="of the patient, for map rules")
    translate.add_argument("--age", type=int, metavar="YEARS", help="completed years at onset, for map rules")
    for sub in (lookup, translate):
        sub.add_argument("--version", default="", metavar="V", help="of the pack, where there are several")
    for sub in (importing, listing, lookup, translate):
        sub.add_argument("--json", action="store_true", help="NDJSON")
        add_data_option(sub)


def run(options: argparse.Namespace) -> int:
    """Import, list, look up or translate."""
    from terminology import PackMissing, PlanError, SourceError, TerminologyError

    actions = {"import": _import, "list": _list, "lookup": _lookup, "translate": _translate}
    try:
        return actions[options.action](options)
    except SourceError as error:
        raise Failed(f"{options.path}: {error}") from error
    except (PackMissing, PlanError) as error:
        raise UsageError(str(error).removeprefix("plan:2: ")) from error
    except TerminologyError as error:
        raise InputError(str(error)) from error


def _shelf(options: argparse.Namespace) -> Shelf:
    from terminology import Shelf

    return Shelf(options.data / "terminology")


def _import(options: argparse.Namespace) -> int:
    from gateway.progress import Progress
    from terminology import IMPORTERS, Request, import_source
    from terminology.systems import uri

    if options.kind == "list":
        _print(({"kind": kind, "what": importer.what} for kind, importer in IMPORTERS.items()), options.json)
        return 0
    if options.kind not in IMPORTERS:
        raise UsageError(f"no kind {options.kind!r}: there are {', '.join(IMPORTERS)}")
    if options.path is None:
        raise UsageError("name the file, folder or archive to import")
    for need in IMPORTERS[options.kind].needs:
        if not getattr(options, need):
            raise UsageError(f"the source doesn't say its {need}: add --{need}")
    progress = Progress("rows")
    request = Request(
        path=options.path,
        folder=options.data,
        version=options.version,
        system=uri(options.source),
        target=uri(options.to),
        licence=options.licence,
        refset=options.refset,
        advance=progress.advance,
    )
    try:
        made = import_source(options.kind, request, options.data / "terminology")
    except OSError as error:
        raise InputError(f"{options.path}: {error.strerror or type(error).__name__}") from error
    finally:
        progress.finish()
    _print((_line(entry) for entry in made), options.json)
    return 0


def _list(options: argparse.Namespace) -> int:
    shelf = _shelf(options)
    entries = shelf.entries()
    if options.check:
        for entry in entries:
            shelf.open(entry, check=True)
    _print((_line(entry) for entry in entries), options.json)
    return 0


def _line(entry: Entry) -> dict[str, Any]:
    manifest = entry.manifest.to_json()
    rows = sum(count for table, count in entry.manifest.counts.items() if table not in ("system", "designation"))
    first = {"kind": entry.manifest.kind, "system": entry.manifest.system, "target": entry.manifest.target}
    return {
        **first,
        "version": entry.manifest.version,
        "rows": rows,
        "built_in": entry.built_in,
        "file": entry.path.name,
        "sha256": entry.sha256,
        "size": entry.size,
        **{key: value for key, value in manifest.items() if key not in (*first, "version")},
    }


def _lookup(options: argparse.Namespace) -> int:
    from terminology import Lookup
    from terminology.systems import UCUM, uri

    lookup, system = Lookup(_shelf(options)), uri(options.system)
    found = lookup.find(system, options.code, options.version or None)
    if found is None:
        reason = _why_no_unit(options.code) if system == UCUM else ""
        raise Failed(f"{options.code!r} is no code of {system}{reason}")
    line: dict[str, Any] = {
        "system": found.system,
        "version": found.version,
        "code": found.code,
        "display": found.display,
        "inactive": found.inactive,
        "selectable": found.selectable,
    }
    if system != UCUM:
        details = lookup.codes(system, options.version or None).details(found.code)
        line["parents"] = list(details.parents)
        line["history"] = [{"why": kind, "code": target} for kind, target in details.history]
        line["designations"] = [
            {"language": language, "use": use, "term": term} for language, use, term in details.designations
        ]
        line["oids"] = list(lookup.oids(system))
    if options.json:
        print(json.dumps(line, ensure_ascii=False))
    else:
        for key, value in line.items():
            for each in value if isinstance(value, list) else [value]:
                print(f"{key:<14}{' '.join(each.values()) if isinstance(each, dict) else each}")
    return 0


def _why_no_unit(code: str) -> str:
    from terminology import ucum

    meant = ucum.alias(code)
    return f": {ucum.fault(code)}" + (f"; {meant!r} is probably meant" if meant else "")


def _translate(options: argparse.Namespace) -> int:
    from terminology import Age, Context, Plan, PlanRow, Translator
    from terminology.systems import uri

    if options.age is not None and not 0 <= options.age <= 150:
        raise UsageError("--age takes completed years from 0 to 150")
    if options.reverse:
        return _reverse(options)
    row = PlanRow(
        id="command",
        element="Condition.code",
        source=uri(options.source),
        target=uri(options.to),
        line=2,
        version=options.version,
        edition=options.edition,
        policy=options.policy,
        combination=options.combination,
        retired=options.retired,
        ancestors="yes" if options.ancestors else "no",
    )
    translator = Translator(Plan("command line", (row,), "", "plan"), _shelf(options)).rows[0]
    context = Context(sex=options.sex, age=None if options.age is None else Age.completed(options.age))
    worst = 0
    for code in options.codes:
        found = translator.translate(code, context)
        worst = max(worst, found.coding is None)
        line = _translation(code, found)
        if options.json:
            print(json.dumps(line, ensure_ascii=False))
        else:
            _show(line)
    return worst


def _reverse(options: argparse.Namespace) -> int:
    """Candidates only: a map read backwards is one to many by design."""
    from terminology import Lookup, PackMissing, candidates
    from terminology.systems import uri

    shelf = _shelf(options)
    entry = shelf.find(("extended-map",), uri(options.source), uri(options.to), options.version or None)
    pack, lookup = shelf.open(entry), Lookup(shelf)
    worst = 0
    for code in options.codes:
        found = candidates(pack, code)
        worst = max(worst, not found)
        for source, row in found:
            try:
                concept = lookup.find(uri(options.source), source)
            except PackMissing:
                concept = None
            line = {
                "code": code,
                "candidate": source,
                "display": "" if concept is None else concept.display,
                "group": row.group,
                "rule": row.rule,
            }
            text = f"{code} <- {source} {line['display']}  (group {row.group}, {row.rule})"
            print(json.dumps(line, ensure_ascii=False) if options.json else text)
    return worst


def _translation(code: str, found: Translation) -> dict[str, Any]:
    decision = found.decision
    return {
        "code": code,
        "status": found.status,
        "targets": [
            {"code": each.code, "equivalence": each.equivalence, "display": each.display} for each in decision.targets
        ],
        "approximate": decision.approximate,
        "written": None if found.coding is None else found.coding["code"],
        "alternatives": [{"codes": list(each.codes), "when": each.when} for each in decision.alternatives],
        "advice": list(decision.advice),
        "notes": list(decision.notes),
    }


def _show(line: dict[str, Any]) -> None:
    approximate = " (approximate)" if line["approximate"] else ""
    print(f"{line['code']}: {line['status']}{approximate}")
    for each in line["targets"]:
        print(f"  {each['code']:<10} {each['equivalence']:<11} {each['display']}")
    for each in line["alternatives"]:
        print(f"  or {' + '.join(each['codes']) or 'no code'}{'  ' + each['when'] if each['when'] else ''}")
    for each in (*line["advice"], *line["notes"]):
        print(f"  {each}")


def _print(lines: Iterable[dict[str, Any]], as_json: bool) -> None:
    for line in lines:
        if as_json:
            print(json.dumps(line, ensure_ascii=False))
        elif "what" in line:
            print(f"{line['kind']:<14}{line['what']}")
        else:
            into = f" -> {line['target']}" if line["target"] else ""
            where = "built in" if line["built_in"] else "imported"
            print(f"{line['kind']:<13} {line['system']}{into}  {line['version']}  {line['rows']} rows, {where}")
