"""Formats: one file each, registered at the bottom of its own file.

In: curated rows. Out: a file or a folder in the form that another tool reads.
"""

from __future__ import annotations

from ...registry import load_siblings
from .base import EXPORTERS, FOLDERS, Exporter, ExportResult, FolderExporter, Rows, Supplies

load_siblings(__name__, __path__)

__all__ = ["EXPORTERS", "FOLDERS", "ExportResult", "Exporter", "FolderExporter", "Rows", "Supplies"]
