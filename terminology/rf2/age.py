"""Age at onset as an interval (ICD-10 map, 6.3): dates may be partial, and then an answer may be unknown.

Years and months are completed calendar units, weeks and days are date differences; nothing is divided by 365.25.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

__all__ = ["UNITS", "Age", "Interval", "dates"]

UNITS = ("years", "months", "weeks", "days", "hours")
Interval = tuple[int, int]  # both ends included
_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T.*)?)?)?")


def dates(text: str) -> tuple[date, date] | None:
    """First and last day of a FHIR date or dateTime; None if it is none."""
    match = _PARTIAL.fullmatch(text)
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        if day:
            exact = date(int(year), int(month), int(day))
            return exact, exact
        if month:
            return date(int(year), int(month), 1), date(
                int(year), int(month), calendar.monthrange(int(year), int(month))[1]
            )
        return date(int(year), 1, 1), date(int(year), 12, 31)
    except (ValueError, calendar.IllegalMonthError):
        return None


@dataclass(frozen=True, slots=True)
class Age:
    """Bounds in each unit, both ends included."""

    years: Interval
    months: Interval
    weeks: Interval
    days: Interval
    hours: Interval

    @classmethod
    def at_onset(cls, birth: str, onset: str) -> Age | None:
        """From two FHIR dates, which may be partial; None if either is none, or onset lies before birth."""
        born, begun = dates(birth), dates(onset)
        if born is None or begun is None or begun[1] < born[0]:
            return None
        youngest, oldest = (born[1], max(begun[0], born[1])), (born[0], begun[1])
        days = (youngest[1] - youngest[0]).days, (oldest[1] - oldest[0]).days
        return cls(
            years=(_months(*youngest) // 12, _months(*oldest) // 12),
            months=(_months(*youngest), _months(*oldest)),
            weeks=(days[0] // 7, days[1] // 7),
            days=days,
            hours=(max(0, (days[0] - 1) * 24), (days[1] + 1) * 24),  # the hour of either day is not known
        )

    @classmethod
    def completed(cls, number: int, unit: str = "years") -> Age:
        """From an age that someone stated in completed units."""
        # days of the least and the most that one completed unit can be
        least = {"years": 365, "months": 28, "weeks": 7, "days": 1, "hours": 0}[unit]
        most = {"years": 366, "months": 31, "weeks": 7, "days": 1, "hours": 1}[unit]
        days = (number * least, (number + 1) * most - (unit != "hours"))
        if unit == "hours":
            days = (number // 24, number // 24)
        months = (days[0] // 31, days[1] // 28)
        years = (days[0] // 366, days[1] // 365)
        exact = (number, number)
        return cls(
            years=exact if unit == "years" else (number // 12, number // 12) if unit == "months" else years,
            months=exact if unit == "months" else (number * 12, number * 12 + 11) if unit == "years" else months,
            weeks=exact if unit == "weeks" else (days[0] // 7, days[1] // 7),
            days=exact if unit == "days" else days,
            hours=exact if unit == "hours" else (days[0] * 24, (days[1] + 1) * 24 - 1),
        )

    def within(self, unit: str) -> Interval:
        """The bounds in one of UNITS."""
        found: Interval = getattr(self, unit)
        return found


def _months(birth: date, then: date) -> int:
    """Completed calendar months. Who was born on the 31st completes a month of 30 days on the next 1st."""
    return (then.year - birth.year) * 12 + then.month - birth.month - (then.day < birth.day)
