"""Looking at a scanned workspace.

In: filters, polygons, words and samples. Out: ids, counts, cards, map points and search results.
"""
