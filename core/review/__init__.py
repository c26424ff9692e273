"""What people do to a dataset, and what their decisions teach.

In: decisions, class edits and roles, each with its actor. Out: rows of the log, agreement, and a better queue.
"""
