"""The engine: reads maps, checks them, compiles them to closures, runs them (docs/mappings.md)."""
