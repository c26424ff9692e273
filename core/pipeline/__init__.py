"""The scan: stages in order, each from keyed inputs to files.

In: a :class:`~winnow.core.pipeline.config.ScanConfig`. Out: a workspace, its manifest, and the scan's progress.
"""
