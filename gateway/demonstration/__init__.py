"""`tabellion demo`: a script of steps over the real service; every step states what it expects and checks it."""

from gateway.demonstration.script import demonstrate

__all__ = ["demonstrate"]
