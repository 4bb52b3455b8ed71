"""What the demo expects, and what of it held."""

from __future__ import annotations

__all__ = ["Checks"]


class Checks:
    """What was expected and what held."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def __call__(self, held: bool, text: str) -> None:
        """Print a line with its verdict."""
        print(f"  {'ok ' if held else 'NOT'}  {text}", flush=True)
        if not held:
            self.failures.append(text)
