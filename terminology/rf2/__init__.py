"""SNOMED CT Release Format 2: releases, and the rule-based maps to ICD (ICD-10 Mapping Technical Guide)."""

from terminology.rf2.age import Age
from terminology.rf2.context import NO_CONTEXT, Context
from terminology.rf2.extended import GroupDecision, MapRow, decide, decide_groups
from terminology.rf2.importer import build_rf2
from terminology.rf2.rule import Rule, parse_rule
from terminology.rf2.sctid import valid_sctid

__all__ = [
    "NO_CONTEXT",
    "Age",
    "Context",
    "GroupDecision",
    "MapRow",
    "Rule",
    "build_rf2",
    "decide",
    "decide_groups",
    "parse_rule",
    "valid_sctid",
]
