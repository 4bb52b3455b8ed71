"""`tabellion serve`: the intake process, its children, and the HTTP port."""

from gateway.serving.intake import Intake
from gateway.serving.service import Addresses, serve

__all__ = ["Addresses", "Intake", "serve"]
