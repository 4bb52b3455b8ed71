"""FHIR terminology resources as sources: ConceptMap, CodeSystem, ValueSet, NamingSystem, and packages of them."""

from terminology.fhir import conceptmap
from terminology.fhir.conceptmap import build_conceptmap
from terminology.fhir.package import build_package
from terminology.fhir.resources import build_fhir

__all__ = ["build_conceptmap", "build_fhir", "build_package", "conceptmap"]
