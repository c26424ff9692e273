"""The append-only log of decisions, in SQLite or PostgreSQL.

In: decision requests. Out: the decisions in force, the history, and the class registry that follows from them.
"""
