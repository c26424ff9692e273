"""One file a stage: its key, how it runs, and how its result is read back.

In: the :class:`~winnow.core.pipeline.run.Run` and the results of earlier stages. Out: files in the workspace, and the
arrays in them.
"""
