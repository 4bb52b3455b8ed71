"""ICD-9-CM and ICD-10-CM: code lists and the General Equivalence Mappings between them."""

from terminology.icd import gem
from terminology.icd.codes import build_claml, build_codes
from terminology.icd.gem import build_gem

__all__ = ["build_claml", "build_codes", "build_gem", "gem"]
