"""Conformance of a message to its version's standard and to a channel's profile: a report, never a gate."""

from __future__ import annotations

from adapters.hl7v2.conformance.profile import Breach, Profile, ProfileError, profile_schema, read_profile
from adapters.hl7v2.conformance.standard import conform

__all__ = ["Breach", "Profile", "ProfileError", "conform", "profile_schema", "read_profile"]
