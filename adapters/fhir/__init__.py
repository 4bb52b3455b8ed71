"""FHIR R4 (4.0.1): the one serialisation, a strict reader, the definitions, the structure check.

Everything here is pure: bytes and values in, bytes and values out. The definitions are read from a committed
table on first use.
"""

from __future__ import annotations

from adapters.fhir.bundles import validate_bundle
from adapters.fhir.definitions import Binding, Codes, Definitions, Element, Home, definitions
from adapters.fhir.errors import (
    DecodeError,
    DuplicateKey,
    EncodeError,
    FhirError,
    LimitExceeded,
    Malformed,
    NumberRefused,
    TextRefused,
    UnknownElement,
)
from adapters.fhir.findings import Finding
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
from adapters.fhir.serialisation import Encoded, JsonValue, decode_trusted, encode, encode_trusted
from adapters.fhir.structure import validate

__all__ = [
    "CODE_RULES",
    "PRIMITIVES",
    "Binding",
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
    "LimitExceeded",
    "Malformed",
    "NumberRefused",
    "TextRefused",
    "UnknownElement",
    "decode",
    "decode_trusted",
    "definitions",
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
    "validate",
    "validate_bundle",
]
