"""The engine for tree-shaped sources: reads maps whose `from` is a path in a tree, checks them, compiles and runs them.

CDA uses it (mappings/cda). Why it stands beside the engine for HL7 v2: docs/adr/0014-tree-maps.md.
"""
