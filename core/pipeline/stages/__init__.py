"""One file a stage: its key, how it runs, and how its result is read back.

In: the run and what earlier stages gave. Out: files in the workspace, and the arrays that they hold.
"""
