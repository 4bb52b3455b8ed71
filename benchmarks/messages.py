"""Synthetic messages to measure with: an admission of ten segments and a laboratory report of nineteen.

No two are alike: names, identifiers, values and times change from message to message, as they do in a hospital; codes,
wards, doctors and insurers come from small sets, as they do there, too. So a cache of ours gets the hits it would get
in real traffic and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

__all__ = ["KINDS", "adt", "generate", "large", "mixed", "oru", "small"]

_FAMILY = ("ZZTEST", "ZZSAMPLE", "ZZDEMO", "ZZMUSTER", "ZZPRUEBA", "ZZESSAI", "ZZPROVA", "ZZEXEMPEL")
_GIVEN = ("ANNA", "BERND", "CARLA", "DAVID", "ELENA", "FRANK", "GRETA", "HUGO", "IRENE", "JONAS", "KLARA", "LEO")
_SYLLABLES = ("BA", "DO", "FE", "GI", "KU", "LA", "MO", "NE", "PI", "RU", "SA", "TO", "VE", "WI", "ZU")
_STREETS = ("SAMPLE ST", "TEST AVE", "EXAMPLE RD", "MADEUP LN", "FICTION BLVD")
_TOWNS = (("TESTVILLE", "OH", "44130"), ("SAMPLETON", "NY", "10001"), ("MOCKBURG", "TX", "73301"))
_DOCTORS = tuple(f"{1000 + n}^HEALER{n}^{given}^^^DR^^^NORTHTEST^L" for n, given in enumerate(_GIVEN))
_WARDS = tuple(f"{floor}W^{floor}0{room}^{bed}^NORTHTEST" for floor in range(1, 6) for room in (1, 2) for bed in "AB")
_DIAGNOSES = (
    "R07.9^Chest pain, unspecified^I10C",
    "I10^Essential (primary) hypertension^I10C",
    "E11.9^Type 2 diabetes mellitus without complications^I10C",
    "J18.9^Pneumonia, unspecified organism^I10C",
)
_DRUGS = ("7980^Penicillin G^RXNORM", "723^Amoxicillin^RXNORM", "10831^Sulfamethoxazole^RXNORM")
_TESTS = (
    ("2345-7^Glucose^LN", "mg/dL^mg/dL^UCUM", "70-99", 0),
    ("3094-0^Urea nitrogen^LN", "mg/dL^mg/dL^UCUM", "7-20", 0),
    ("2160-0^Creatinine^LN", "mg/dL^mg/dL^UCUM", "0.50-1.10", 2),
    ("2951-2^Sodium^LN", "mmol/L^mmol/L^UCUM", "136-145", 0),
    ("2823-3^Potassium^LN", "mmol/L^mmol/L^UCUM", "3.5-5.1", 2),
    ("2075-0^Chloride^LN", "mmol/L^mmol/L^UCUM", "98-107", 0),
    ("2028-9^Carbon dioxide^LN", "mmol/L^mmol/L^UCUM", "22-29", 0),
    ("17861-6^Calcium^LN", "mg/dL^mg/dL^UCUM", "8.6-10.2", 1),
    ("2885-2^Protein^LN", "g/dL^g/dL^UCUM", "6.0-8.3", 2),
    ("1751-7^Albumin^LN", "g/dL^g/dL^UCUM", "3.5-5.0", 1),
    ("1975-2^Bilirubin.total^LN", "mg/dL^mg/dL^UCUM", "0.1-1.2", 1),
    ("1742-6^ALT^LN", "U/L^U/L^UCUM", "7-56", 0),
)


@dataclass(frozen=True, slots=True)
class _Person:
    """What stays the same about a person from message to message."""

    record: str
    insurance: str
    family: str
    given: str
    born: str
    sex: str


def _person(number: int) -> _Person:
    random = Random(number)
    family, given = _name(random)
    return _Person(f"{number:09d}", f"{random.randrange(10**9):09d}", family, given, _day(random), random.choice("FM"))


def _name(random: Random) -> tuple[str, str]:
    coined = "".join(random.choices(_SYLLABLES, k=3))
    return f"{random.choice(_FAMILY)}-{coined}", random.choice(_GIVEN)


def _time(random: Random) -> str:
    day, minute = random.randrange(28), random.randrange(1440)
    return f"202603{day + 1:02d}{minute // 60:02d}{minute % 60:02d}{random.randrange(60):02d}-0500"


def _day(random: Random) -> str:
    return f"{random.randrange(1930, 2020)}{random.randrange(1, 13):02d}{random.randrange(1, 29):02d}"


def _phone(random: Random) -> str:
    return f"^PRN^PH^^1^216^555{random.randrange(10_000):04d}"


def adt(random: Random, number: int, people: int = 10**9) -> bytes:
    """An admission of one of so many people: ten segments, about 1.5 KB. Its control id is its number."""
    who = _person(random.randrange(people))
    other, other_given = _name(random)
    now, before = _time(random), _time(random)
    visit = random.randrange(10**9)
    town = "^".join(random.choice(_TOWNS))
    home = f"{random.randrange(1, 999)} {random.choice(_STREETS)}^APT {random.randrange(1, 99)}^{town}^USA^H"
    doctor = random.choice(_DOCTORS)
    segments = [
        f"MSH|^~\\&|ADT|NORTHTEST|TABELLION|HIE|{now}||ADT^A01^ADT_A01|B{number:09d}|P|2.5.1||||||UNICODE UTF-8",
        f"EVN|A01|{now}|||OP01^CLERK^CARL^^^^^^NORTHTEST",
        f"PID|1||{who.record}^^^NORTHTEST^MR~{who.insurance}^^^STATETEST^SS||{who.family}^{who.given}^M^^MRS^^L"
        f"~{other}^{who.given}^^^^^M||{who.born}|{who.sex}||2106-3^White^HL70005|{home}||{_phone(random)}"
        f"~^NET^Internet^{who.given.lower()}{who.record}@example.org|{_phone(random)}|en^English^HL70296|M^Married^HL70002"
        f"|CHR^Christian^HL70006|ACC-{visit}^^^NORTHTEST^AN|||||||||||||N",
        "PD1|||NORTH TEST CLINIC^^^^^NORTHTEST^XX^^^NTC|1004^FAMILY^FRED^^^DR^^^NORTHTEST^L",
        f"NK1|1|{other}^{other_given}^^^MR|SPO^Spouse^HL70063|{home}|{_phone(random)}||N^Next of kin^HL70131",
        f"PV1|1|I|{random.choice(_WARDS)}|U^Urgent^HL70007|||{doctor}|{random.choice(_DOCTORS)}"
        f"|{random.choice(_DOCTORS)}|MED|||R|1|A0||{doctor}|INP|V-{visit}^^^NORTHTEST^VN"
        f"|||||||||||||||||||||||||{before}",
        "PV2||SEMI^Semi-private^L|CHEST PAIN^Chest pain^L|||||20260302|20260306|4|4|Observed for chest pain",
        f"AL1|1|DA^Drug allergy^HL70127|{random.choice(_DRUGS)}|SV^Severe^HL70128|Hives|{_day(random)}",
        f"DG1|1||{random.choice(_DIAGNOSES)}||{before}|A",
        f"IN1|1|PPO^Preferred plan^L|INS-77^^^NORTHTEST|TEST INSURANCE CO|1 COVER RD^^TESTVILLE^OH^44130^USA"
        f"|||GRP-{random.randrange(999)}||||20260101|20261231|||{who.family}^{who.given}|SEL^Self^HL70063|{who.born}",
    ]
    return "\r".join(segments).encode() + b"\r"


def _result(random: Random, row: int, taken: str) -> str:
    code, unit, limits, digits = _TESTS[row % len(_TESTS)]
    low, high = map(float, limits.split("-"))
    value = f"{random.uniform(low * 0.8, high * 1.2):.{digits}f}"
    flag = "L" if float(value) < low else "H" if float(value) > high else "N"
    return f"OBX|{row + 1}|NM|{code}||{value}|{unit}|{limits}|{flag}|||F|||{taken}||2001^TECH^TINA"


def oru(random: Random, number: int, people: int = 10**9, results: int = 12) -> bytes:
    """A report of `results` numeric results: with twelve of them 19 segments, about 2 KB. Control id = number."""
    who = _person(random.randrange(people))
    now, taken = _time(random), _time(random)
    order, doctor = random.randrange(10**9), random.choice(_DOCTORS)
    segments = [
        f"MSH|^~\\&|LAB|NORTHTEST|TABELLION|HIE|{now}||ORU^R01^ORU_R01|B{number:09d}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{who.record}^^^NORTHTEST^MR||{who.family}^{who.given}^^^^^L||{who.born}|{who.sex}",
        f"PV1|1|I|{random.choice(_WARDS)}||||||||||||||||V-{random.randrange(10**9)}^^^NORTHTEST^VN",
        f"ORC|RE|ORD-{order}^HIS|FIL-{order}^LAB||CM||||{now}|||{doctor}",
        f"OBR|1|ORD-{order}^HIS|FIL-{order}^LAB|24323-8^Comprehensive metabolic 2000 panel^LN|||{taken}|||||||{now}"
        f"|SER^Serum^HL70487|{doctor}||||||{now}||CH|F",
        *[_result(random, row, taken) for row in range(results)],
        f"NTE|1|L|Sample {random.randrange(10**6)} was slightly haemolysed; interpret with care.",
        f"SPM|1|SPM-{order}&HIS^SPM-{order}F&LAB||SER^Serum^HL70487|||VENIP^Venipuncture^HL70488||||||||||{taken}",
    ]
    return "\r".join(segments).encode() + b"\r"


def large(random: Random, number: int) -> bytes:
    """A report of 22 results, about 3 KB: the size that intake is measured with."""
    return oru(random, number, results=22)


def small(random: Random, number: int) -> bytes:
    """An admission of three segments, about 300 bytes: many of them tell what each one leaves behind."""
    who = _person(number)
    now = _time(random)
    segments = [
        f"MSH|^~\\&|ADT|NORTHTEST|TABELLION|HIE|{now}||ADT^A01^ADT_A01|B{number:09d}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{who.record}^^^NORTHTEST^MR||{who.family}^{who.given}^^^^^L||{who.born}|{who.sex}",
        f"PV1|1|I|{random.choice(_WARDS)}||||||||||||||||V-{random.randrange(10**9)}^^^NORTHTEST^VN",
    ]
    return "\r".join(segments).encode() + b"\r"


def mixed(random: Random, number: int) -> bytes:
    """Admissions and twelve-result reports in turn; about every second message is of a person seen before."""
    return (oru if number % 2 else adt)(random, number, number // 2 + 1)


KINDS = {"adt": adt, "oru": oru, "large": large, "mixed": mixed, "small": small}


def generate(kind: str, count: int, seed: int, first: int = 0) -> list[bytes]:
    """`count` messages of a kind, numbered from `first`; the same seed gives the same messages."""
    random = Random(f"{kind}/{seed}")  # a text, so that it doesn't depend on the interpreter's hash seed
    return [KINDS[kind](random, first + place) for place in range(count)]
