"""From samples to vectors, neighbours, a map and clusters.

In: a dataset and its media. Out: embeddings, neighbour graphs, a projection, clusters and words for them.
"""
