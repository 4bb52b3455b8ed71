"""`tabellion messages find|show|replay`: follow up what was received."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.deadletters import replay_entries
from gateway.errors import UsageError
from gateway.folder import add_data_option, existing
from gateway.settings import load_settings

if TYPE_CHECKING:
    from pipelines.messages import Shown

_DESCRIPTION = """\
Find messages by control id, patient identifier or time of receipt; show one with its raw bytes, Bundle, lineage and
receipts; replay one with the rules of now. Patient identifiers are looked up by keyed hash: none is stored in clear.
`show` prints patient data.
"""
_EXAMPLES = """\
examples:
  tabellion messages find --control-id MSG00042
  tabellion messages find --patient 4711001 --since 2026-03-01
  tabellion messages show 17
  tabellion messages show 17 --part raw > message.hl7
  tabellion messages replay 17
"""
PARTS = ("raw", "bundle", "lineage", "receipts")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="find|show|replay", required=True)
    find = actions.add_parser("find", help="search, newest first")
    find.add_argument("--control-id", metavar="ID", help="MSH-10")
    find.add_argument("--patient", metavar="IDENTIFIER", help="an identifier of the patient, as in PID-3.1")
    find.add_argument("--since", metavar="TIME", help="received at or after, e.g. 2026-03-01 or 2026-03-01T12:00Z")
    find.add_argument("--until", metavar="TIME", help="received at or before")
    find.add_argument("--limit", type=int, default=100, metavar="N", help="default 100")
    show = actions.add_parser("show", help="one message and what came of it")
    show.add_argument("id", type=int, metavar="ID")
    show.add_argument("--part", choices=PARTS, help="only this part, as it is")
    again = actions.add_parser("replay", help="map and settle again, at the original place and time")
    again.add_argument("ids", nargs="+", type=int, metavar="ID")
    for sub in (show, again):
        sub.add_argument("--config", type=Path, metavar="FILE", help="the configuration of the service")
    for sub in (find, show, again):
        sub.add_argument("--json", action="store_true", help="NDJSON (show: one object)")
        add_data_option(sub)


def run(options: argparse.Namespace) -> int:
    """Find, show or replay."""
    if options.action == "find":
        return _find(options)
    return replay_entries(options, []) if options.action == "replay" else _show(options)


def _find(options: argparse.Namespace) -> int:
    from pipelines.messages import find

    found = find(
        existing(options.data),
        control_id=options.control_id,
        patient=options.patient,
        since=_time(options.since),
        until=_time(options.until),
        limit=options.limit,
    )
    for each in found:
        if options.json:
            print(json.dumps(asdict(each), ensure_ascii=False))
        else:
            print(f"{each.id:>8}  {each.received}  {each.status:<10} {each.type:<20} {each.channel}  {each.control_id}")
    return 0


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no time: write 2026-03-01 or 2026-03-01T12:00Z") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


def _show(options: argparse.Namespace) -> int:
    from pipelines.errors import NoSuchEntry, SettingsError
    from pipelines.messages import show

    try:
        shown = show(existing(options.data), load_settings(options.config), options.id)
    except (NoSuchEntry, SettingsError) as error:
        raise UsageError(str(error)) from error
    if options.json:
        print(json.dumps(_object(shown), ensure_ascii=False))
    elif options.part:
        _part(shown, options.part)
    else:
        _page(shown)
    return 0


def _object(shown: Shown) -> dict[str, object]:
    records = [asdict(record) | {"receipt": (record.receipt or b"").decode() or None} for record in shown.records]
    return asdict(shown.found) | {
        "detail": shown.detail,
        "raw_base64": None if shown.raw is None else base64.b64encode(shown.raw).decode(),
        "bundle": None if shown.bundle is None else json.loads(shown.bundle),
        "lineage": list(shown.lineage),
        "records": records,
        "same_map": shown.same_map,
    }


def _part(shown: Shown, part: str) -> None:
    out = sys.stdout.buffer
    if part == "raw":
        out.write(shown.raw or b"")
    elif part == "bundle":
        out.write((shown.bundle or b"") + b"\n")
    elif part == "lineage":
        out.write("".join(f"{line}\n" for line in shown.lineage).encode())
    else:
        out.write(b"".join(record.receipt + b"\n" for record in shown.records if record.receipt))
    out.flush()


def _page(shown: Shown) -> None:
    for name, value in asdict(shown.found).items():
        print(f"{name.replace('_', ' '):<12} {value}")
    for name, value in shown.detail.items():
        print(f"{name:<12} {json.dumps(value, ensure_ascii=False)}")
    if not shown.same_map and shown.bundle is not None:
        print("the map that settled it is not kept: Bundle and lineage are by the map of now")
    print(f"\nrecords ({len(shown.records)})")
    for record in shown.records:
        print(f"  {record.offset:>8}  {record.op:<8} {record.subject}  {record.topic}")
    print("\nraw")
    raw = shown.raw or b"(erased)"
    if b"\0" in raw:
        print(f"{len(raw)} bytes that are no text: --part raw writes them")
    else:
        print(raw.decode("utf-8", "replace").replace("\r", "\n"))
    print("\nlineage")
    for line in shown.lineage:
        print(f"  {line}")
