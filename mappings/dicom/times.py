"""Dates and times: DA, TM and DT (PS3.5 section 6.2) as FHIR's date, dateTime and instant.

The zone is the value's own, else (0008,0201), else the channel's; without any there is a date, and no time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from mappings.dicom.run import Run

__all__ = ["date_time", "date_time_instant", "full_date", "instant", "instant_of", "moment"]

_DATE = re.compile(r"(\d{4})([.-]?)(\d{2})\2(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")
_DATE_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?")


def full_date(run: Run, text: str) -> str | None:
    """DA; `1997.04.24` is ACR-NEMA's."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[3]), int(found[4])).isoformat()
    except ValueError:
        return None


def moment(run: Run, day: str, clock: str, offset: str) -> str | None:
    """DA + TM + (0008,0201): a full dateTime if a zone is known, else the date."""
    whole = full_date(run, day)
    if whole is None:
        return None
    time = _clock(clock)
    if time is None:
        return whole
    return _zoned(run, f"{whole}T{time}", offset) or whole


def date_time(run: Run, text: str, offset: str) -> str | None:
    """DT, to the precision it has."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, own = found.groups()
    parts = [part for part in (year, month, day) if part]
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    whole = "-".join(parts)
    time = _clock(f"{hour}{minute}{second or ''}{'.' + fraction if fraction and second else ''}") if minute else None
    if time is None or not day:
        return whole
    return _zoned(run, f"{whole}T{time}", own or offset) or whole


def _clock(text: str) -> str | None:
    """TM as FHIR writes it; an hour alone is too little for FHIR."""
    found = _TIME.fullmatch(text)
    if found is None or found[2] is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 60:
        return None
    fraction = (found[4] or "").rstrip("0")
    return f"{hour:02}:{minute:02}:{min(second, 59):02}" + (f".{fraction}" if fraction else "")


def _zoned(run: Run, local: str, offset: str) -> str | None:
    found = _OFFSET.fullmatch(offset)
    if found is not None and int(found[2]) <= 14 and int(found[3]) < 60:
        return f"{local}{found[1]}{found[2]}:{found[3]}"
    if run.zone is None:
        run.say("information", "incomplete", None, "times have no zone: neither (0008,0201) nor the channel says one")
        return None
    shift = datetime.fromisoformat(local[:19]).replace(tzinfo=run.zone).utcoffset() or timedelta()
    minutes = int(shift.total_seconds() // 60)
    return f"{local}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def instant(run: Run, day: str, clock: str, offset: str) -> str | None:
    """As `started`, but nothing less than an instant."""
    found = moment(run, day, clock, offset)
    return found if found is not None and "T" in found else None


def date_time_instant(run: Run, text: str, offset: str) -> str | None:
    """DT as an instant."""
    found = date_time(run, text, offset)
    return found if found is not None and "T" in found else None


def instant_of(text: str | None) -> str | None:
    """A dateTime as UTC text that compares as time; None for less."""
    if text is None or "T" not in text:
        return None
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{moment.microsecond:06}" if moment.microsecond else "") + "Z"
