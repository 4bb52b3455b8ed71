"""FHIR R4 (4.0.1): the one serialisation, a strict reader, the definitions, the structure check.

Everything here is pure: bytes and values in, bytes and values out. The definitions are read from a committed
table on first use.
"""

from __future__ import annotations

from adapters.fhir.definitions import Binding, Codes, Definitions, Element, Home, definitions
from adapters.fhir.errors import (
    DecodeError,
    DuplicateKey,
    EncodeError,
    FhirError,
    LimitExceeded,
    Malformed,
    NumberRefused,
    PackageRefused,
    TextRefused,
    UnknownElement,
)
from adapters.fhir.findings import CodeLookup, Finding, Units
from adapters.fhir.outcome import is_valid, operation_outcome
from adapters.fhir.packages import (
    Package,
    PackageLimits,
    Skipped,
    compile_package,
    definitions_with,
    load_package,
    read_package,
)
from adapters.fhir.primitives import (
    CODE_RULES,
    PRIMITIVES,
    is_base64,
    is_boolean,
    is_code,
    is_date,
    is_date_time,
    is_decimal,
    is_id,
    is_instant,
    is_integer,
    is_oid,
    is_positive_int,
    is_string,
    is_time,
    is_unsigned_int,
    is_uri,
    is_uuid,
)
from adapters.fhir.reader import JsonLimits, decode
from adapters.fhir.repair import Removed, Repaired, repair
from adapters.fhir.serialisation import Encoded, JsonValue, decode_trusted, encode, encode_trusted
from adapters.fhir.validator import Level, validate, validate_bundle

__all__ = [
    "CODE_RULES",
    "PRIMITIVES",
    "Binding",
    "CodeLookup",
    "Codes",
    "DecodeError",
    "Definitions",
    "DuplicateKey",
    "Element",
    "EncodeError",
    "Encoded",
    "FhirError",
    "Finding",
    "Home",
    "JsonLimits",
    "JsonValue",
    "Level",
    "LimitExceeded",
    "Malformed",
    "NumberRefused",
    "Package",
    "PackageLimits",
    "PackageRefused",
    "Removed",
    "Repaired",
    "Skipped",
    "TextRefused",
    "Units",
    "UnknownElement",
    "compile_package",
    "decode",
    "decode_trusted",
    "definitions",
    "definitions_with",
    "encode",
    "encode_trusted",
    "is_base64",
    "is_boolean",
    "is_code",
    "is_date",
    "is_date_time",
    "is_decimal",
    "is_id",
    "is_instant",
    "is_integer",
    "is_oid",
    "is_positive_int",
    "is_string",
    "is_time",
    "is_unsigned_int",
    "is_uri",
    "is_uuid",
    "is_valid",
    "load_package",
    "operation_outcome",
    "read_package",
    "repair",
    "validate",
    "validate_bundle",
]
