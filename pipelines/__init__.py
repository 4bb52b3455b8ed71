"""The pipelines room."""
