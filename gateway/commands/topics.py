"""`tabellion topics list|tail`: the topics as a subscriber sees them, embedded or on Kafka."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.errors import InputError, UsageError
from gateway.folder import add_data_option, existing

if TYPE_CHECKING:
    from pipelines.ports import Message

_DESCRIPTION = """\
List the topics, or read one: released records only, in the order of their offsets, with fingerprint and receipt
in the headers. Works while the service runs.
"""
_EXAMPLES = """\
examples:
  tabellion topics list
  tabellion topics tail fhir.default.patient.v1 --json
  tabellion topics tail fhir.default.observation.v1 --from latest --follow
  tabellion topics tail fhir.default.patient.v1 --kafka broker:9092 --count 10 --json
"""
_POLL = 0.2  # seconds between looks with --follow


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="list|tail", required=True)
    listing = actions.add_parser("list", help="names and offsets")
    tail = actions.add_parser("tail", help="read one topic")
    tail.add_argument("topic", metavar="TOPIC")
    tail.add_argument("--kafka", metavar="SERVERS", help="read from this broker instead of the data folder")
    tail.add_argument("--from", dest="start", default="earliest", metavar="earliest|latest|N")
    tail.add_argument("--count", type=int, metavar="N", help="stop after N messages")
    tail.add_argument("--follow", action="store_true", help="wait for new ones")
    for sub in (listing, tail):
        sub.add_argument("--json", action="store_true", help="NDJSON, one object per line")
        add_data_option(sub)


def run(options: argparse.Namespace) -> int:
    """List or tail."""
    return _list(options) if options.action == "list" else _tail(options)


def _list(options: argparse.Namespace) -> int:
    for info in existing(options.data).topics().topics():
        if options.json:
            print(json.dumps({"topic": info.topic, "first": info.first, "next": info.next}))
        else:
            print(f"{info.topic:<40} first {info.first:>8}  next {info.next:>8}")
    return 0


def _tail(options: argparse.Namespace) -> int:
    if options.start not in ("earliest", "latest") and not options.start.isdigit():
        raise UsageError("--from takes earliest, latest or an offset")
    if options.count is not None and options.count < 1:
        raise UsageError("--count takes a number from 1")
    for message in _kafka(options) if options.kafka else _embedded(options):
        _print(message, options.json)
    return 0


def _print(message: Message, as_json: bool) -> None:
    value = message.value
    if as_json:
        row: dict[str, object] = {"topic": message.topic, "offset": message.offset, "key": message.key}
        row |= {"headers": dict(message.headers)}
        row |= {"value_base64": None if value is None else base64.b64encode(value).decode()}
        print(json.dumps(row, ensure_ascii=False), flush=True)
    else:
        kind = message.headers.get("ce_type", "")
        size = "tombstone" if value is None else f"{len(value)} bytes"
        print(f"{message.offset:>8}  {kind:<44} {message.headers.get('ce_subject', '')}  {size}", flush=True)


def _embedded(options: argparse.Namespace) -> Iterator[Message]:
    from pipelines.topics import UnknownTopic

    topics = existing(options.data).topics()
    try:
        known = {info.topic: info for info in topics.topics()}
        start = {"earliest": 0, "latest": known[options.topic].next if options.topic in known else 0}
        offset = start[options.start] if options.start in start else int(options.start)
        yield from topics.tail(options.topic, offset, count=options.count, poll=_POLL if options.follow else None)
    except UnknownTopic as error:
        raise UsageError(str(error)) from error


def _kafka(options: argparse.Namespace) -> Iterator[Message]:
    from pipelines.kafka import PublisherStopped, tail

    try:
        yield from tail(options.kafka, options.topic, options.start, options.count, options.follow)
    except PublisherStopped as error:
        raise InputError(f"{options.kafka}: {error}") from error
