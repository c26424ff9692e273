"""What a workspace keeps on disk.

In: arrays, tables and JSON of the other rooms. Out: files that are whole or absent, and typed readers of them.
"""
