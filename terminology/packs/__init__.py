"""Packs: one immutable SQLite file per system (or pair of systems) and version, and the shelf that they stand on."""

from terminology.packs.builder import PackBuilder
from terminology.packs.manifest import KINDS, Manifest
from terminology.packs.pack import Pack, open_pack
from terminology.packs.shelf import LIST as PACK_LIST
from terminology.packs.shelf import Entry, Shelf, install, read_list

__all__ = [
    "KINDS",
    "PACK_LIST",
    "Entry",
    "Manifest",
    "Pack",
    "PackBuilder",
    "Shelf",
    "install",
    "open_pack",
    "read_list",
]
