"""Winnow's engine: find what is wrong in a labelled dataset. See ``assets/architecture.md``."""

__version__ = "0.1.0"
