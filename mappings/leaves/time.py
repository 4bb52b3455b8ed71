"""Leaf functions for HL7 v2 times (DTM, TS, DT, TM; 2.A.22) to FHIR date, dateTime, instant and time.

Precision stays. Zone: the field's own offset, else the channel's zone, else MSH-7's offset, else the date only
and the original text beside it. The server's zone is never used.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache

from mappings.leaves.base import Invalid, Leaf, LeafContext, Partly

__all__ = ["LEAVES", "as_utc", "offset_of"]

_STAMP = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(\.\d*)?)?)?)?)?)?([+-]\d{4})?", re.ASCII
)
_CLOCK = re.compile(r"(\d{2})(?:(\d{2})(?:(\d{2})(\.\d*)?)?)?([+-]\d{4})?", re.ASCII)
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NO_ZONE = "has a time of day but no zone is known: only the date is carried"
_NO_MINUTE = "has an hour without minutes: only the date is carried"


# a message says the same moment in many fields, and days come again and again
@lru_cache(maxsize=1024)
def _parse(source: str) -> tuple[str, ...]:
    match = _STAMP.fullmatch(source.strip())
    if match is None:
        raise Invalid("is not an HL7 time")
    return match.groups(default="")


@lru_cache(maxsize=4096)
def _day(year: str, month: str, day: str) -> str:
    """YYYY, YYYY-MM or YYYY-MM-DD, checked against the calendar."""
    if year == "0000" or (month and not "01" <= month <= "12"):
        raise Invalid("is not a date")
    if not day:
        return f"{year}-{month}" if month else year
    length = _MONTH_DAYS[int(month) - 1]
    if month == "02" and (int(year) % 4 or (int(year) % 100 == 0 and int(year) % 400)):
        length = 28
    if not 1 <= int(day) <= length:
        raise Invalid("is not a date")
    return f"{year}-{month}-{day}"


def _clock(hour: str, minute: str, second: str, fraction: str) -> str:
    second = second or "00"
    if hour > "23" or minute > "59" or second > "59":
        raise Invalid("is not a time of day")
    return f"{hour}:{minute}:{second}{fraction}" if len(fraction) > 1 else f"{hour}:{minute}:{second}"


@lru_cache(maxsize=256)
def _offset(text: str) -> str:
    """`+0130` as `+01:30`."""
    if text[1:3] > "14" or text[3:5] > "59":
        raise Invalid("has no valid offset")
    found = f"{text[:3]}:{text[3:]}"
    return "+00:00" if found == "-00:00" else found


def _zoned(day: str, clock: str, offset: str, context: LeafContext) -> str | None:
    """The offset as `+01:00` by the zone rules; None if nothing says it."""
    if offset:
        return _offset(offset)
    if context.zone is not None:
        local = datetime.fromisoformat(f"{day}T{clock[:8]}").replace(tzinfo=context.zone)
        delta = local.utcoffset()
        return None if delta is None else _delta(delta)
    return context.offset


def _delta(delta: timedelta) -> str:
    # offsets with seconds (before standard time) have no form in FHIR: cut to the minute
    minutes = int(delta.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def date(source: str, context: LeafContext) -> str | Partly:
    """date: year, month, day as far as given; a time of day is kept as original text."""
    year, month, day, hour, *_ = _parse(source)
    found = _day(year, month, day)
    if hour.strip("0") or (hour and any(part.strip("0.") for part in _[:3])):
        return Partly(found, "has a time of day where FHIR has a date")
    return found


def date_time(source: str, context: LeafContext) -> str | Partly:
    """dateTime with the precision of the text."""
    year, month, day, hour, minute, second, fraction, offset = _parse(source)
    found = _day(year, month, day)
    if not hour:
        if offset:
            _offset(offset)
        return found
    if not minute:
        _clock(hour, "00", "", "")
        return Partly(found, _NO_MINUTE)
    clock = _clock(hour, minute, second, fraction)
    zone = _zoned(found, clock, offset, context)
    return Partly(found, _NO_ZONE) if zone is None else f"{found}T{clock}{zone}"


def instant(source: str, context: LeafContext) -> str:
    """instant: at least to the second, with a zone."""
    year, month, day, hour, minute, second, fraction, offset = _parse(source)
    found = _day(year, month, day)
    if not second:
        raise Invalid("is less than a full instant")
    clock = _clock(hour, minute, second, fraction)
    zone = _zoned(found, clock, offset, context)
    if zone is None:
        raise Invalid("is no instant: no zone is known")
    return f"{found}T{clock}{zone}"


def time(source: str, context: LeafContext) -> str | Partly:
    """time: hh:mm:ss; TM without minutes is refused, an offset is kept as original text."""
    match = _CLOCK.fullmatch(source.strip())
    if match is None:
        raise Invalid("is not a time of day")
    hour, minute, second, fraction, offset = match.groups(default="")
    if not minute:
        raise Invalid("has no minutes")
    found = _clock(hour, minute, second, fraction)
    return Partly(found, "has an offset where FHIR has none") if offset else found


def offset_of(source: str) -> str | None:
    """The offset that a stamp itself says, as `+01:00`; None without or if unreadable."""
    match = _STAMP.fullmatch(source.strip())
    if match is None or not match[8]:
        return None
    try:
        return _offset(match[8])
    except Invalid:
        return None


def as_utc(stamp: str) -> str:
    """A FHIR instant or dateTime with offset as UTC with microseconds, so that texts compare as times."""
    zone = stamp[-6:]
    _, _, fraction = stamp[19:-6].partition(".")
    moment = datetime.fromisoformat(stamp[:19])
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    if minutes:
        try:
            moment += timedelta(minutes=minutes if zone[0] == "-" else -minutes)
        except OverflowError as error:
            raise Invalid("is outside the years 1 to 9999") from error
    return f"{moment.isoformat()}.{fraction[:6]:0<6}Z"


LEAVES = {
    "date": Leaf(date, produces=("date",)),
    "dateTime": Leaf(date_time, produces=("dateTime",)),
    "instant": Leaf(instant, produces=("instant",)),
    "time": Leaf(time, produces=("time",)),
}
