"""Terminology: code packs, lookup and translation between code systems.

This room is empty of machinery so far: codes pass through the journey untranslated, with their original
system and text. Packs, importers and ConceptMap translation arrive with the terminology work; their door is here.
"""

__all__: list[str] = []
