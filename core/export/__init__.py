"""Exports of a workspace.

In: the dataset with the decisions in force. Out: curated files and folders with manifest, patch and datasheet.
"""
