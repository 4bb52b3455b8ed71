"""Issues of HL7 v2 messages: the room's one value (`adapters.issue`), under the name this package uses."""

from adapters.issue import Issue

__all__ = ["Issue"]
