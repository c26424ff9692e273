"""From a person's files to a :class:`~winnow.core.types.Dataset` and its images.

In: a path (folder, table, saved dataset). Out: rows with ids, labels and metadata; decoded pixels and what was measured
on them.
"""
