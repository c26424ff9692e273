"""The version of Winnow, kept here only."""

__version__ = "0.1.0"
