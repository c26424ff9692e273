"""What Winnow promises, measured: ``python -m benchmarks.NAME`` from the repository's root."""
