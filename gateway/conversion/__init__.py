"""`tabellion convert`: files in, Bundles and a report out; stateless and reproducible."""

from gateway.conversion.converter import Converter, Result
from gateway.conversion.detect import detect
from gateway.conversion.run import Options, convert
from gateway.conversion.walk import Source, walk

__all__ = ["Converter", "Options", "Result", "Source", "convert", "detect", "walk"]
