"""The mappings room."""
