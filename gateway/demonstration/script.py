"""The steps of the demo, in the order of a record's journey."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import ledger
from gateway.demonstration.checks import Checks
from gateway.demonstration.child import ServiceChild
from gateway.demonstration.patients import show_patients
from gateway.demonstration.samples import Sample, load_samples
from gateway.demonstration.senders import WAYS
from gateway.demonstration.tampering import tamper
from gateway.errors import UsageError
from pipelines.datafolder import DataFolder, Identity, init_folder
from pipelines.messages import status
from pipelines.ports import Message
from pipelines.topics import RECEIPT

__all__ = ["demonstrate"]

MARK = "made-by-tabellion-demo"
CONFIG = """\
# made by `tabellion demo`: the sample messages are marked as tests (MSH-11 T), so the tenant is one for tests
[service]
production = false

[dicom]
quiet_seconds = 1.0                 # a study is brought up to date once nothing came for so long

[channels.demo]
tenant = "demo"
processing_ids = ["P", "T"]
zone = "America/New_York"
translation = "{plan}"

[channels.documents]                # POST /ingest/cda
format = "cda"
tenant = "demo"
zone = "America/New_York"

[channels.document-files]           # a watched folder
format = "cda"
tenant = "demo"
zone = "America/New_York"
folder = "{inbox}"
folder_seconds = 0.5

[channels.images]                   # C-STORE and STOW-RS
format = "dicom"
tenant = "demo"
zone = "America/New_York"
identity = "hold"                   # what contradicts the known patient waits for a person
"""
PLAN = """\
# made by `tabellion demo`: diagnoses in ICD-9-CM get an ICD-10-CM code beside them (docs/terminology.md)
plan: demo
rows:
- {id: dx, element: Condition.code, from: icd-9-cm, to: icd-10-cm}
"""
_CONDITIONS = "SELECT body FROM record WHERE type='Condition' ORDER BY seq"
_SETTLE = 60.0  # seconds for the service to settle all samples


def demonstrate(samples_folder: Path, place: Path) -> int:
    """Run all steps; 0 only if everything held."""
    begun = time.monotonic()
    _clear(place)
    data, config = place / "data", place / "tabellion.toml"
    plan = place / "plan.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    inbox = place / "inbox"
    inbox.mkdir(mode=0o700)
    config.write_text(CONFIG.format(plan=plan.resolve().as_posix(), inbox=inbox.resolve().as_posix()), encoding="utf-8")
    folder = init_folder(data, Identity(tenant="demo", institution="demo-hospital"))
    samples = load_samples(samples_folder)
    check = Checks()
    print(f"Starting the service on {data}")
    service = ServiceChild(config, data, place / "service.log")
    try:
        _send(service, inbox, samples, check)
        _settle(folder, check)
        _table(folder, check)
        _codes(folder, check)
        show_patients(folder, samples, check)
        key = str(folder.keystore.signer(folder.state_reader().log().number).vkey)
        (place / "log.vkey").write_text(key + "\n", encoding="utf-8")
        message = _subscribe(folder, key, check)
        check(service.stop() == 0, "the service drained and ended")
    finally:
        service.kill()
    if message is not None:
        print("\nTampering, each time on a copy")
        for attempt in tamper(folder, message, key):
            check(attempt.found, f"{attempt.what} changed: {attempt.by} says: {attempt.said}")
        _leave(place, message)
    _end(place, check, time.monotonic() - begun)
    return 1 if check.failures else 0


def _clear(place: Path) -> None:
    if place.exists():
        if not (place / MARK).exists() and any(place.iterdir()):
            raise UsageError(f"{place} was not made by the demo and is not empty: name another folder with --data")
        shutil.rmtree(place)
    place.mkdir(parents=True, mode=0o700)
    (place / MARK).touch()


def _send(service: ServiceChild, inbox: Path, samples: list[Sample], check: Checks) -> None:
    for sample in samples:
        if not sample.as_shipped:
            check(False, f"{sample.name} is not as it was shipped: its SHA-256 differs from the manifest's; not sent")
    for name, way in WAYS.items():
        sent = [sample for sample in samples if sample.way == name and sample.as_shipped]
        if not sent:
            continue
        print(f"Sending {len(sent)} sample files: {way.text}")
        answers = way.send(service, inbox, sent)
        expected = {sample.name: sample.answer for sample in sent}
        wrong = [said for said in answers if said.answer != expected[said.name]]
        for said in wrong:
            check(False, f"{said.name} [{said.index}]: answered {said.answer}, not as expected")
        missing = expected.keys() - {said.name for said in answers}
        codes = Counter(said.answer for said in answers)
        counts = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
        check(not wrong and not missing, f"{len(answers)} answered as expected: {counts}")


def _settle(folder: DataFolder, check: Checks) -> None:
    until = time.monotonic() + _SETTLE
    while time.monotonic() < until:
        now = status(folder)
        growing = _growing(folder)
        if not now["backlog"] and not growing:
            break
        time.sleep(0.05)
    check(not now["backlog"], "every acknowledged message is settled")
    check(not growing, "every study is made of all its instances")
    check(not now["dead_letters"], "no message failed")


def _growing(folder: DataFolder) -> bool:
    """Whether a study has instances that its ImagingStudy doesn't show yet."""
    with closing(folder.state_reader()) as state:
        return bool(state.stale(time.time_ns() // 1000, 1))


def _table(folder: DataFolder, check: Checks) -> None:
    now = status(folder)
    state = folder.state_reader()
    rows = state.connection.execute("SELECT type, count(DISTINCT id), count(*) FROM record GROUP BY type ORDER BY type")
    types = [(str(row[0]), int(str(row[1])), int(str(row[2]))) for row in rows]
    residue = 0
    for (detail,) in state.connection.execute("SELECT detail FROM entry"):
        residue += int(json.loads(bytes(detail) or b"{}").get("leaves", {}).get("residue", 0))
    state.close()
    print(f"\n  {'resource type':<22}{'resources':>10}{'versions':>10}")
    for name, resources, versions in types:
        print(f"  {name:<22}{resources:>10}{versions:>10}")
    print(f"  {'all':<22}{sum(row[1] for row in types):>10}{sum(row[2] for row in types):>10}")
    print(f"\n  {'messages settled':<34}{now['settled']:>8}")
    print(f"  {'versions not made (unchanged)':<34}{now['unchanged']:>8}")
    print(f"  {'source leaves left as residue':<34}{residue:>8}")
    print(f"  {'leaves in the log':<34}{now['log_size']:>8}")
    infos = folder.topics().topics()
    for info in infos:
        print(f"  {info.topic:<34}{f'{info.first}..{info.next - 1}' if info.next else 'empty':>8}")
    imaging = [info for info in infos if ".imaging." in info.topic and info.next]
    check(bool(imaging), "the topic of imaging is not empty")


def _codes(folder: DataFolder, check: Checks) -> None:
    """ICD-9-CM diagnoses: those with an ICD-10-CM code beside them, and those that no map decides."""
    print("\nDiagnoses in ICD-9-CM, translated after the channel's plan")
    state = folder.state_reader()
    bodies = [bytes(row[0]) for row in state.connection.execute(_CONDITIONS) if isinstance(row[0], bytes)]
    left = state.worklist()
    state.close()
    codings = [json.loads(body).get("code", {}).get("coding", []) for body in bodies]
    found = [
        [each.get("system", "").rpartition("/")[2] + " " + each.get("code", "") for each in coding]
        for coding in codings
    ]
    translated = [codes for codes in found if len(codes) == 2 and codes[0].startswith("icd-9-cm")]
    for codes in translated:
        print(f"  {codes[0]}  stands beside  {codes[1]}")
    for row in left:
        print(f"  icd-9-cm {row.code}  {row.status}: nothing is written, it is on the worklist")
    check(bool(translated) and bool(left), f"{len(translated)} translated, {len(left)} left to a person")


def _subscribe(folder: DataFolder, key: str, check: Checks) -> Message | None:
    print("\nReading the topics as a subscriber, verifying every receipt offline with the log's key")
    topics = folder.topics()
    verified = 0
    chosen: Message | None = None
    for info in topics.topics():
        for message in topics.tail(info.topic, 0):
            assert message.value is not None
            verdict = ledger.verify_record(message.value, message.headers[RECEIPT].encode(), key)
            if not verdict.valid:
                check(False, f"record {message.offset}: {verdict.text}")
            verified += verdict.valid
            if message.headers["ce_type"].startswith("org.hl7.fhir.r4.Observation") or chosen is None:
                chosen = message
    size = folder.state_reader().size()
    topics.close()
    check(verified == size and verified > 0, f"{verified} of {size} receipts are valid")
    return chosen


def _leave(place: Path, message: Message) -> None:
    assert message.value is not None
    (place / "record.json").write_bytes(message.value)
    (place / "receipt.json").write_bytes(message.headers[RECEIPT].encode())


def _end(place: Path, check: Checks, seconds: float) -> None:
    if check.failures:
        print(f"\n{len(check.failures)} things did not hold; see above and {place / 'service.log'}", file=sys.stderr)
        return
    print(f"""
All of it held, in {seconds:.0f} s. What to try next:
  tabellion verify --record {place}/record.json --receipt {place}/receipt.json --key {place}/log.vkey
  tabellion topics tail fhir.demo.observation.v1 --data {place}/data --json
  tabellion convert sample_data/hl7v2/08-oru-numeric.hl7 --explain
  tabellion codes worklist --data {place}/data
  tabellion identity worklist --data {place}/data
  tabellion doctor --data {place}/data
  docs/getting-started.md goes on from here""")
