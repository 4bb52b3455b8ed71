"""FHIRPath N1 (2.0.0) over FHIR JSON, as far as constraints need it: compiled to closures when definitions load.

What an expression uses that is not here (`resolve()`, `memberOf()`, `today()`, dates as literals) makes it
NotCompilable, with the reason: a constraint is checked as it is written or not at all.
"""

from __future__ import annotations

from adapters.fhir.fhirpath.compiler import Constraint, compile_constraint, compile_path
from adapters.fhir.fhirpath.parser import NotCompilable, parse

__all__ = ["Constraint", "NotCompilable", "compile_constraint", "compile_path", "parse"]
